import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.shipped import experiment_row
from support.synthetic_tables import CIFARNET, FRACTIONS, SUITE, TABLE_1, TABLE_2, write_tables

from phasebench.common.statistics import prediction_interval
from phasebench.reporting.experiments import Experiment, arrange
from phasebench.reporting.tables import accuracy, rotation, significance
from phasebench.reporting.tables.accuracy import AccuracyTable, accuracy_table
from phasebench.tables.read import ReportTables, read_tables

Frames = dict[str, pd.DataFrame]


def _experiments(tables: ReportTables) -> dict[str, Experiment]:
    return {experiment.name: experiment for experiment in arrange(tables)}


@pytest.fixture
def written(tmp_path: Path) -> tuple[Frames, ReportTables]:
    frames = write_tables(tmp_path)
    return frames, read_tables(tmp_path)


def _accuracy(tables: ReportTables, name: str) -> AccuracyTable:
    return accuracy_table(tables, _experiments(tables)[name])


def test_columns_and_rows_are_those_of_the_study(written: tuple[Frames, ReportTables]) -> None:
    experiments = arrange(written[1])
    first, second, third = experiments
    assert (first.number, second.number) == ("Table 1", "Table 2")
    assert [(one.heading, one.setting_of) for one in experiments if not one.setting_of] == [("Table 3: CIFAR-10", {})]
    # What the study printed is shown all the same.
    (row,) = accuracy_table(written[1], third).rows
    assert (row.was_run, row.cells[0].published) == (False, 0.937)
    assert [setting.key for setting in first.settings] == [
        (dataset, encoding, 1.0)
        for dataset in ("cifar10", "cifar100", "svhn")
        for encoding in ("rgb", "lab", "sliding")
    ]
    assert first.models == tuple(TABLE_1)
    assert [setting.train_fraction for setting in second.settings] == list(FRACTIONS)
    assert second.models == tuple(TABLE_2)
    assert [second.detail(setting).replace("\N{NO-BREAK SPACE}", " ") for setting in second.settings] == [
        "5 %",
        "10 %",
        "50 %",
        "90 %",
        "100 %",
    ]
    assert [first.title(setting) for setting in first.settings_run] == ["Colour shapes, LAB", "SVHN, RGB"]


def test_accuracies_agree_with_a_group_by(written: tuple[Frames, ReportTables]) -> None:
    frames, tables = written
    expected = (
        frames["runs"]
        .query("experiment == 'table_1'")
        .groupby(["dataset", "encoding", "model"])["test_accuracy"]
        .agg(["count", "mean", "std"])
    )
    found = accuracy.tidy(_accuracy(tables, "table_1")).query("n > 0").set_index(["dataset", "encoding", "model"])
    assert len(found) == 2 * len(CIFARNET)
    aligned = found.loc[expected.index]
    np.testing.assert_array_equal(aligned["n"], expected["count"])
    np.testing.assert_allclose(aligned["mean"], expected["mean"], rtol=1e-12)
    np.testing.assert_allclose(aligned["std"], expected["std"], rtol=1e-12)


def test_published_numbers_stand_in_every_cell_and_differences_where_the_data_are_the_same(
    written: tuple[Frames, ReportTables],
) -> None:
    table = _accuracy(written[1], "table_1")
    printed = np.array([[cell.published for cell in row.cells] for row in table.rows])
    np.testing.assert_allclose(printed, np.array(list(TABLE_1.values())) / 100, rtol=1e-9)
    for row, cell in table.cells:
        if cell.setting.dataset == "svhn" and cell.summary.n:
            assert cell.difference == cell.summary.mean - TABLE_1[row.model][6] / 100
            assert cell.where == "Table 1"
        else:
            assert math.isnan(cell.difference)
    assert any(cell.setting.dataset == "colour_shapes" and cell.summary.n for _, cell in table.cells)


