"""Baselines and paired tests in the report."""

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.page import Page
from support.reports import build_without_figures
from support.synthetic_tables import CIFARNET, SUITE, write_tables

from phasebench.common.statistics import holm, paired_test
from phasebench.reporting.experiments import arrange
from phasebench.reporting.page import summary
from phasebench.reporting.tables import accuracy, significance
from phasebench.reporting.tables.accuracy import AccuracyTable, accuracy_table
from phasebench.tables.read import read_tables

MAJORITY, LINEAR = (0.11, 0.1, 0.12), (0.4, 0.42, 0.44)


def baselines(experiment: str, cell: dict[str, object], values: dict[str, float], seed: int) -> list[dict[str, object]]:
    keys = {"suite": SUITE, "experiment": experiment, "analysis": "baselines", **cell, "seed": seed, "n": 500}
    return [{**keys, "metric": metric, "value": value} for metric, value in values.items()]


def with_baselines(folder: Path) -> Path:
    """Table 1 has baselines on both of its data sets, one of them in shards; Table 2 has them of averaged inputs."""
    shapes = {"dataset": "colour_shapes", "stands_in_for": "cifar10", "encoding": "lab", "train_fraction": 1.0}
    shards = {"dataset": "svhn", "stands_in_for": None, "encoding": "rgb", "train_fraction": 1.0}
    radar = {"dataset": "simulated_mstar", "stands_in_for": "mstar", "encoding": "complex", "variant": "f1"}
    rows = []
    for seed in range(3):
        known = {"chance_accuracy": 0.1, "majority_accuracy": MAJORITY[seed]}
        linear = {"linear_accuracy": LINEAR[seed], "linear_features": 3072.0, "linear_pooling": 1.0}
        rows += baselines("table_1", shapes, known | linear, seed) + baselines("table_1", shards, known, seed)
    linear = {"linear_accuracy": 0.3, "linear_features": 3698.0, "linear_pooling": 3.0}
    rows += baselines("table_2", {**radar, "train_fraction": 1.0}, known | linear, 0)
    frames = write_tables(folder)
    columns = frames["analyses"].columns
    pd.DataFrame(rows).reindex(columns=columns).to_parquet(folder / "analyses.parquet")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_baselines(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def page(folder: Path) -> tuple[Page, str, Path]:
    report = folder.parent / f"{folder.name}-report"
    build_without_figures(folder, report, folder.parent / "logs")
    text = (report / "benchmark.html").read_text(encoding="utf-8")
    return Page(text), text, report


def table_of(folder: Path, name: str) -> AccuracyTable:
    tables = read_tables(folder)
    return next(accuracy_table(tables, one) for one in arrange(tables) if one.name == name)


def test_baselines_stand_below_the_models_without_published_numbers(page: tuple[Page, str, Path]) -> None:
    rows = [row for row in page[0].rows if row[0].split()[-1:] == ["baseline"]]
    first = {" ".join(row[0].split()[:-1]): [" ".join(cell.split()) for cell in row[1:]] for row in rows[:3]}
    absent = ["–"] * 7  # noqa: RUF001
    # Parameters, then RGB, LAB and Sliding of three data sets: measured are CIFAR-10 in LAB and SVHN in RGB.
    majority = "11.00 ± 1.00 mean, 95 % interval 8.52 to 13.48 3 seeds"
    assert {name: cells[2] for name, cells in first.items()} == {
        "Chance": "10.00",
        "Majority class": majority,
        "Linear classifier": "42.00 ± 2.00 mean, 95 % interval 37.03 to 46.97 3 seeds",
    }
    assert {name: cells[7] for name, cells in first.items()} == {
        "Chance": "10.00",
        "Majority class": majority,
        "Linear classifier": "not fitted",
    }
    assert all([cells[0], *cells[1:2], *cells[3:7], *cells[8:]] == ["–", *absent] for cells in first.values())  # noqa: RUF001
    assert "stay in shards on disk" in page[1]
    # Table 2 has baselines of its own, Table 3 none.
    assert len(rows) == 6


def test_the_summary_counts_networks_that_are_better_than_a_linear_classifier(folder: Path, tmp_path: Path) -> None:
    def sentence(folder: Path) -> str:
        tables = read_tables(folder)
        experiments = arrange(tables)
        found = summary.agreement_sentences([accuracy_table(tables, one) for one in experiments])
        return next((text for text in found if "linear" in text), "")

    # Three models on colour shapes and two on radar have one beside them.
    assert sentence(folder) == "In 5 of 5 cells the networks are better than a linear classifier on their input."
    shutil.copytree(folder, tmp_path / "tables")
    analyses = pd.read_parquet(folder / "analyses.parquet")
    better = (analyses["metric"] == "linear_accuracy") & (analyses["experiment"] == "table_1")
    analyses.assign(value=analyses["value"].where(~better, 0.65)).to_parquet(tmp_path / "tables/analyses.parquet")
    assert (
        sentence(tmp_path / "tables")
        == "In 4 of 5 cells the networks are better than a linear classifier on their input."
    )
    analyses.iloc[:0].to_parquet(tmp_path / "tables/analyses.parquet")
    assert sentence(tmp_path / "tables") == ""


def test_the_caption_says_what_the_baselines_are(folder: Path) -> None:
    first, second = (table_of(folder, name).baselines.caption for name in ("table_1", "table_2"))
    assert first.startswith("Baselines, measured here and printed by no study: chance is ")
    assert "averaged" not in first
    assert first.endswith(
        "Where it was not fitted, the images stay in shards on disk, and a linear classifier would need all of them at "
        "once."
    )
    assert second.replace("\N{NO-BREAK SPACE}", " ").endswith(
        "averaged over squares first: Simulated MSTAR, 100 %, squares of 3 by 3 pixels, 3,698 numbers."
    )
    third = table_of(folder, "table_3").baselines
    assert (third.rows, third.caption) == ((), "")


def test_baselines_are_in_the_file_and_not_among_the_models(folder: Path) -> None:
    table = table_of(folder, "table_1")
    assert not {"chance", "majority", "linear"} & {row.model for row in table.rows}
    frame = accuracy.tidy(table)
    rows = frame[frame["model"].isin(["chance", "majority", "linear"])]
    assert rows.index.min() == len(table.cells)
    assert rows[["published", "published_std", "difference"]].isna().all(axis=None)
    found = rows.set_index(["dataset", "model"])["mean"]
    assert found.to_dict() == pytest.approx(
        {
            ("colour_shapes", "chance"): 0.1,
            ("svhn", "chance"): 0.1,
            ("colour_shapes", "majority"): np.mean(MAJORITY),
            ("svhn", "majority"): np.mean(MAJORITY),
            ("colour_shapes", "linear"): np.mean(LINEAR),
        }
    )


def test_every_pair_of_few_models_is_tested(folder: Path) -> None:
    frames = {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("runs",)}
    runs = frames["runs"].query("experiment == 'table_1'")
    compared = significance.comparisons(table_of(folder, "table_1"))
    assert len(compared) == 2 * 3
    for one in compared:
        values = [
            runs[(runs["model"] == row.model) & (runs["dataset"] == one.setting.dataset)]
            .set_index("seed")["test_accuracy"]
            .to_dict()
            for row in (one.first, one.second)
        ]
        assert one.test == paired_test(*values)
        assert one.test.difference.mean >= 0
    assert [one.corrected for one in compared] == holm([one.test.p for one in compared])


def test_of_many_models_the_best_is_compared_with_each(tmp_path: Path) -> None:
    models = (*CIFARNET, "cifarnet_dcn", "cifarnet_surreal")
    write_tables(tmp_path, models=models, images=(("svhn", None, "rgb"),))
    table = table_of(tmp_path, "table_1")
    compared = significance.comparisons(table)
    means = {row.model: cell.summary.mean for row, cell in table.cells if cell.summary.n}
    best = max(means, key=lambda model: means[model])
    assert {one.first.model for one in compared} == {best}
    assert {one.second.model for one in compared} == set(models) - {best}


def test_the_page_has_the_tests_folded_or_says_why_not(page: tuple[Page, str, Path]) -> None:
    parsed, text, report = page
    assert text.count("<details>") == 1
    assert "Differences between models: too few seeds for a test. No two models have 3 seeds in common." in text
    frame = pd.read_csv(report / "tables" / f"{SUITE}-table_1-comparisons.csv")
    rows = [row for row in parsed.rows if len(row) == 8 and row[3] == "3"]
    assert len(rows) == len(frame) == 6
    assert [row[4] for row in rows] == [f"{100 * value:+.2f}" for value in frame["difference"]]
    assert [float(row[7]) for row in rows] == pytest.approx(frame["p_holm"].tolist(), rel=0.05)


def test_pairs_with_too_few_seeds_say_so_beside_others(tmp_path: Path) -> None:
    frames = write_tables(tmp_path)
    late = frames["metrics"]["run"].str.contains("svhn.*cifarnet_real/seed[12]")
    frames["metrics"][~late].to_parquet(tmp_path / "metrics.parquet")
    table = table_of(tmp_path, "table_1")
    compared = significance.comparisons(table)
    shown = significance.significance_table(compared, table.experiment)
    assert shown is not None
    assert "over all 4 tests of this table" in shown.caption
    short = [row for row in shown.rows if row[3].text == "1"]
    assert len(short) == 2
    assert {(row[6].text, row[6].title) for row in short} == {("–", significance.TOO_FEW)}  # noqa: RUF001
    assert sum(math.isnan(one.corrected) for one in compared) == 2