def test_a_published_number_is_theirs_if_it_lies_in_our_prediction_interval(
    written: tuple[Frames, ReportTables],
) -> None:
    _, tables = written
    table = _accuracy(tables, "table_1")
    cells = {row.model: row.cells[6] for row in table.rows if row.was_run}
    for cell in cells.values():
        values = [value for _, value in cell.by_seed]
        assert cell.theirs == pytest.approx(tuple(float(bound) for bound in prediction_interval(values)))
    # Ours are drawn about 0.63, 0.67 and 0.68; the study printed 87.47, 77.19 and 89.39 %.
    assert {cell.is_theirs for cell in cells.values()} == {False}
    ours = cells["cifarnet_real"]
    assert replace(ours, published=ours.summary.mean).is_theirs is True
    # Stand-in data say nothing of it, and one seed neither.
    assert {row.cells[1].is_theirs for row in table.rows if row.was_run} == {None}
    assert {cell.is_theirs for row in _accuracy(tables, "table_2").rows for cell in row.cells} == {None}


def test_a_printed_deviation_of_several_runs_counts_in_the_prediction(written: tuple[Frames, ReportTables]) -> None:
    _, tables = written
    changed = replace(tables, published=tables.published.assign(std=0.02, n=5.0))
    (real,) = (row for row in _accuracy(changed, "table_1").rows if row.model == "cifarnet_real")
    values = [value for _, value in real.cells[6].by_seed]
    bounds = prediction_interval(values, 0.02, 5)
    assert real.cells[6].theirs == pytest.approx(tuple(float(bound) for bound in bounds))


def test_what_was_not_run_is_counted_and_seeds_are_said(written: tuple[Frames, ReportTables]) -> None:
    _, tables = written
    table = _accuracy(tables, "table_1")
    assert (table.columns_not_run, table.rows_not_run) == (7, 2)
    assert (_accuracy(tables, "table_3").columns_not_run, _accuracy(tables, "table_3").rows_not_run) == (0, 0)
    (cell,) = (row.cells[6] for row in table.rows if row.model == "cifarnet_real")
    assert cell.seeds == "3 seeds"
    assert replace(cell, planned=5).seeds == "3 of 5 seeds"


def test_cells_say_how_many_of_their_seeds_are_finished(written: tuple[Frames, ReportTables]) -> None:
    tables = written[1]
    runs = tables.runs[(tables.runs["experiment"] == "table_1") & (tables.runs["dataset"] == "svhn")]
    one = runs[runs["model"] == "cifarnet_real"].iloc[:1]
    kept = tables.runs[~tables.runs["run"].isin(one["run"])]
    failed = one.reindex(columns=tables.unfinished.columns).assign(what="run", state="failed")
    # An evaluation that is not there takes no seed away.
    others = failed.assign(what="evaluation rotation")
    tables = replace(
        tables,
        runs=kept,
        metrics=tables.metrics[tables.metrics["run"].isin(kept["run"])],
        unfinished=pd.concat([failed, others], ignore_index=True),
    )
    experiment = next(one for one in arrange(tables) if one.name == "table_1")
    cells = {(row.model, cell.setting.key): cell.seeds for row, cell in accuracy_table(tables, experiment).cells}
    assert cells["cifarnet_real", ("svhn", "rgb", 1.0)] == "2 of 3 seeds"
    assert cells["cifarnet_type_i", ("svhn", "rgb", 1.0)] == "3 seeds"


def test_best_of_ours_and_of_the_published(written: tuple[Frames, ReportTables]) -> None:
    table = _accuracy(written[1], "table_1")
    for column in range(len(table.experiment.settings)):
        cells = [row.cells[column] for row in table.rows]
        values = [values[column] for values in TABLE_1.values()]
        assert [cell.published_best for cell in cells] == [value == max(values) for value in values]
        ours = [cell.summary.mean for cell in cells]
        if any(cell.summary.n for cell in cells):
            assert [cell.best for cell in cells].index(True) == int(np.nanargmax(ours))
        assert sum(cell.best for cell in cells) == any(cell.summary.n for cell in cells)


def test_a_lone_model_is_not_the_best(tmp_path: Path) -> None:
    write_tables(tmp_path, models=("cifarnet_real",))
    table = _accuracy(read_tables(tmp_path), "table_1")
    assert any(cell.summary.n for _, cell in table.cells)
    assert not any(cell.best for _, cell in table.cells)


def test_parameters_are_ours_and_the_published(written: tuple[Frames, ReportTables]) -> None:
    rows = {row.model: row for row in _accuracy(written[1], "table_2").rows}
    assert (rows["mstar_cds"].parameters, rows["mstar_cds"].published_parameters) == ((29_505,), 29_536)
    baseline = {row.model: row for row in _accuracy(written[1], "table_1").rows}["cifarnet_dcn"]
    assert (baseline.parameters, baseline.published_parameters, baseline.was_run) == ((), 66_858, False)


def test_one_seed(written: tuple[Frames, ReportTables]) -> None:
    frames, tables = written
    cells = [cell for _, cell in _accuracy(tables, "table_2").cells if cell.summary.n]
    assert len(cells) == 4
    values = frames["runs"].set_index("run")["test_accuracy"]
    for cell in cells:
        assert (cell.summary.n, len(cell.runs)) == (1, 1)
        assert cell.summary.mean == values[cell.runs[0]]
        assert math.isnan(cell.summary.std)


def test_runs_that_diverged_enter_no_mean_no_bold_type_and_no_test(written: tuple[Frames, ReportTables]) -> None:
    _, tables = written
    runs = tables.runs
    on_svhn = runs["dataset"] == "svhn"
    one = on_svhn & (runs["model"] == "cifarnet_type_i") & (runs["seed"] == 2)
    every = on_svhn & (runs["model"] == "cifarnet_real")
    # Were they counted, they would be the best.
    metrics = tables.metrics.assign(
        value=tables.metrics["value"].mask(tables.metrics["run"].isin(runs[one | every]["run"]), 0.99)
    )
    diverged = replace(tables, runs=runs.assign(diverged_at=runs["seed"].where(one | every) + 1000), metrics=metrics)
    assert _accuracy(tables, "table_1").divergence_note == ""
    table = _accuracy(diverged, "table_1")
    cells = {row.model: cell for row, cell in table.cells if cell.setting.key == ("svhn", "rgb", 1.0)}
    partly, wholly = cells["cifarnet_type_i"], cells["cifarnet_real"]
    kept = runs[on_svhn & (runs["model"] == "cifarnet_type_i") & ~one]
    assert (partly.summary.n, partly.summary.mean) == (2, pytest.approx(kept["test_accuracy"].mean(), rel=1e-12))
    assert (partly.runs, partly.diverged) == (tuple(kept["run"]), tuple(runs[one]["run"]))
    assert (wholly.summary.n, wholly.runs, wholly.diverged) == (0, (), tuple(runs[every]["run"]))
    assert wholly.published == TABLE_1["cifarnet_real"][6] / 100
    assert [model for model, cell in cells.items() if cell.best] in (["cifarnet_type_i"], ["cifarnet_type_e"])
    tests = [found for found in significance.comparisons(table) if found.setting.dataset == "svhn"]
    assert [({found.first.model, found.second.model}, found.test.difference.n) for found in tests] == [
        ({"cifarnet_type_i", "cifarnet_type_e"}, 2)
    ]
    assert table.divergence_note.startswith(
        "Trainings that diverged are left out of means, intervals, bold type and tests: "
    )
    assert "CDS Type-I, SVHN, RGB, seed 2, at step 1,002" in table.divergence_note
    assert table.divergence_note.count("Real CNN, SVHN, RGB, seed ") == 3


def test_variants_of_one_setting_get_columns_of_their_own(tmp_path: Path) -> None:
    frames = write_tables(tmp_path, mstar_fractions=(1.0,))
    for name in ("runs", "metrics", "history"):
        other = frames[name].query("experiment == 'table_2'").copy()
        other["run"] = other["run"].str.replace("f1", "wide")
        other["variant"] = "wide"
        if name == "metrics":
            other["published"] = np.nan
        pd.concat([frames[name], other]).to_parquet(tmp_path / f"{name}.parquet")
    experiment = _experiments(read_tables(tmp_path))["table_2"]
    whole = [setting for setting in experiment.settings if setting.train_fraction == 1.0]
    assert [setting.variant for setting in whole] == ["f1", "wide"]
    cells = [cell for _, cell in _accuracy(read_tables(tmp_path), "table_2").cells if cell.summary.n]
    assert {cell.setting.variant: math.isnan(cell.published) for cell in cells} == {"f1": False, "wide": True}


def test_an_experiment_that_no_study_printed(tmp_path: Path) -> None:
    frames = write_tables(tmp_path)
    frames["published"].iloc[:0].to_parquet(tmp_path / "published.parquet")
    frames["metrics"].assign(published=np.nan, published_where=None).to_parquet(tmp_path / "metrics.parquet")
    table = _accuracy(read_tables(tmp_path), "table_1")
    assert [row.model for row in table.rows] == list(CIFARNET)
    assert all(cell.summary.n and math.isnan(cell.published) for _, cell in table.cells)
    assert table.experiment.heading == "Table 1: CIFAR-10 and SVHN"


def test_the_suites_title_stands_above_an_experiment(tmp_path: Path) -> None:
    write_tables(tmp_path)
    titles = pd.DataFrame([experiment_row(SUITE, "table_2", "Radar")])
    titles.to_parquet(tmp_path / "experiments.parquet")
    experiments = _experiments(read_tables(tmp_path))
    assert [experiments[name].heading for name in ("table_1", "table_2")] == [
        "Table 1: CIFAR-10, CIFAR-100 and SVHN",
        "Radar",
    ]


def test_rotation_loss_is_taken_run_by_run(written: tuple[Frames, ReportTables]) -> None:
    frames, tables = written
    experiment = _experiments(tables)["table_1"]
    rows = rotation.rotation_rows(rotation.rotation_measurements(tables, experiment), experiment)
    wide = (
        frames["metrics"]
        .query("metric == 'rotation_accuracy' and experiment == 'table_1'")
        .pivot_table(index=["dataset", "model", "seed"], columns="condition", values="value")
    )
    assert len(rows) == 2 * len(CIFARNET)
    for row in rows:
        seeds = wide.loc[row.setting.dataset, row.model]
        assert row.upright.mean == pytest.approx(seeds[0].mean(), rel=1e-12)
        assert row.rotated.mean == pytest.approx(seeds[180].mean(), rel=1e-12)
        assert row.loss.mean == pytest.approx((seeds[0] - seeds[180]).mean(), abs=1e-12)
        assert row.loss.std == pytest.approx((seeds[0] - seeds[180]).std(), abs=1e-12)
        assert (row.loss.mean > 0.2) == row.model.endswith("real")


def test_rotation_without_the_full_circle_has_no_loss(tmp_path: Path) -> None:
    frames = write_tables(tmp_path)
    metrics = frames["metrics"]
    metrics[metrics["condition"].isna() | (metrics["condition"] < 180)].to_parquet(tmp_path / "metrics.parquet")
    tables = read_tables(tmp_path)
    experiment = _experiments(tables)["table_1"]
    for row in rotation.rotation_rows(rotation.rotation_measurements(tables, experiment), experiment):
        assert (row.upright.n, row.rotated.n, row.loss.n) == (3, 0, 0)


def test_names_become_harmless_file_names(written: tuple[Frames, ReportTables]) -> None:
    experiment = Experiment("../../a", "b/<c>", "", "", (), (), {})
    assert experiment.slug == "-a-b-c-"
    assert arrange(written[1])[0].slug == f"{SUITE}-table_1"
