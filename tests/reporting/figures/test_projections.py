"""What is kept of the weights, in the report: curves, bars, losses and their tables."""

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from support.synthetic_tables import LABELS, SUITE, write_tables

from phasebench.reporting.cells import PlainTable
from phasebench.reporting.drawing.palette import line_styles
from phasebench.reporting.experiments import Experiment, arrange
from phasebench.reporting.figures.loss_curves import loss_figure
from phasebench.reporting.figures.projections import constraint_figure, projections_figure, trained_weights_figure
from phasebench.reporting.labels import NONE
from phasebench.tables.read import ReportTables, read_tables

STYLES = line_styles((model, label) for model, (label, *_) in LABELS.items())
MODELS = ("cifarnet_type_i", "cifarnet_type_e")
STEPS = (20.0, 40.0)
PHASE, AMPLITUDE, ORIGIN = "accuracy_only_phase", "accuracy_only_amplitude", "accuracy_origin"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> ReportTables:
    folder = tmp_path_factory.mktemp("tables")
    write_tables(folder, images=(("cifar10", None, "lab"),), models=MODELS, seeds=(0, 2))
    return read_tables(folder)


def experiment_of(tables: ReportTables) -> Experiment:
    return next(experiment for experiment in arrange(tables) if experiment.name == "table_1")


def with_accuracies(tables: ReportTables, metrics: dict[str, float], steps: tuple[float, ...]) -> ReportTables:
    """Every metric at every step for every run of the images; seeds differ by two points."""
    runs = tables.runs[tables.runs["experiment"] == "table_1"]
    keys = [column for column in tables.metrics.columns if column in runs.columns]
    rows = [
        {**run, "metric": metric, "condition": step, "value": value + 0.01 * run["seed"]}
        for run in runs[keys].to_dict("records")
        for metric, value in metrics.items()
        for step in steps
    ]
    return replace(tables, metrics=pd.concat([tables.metrics, pd.DataFrame(rows)], ignore_index=True))


def published(metric: str, condition: float, value: float) -> dict[str, object]:
    keys = {"suite": SUITE, "experiment": "table_1", "dataset": "cifar10", "encoding": "lab", "train_fraction": 1.0}
    return {**keys, "model": MODELS[0], "metric": metric, "condition": condition, "value": value, "where": "Figure 1"}


def with_published(tables: ReportTables, *rows: dict[str, object]) -> ReportTables:
    return replace(tables, published=pd.concat([tables.published, pd.DataFrame(rows)], ignore_index=True))


def cells(table: PlainTable | None, heading: str) -> list[str]:
    assert table is not None
    position = [column.heading for column in table.columns].index(heading)
    return [row[position].text for row in table.rows]


def test_a_panel_for_each_network_and_a_line_for_what_is_kept(tables: ReportTables) -> None:
    measured = with_accuracies(tables, {ORIGIN: 0.9, PHASE: 0.7, AMPLITUDE: 0.1}, STEPS)
    experiment = experiment_of(measured)
    figure = projections_figure(measured, experiment, STYLES)
    assert figure is not None
    assert [panel.title for panel in figure.panels] == [STYLES[model].label for model in MODELS]
    assert [style.label for style in figure.legend] == ["Everything", "Phase", "Amplitude"]
    axes = Figure().add_subplot()
    figure.panels[0].levels[0](axes)
    assert sorted(line.get_ydata()[-1] for line in axes.lines) == pytest.approx([11, 71, 91])
    assert constraint_figure(measured, experiment, STYLES) is None


def test_the_caption_names_the_trainings_that_diverged(tables: ReportTables) -> None:
    measured = with_accuracies(tables, {ORIGIN: 0.9, PHASE: 0.7}, STEPS)
    figure = projections_figure(measured, experiment_of(measured), STYLES)
    assert figure is not None
    assert "diverged" not in figure.method
    third = (measured.runs["model"] == MODELS[0]) & (measured.runs["seed"] == 2)
    diverged = replace(measured, runs=measured.runs.assign(diverged_at=measured.runs["seed"].where(third) + 1374))
    figure = projections_figure(diverged, experiment_of(diverged), STYLES)
    assert figure is not None
    label = STYLES[MODELS[0]].label
    assert figure.method.endswith(f"count up to the last snapshot before: {label}, seed 2, at step 1,376.")


def test_our_accuracies_stand_beside_the_authors(tables: ReportTables) -> None:
    measured = with_accuracies(tables, {ORIGIN: 0.9, PHASE: 0.7}, STEPS)
    measured = with_published(measured, published(PHASE, 20.0, 0.85), published(PHASE, 2000.0, 0.635))
    mean = {"suite": SUITE, "experiment": "table_1", "analysis": "projections", "dataset": "cifar10", "encoding": "lab"}
    mean |= {"stands_in_for": "", "variant": "", "train_fraction": 1.0, "model": MODELS[0], "seed": 0.0, "n": 1.0}
    mean |= {"metric": f"mean_{PHASE}", "condition": math.nan, "item": "", "value": 0.66}
    measured = replace(measured, analyses=pd.DataFrame([mean]))
    figure = projections_figure(measured, experiment_of(measured), STYLES)
    assert figure is not None
    table = figure.table
    assert cells(table, "Kept") == ["Everything", "Phase"] * 2
    assert cells(table, "At 20")[:2] == ["91.00", "71.00"]
    assert cells(table, "Author's at 20")[:2] == [NONE, "85.00"]
    assert cells(table, "At the end")[:2] == ["91.00", "71.00"]
    assert cells(table, "Author's at 2000")[:2] == [NONE, "63.50"]
    assert cells(table, "Mean")[:2] == ["not measured", "66.00"]


def test_constrained_networks_share_a_panel(tables: ReportTables) -> None:
    measured = with_accuracies(tables, {ORIGIN: 0.9}, STEPS)
    experiment = experiment_of(measured)
    assert projections_figure(measured, experiment, STYLES) is None
    figure = constraint_figure(measured, experiment, STYLES)
    assert figure is not None
    assert len(figure.panels) == 1
    assert [style.label for style in figure.legend] == [STYLES[model].label for model in MODELS]


def test_bars_of_trained_networks(tables: ReportTables) -> None:
    measured = with_accuracies(tables, {ORIGIN: 0.9, PHASE: 0.7}, (math.nan,))
    experiment = experiment_of(measured)
    assert projections_figure(measured, experiment, STYLES) is None
    figure = trained_weights_figure(measured, experiment, STYLES)
    assert figure is not None
    assert len(figure.panels) == 2
    axes = Figure().add_subplot()
    figure.panels[0].levels[0](axes)
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([91, 71])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["Everything", "Phase"]
    assert cells(figure.table, "Phase") == ["71.00", "71.00"]


def with_losses_alone(tables: ReportTables) -> ReportTables:
    """As a training on the whole set leaves its history."""
    curves = dict.fromkeys(("validation_accuracy", "train_accuracy", "test_accuracy"), math.nan)
    return replace(tables, history=tables.history.assign(**curves))


def test_losses_beside_the_authors(tables: ReportTables) -> None:
    assert loss_figure(tables, experiment_of(tables), STYLES) is None
    whole = with_losses_alone(tables)
    step = whole.history["step"].max()
    whole = with_published(whole, published("train_loss", step, 0.123456), published("train_loss", 3.0, 2.0))
    experiment = replace(experiment_of(whole), author_seed=2)
    figure = loss_figure(whole, experiment, STYLES)
    assert figure is not None
    assert [style.label for style in figure.legend] == [*(STYLES[model].label for model in MODELS), "Author's, stored"]
    axes = Figure().add_subplot()
    figure.panels[0].levels[0](axes)
    assert len(axes.lines) == 3
    assert cells(figure.table, "Iteration") == ["3", f"{step:g}"]
    assert cells(figure.table, "Author's") == ["2.000000", "0.123456"]
    ours = whole.history[(whole.history["step"] == step) & (whole.history["seed"] == 2)]
    first = ours[ours["run"].isin(experiment_of(whole).setting_of)]["train_loss"].iloc[0]
    assert cells(figure.table, "Seed 2") == ["not measured", f"{first:.6f}"]
    assert figure.table is not None
    assert figure.table.caption.startswith("Seed 2 has the author's initial weights. Losses are")
    without = loss_figure(whole, experiment_of(whole), STYLES)
    assert without is not None
    assert without.table is not None
    assert [column.heading for column in without.table.columns] == ["Iteration", "All seeds", "Author's"]
    assert without.table.caption.startswith("Losses are")


def test_losses_on_stand_in_data_stand_beside_nothing(tmp_path: Path) -> None:
    images = (("cifar10", None, "lab"), ("colour_shapes", "cifar10", "rgb"))
    for name, data in (("both", images), ("stand-in", images[1:])):
        write_tables(tmp_path / name, images=data, models=MODELS, seeds=(0, 2))
        whole = with_losses_alone(read_tables(tmp_path / name))
        step = whole.history["step"].max()
        whole = with_published(whole, published("train_loss", step, 0.123456))
        experiment = experiment_of(whole)
        figure = loss_figure(whole, experiment, STYLES)
        assert figure is not None
        if name == "stand-in":
            assert figure.table is None
            assert "Author's, stored" not in [style.label for style in figure.legend]
            continue
        own = whole.history[(whole.history["step"] == step) & (whole.history["dataset"] == "cifar10")]
        mean = own[own["model"] == MODELS[0]]["train_loss"].mean()
        assert cells(figure.table, "All seeds") == [f"{mean:.3f}"]
        assert figure.table is not None
        assert set(figure.table.frame["dataset"]) == {"cifar10"}


def test_trainings_that_diverged_enter_no_mean_of_the_losses(tables: ReportTables) -> None:
    whole = with_losses_alone(tables)
    step = whole.history["step"].max()
    whole = with_published(whole, published("train_loss", step, 0.123456))
    lost = (whole.runs["model"] == MODELS[0]) & (whole.runs["seed"] == 2) & (whole.runs["experiment"] == "table_1")
    diverged = replace(whole, runs=whole.runs.assign(diverged_at=whole.runs["seed"].where(lost) + 1374))
    experiment = replace(experiment_of(diverged), author_seed=2)
    figure = loss_figure(diverged, experiment, STYLES)
    assert figure is not None
    label = STYLES[MODELS[0]].label
    note = f"Trainings that diverged are left out of lines, bands and means: {label}, seed 2, at step 1,376."
    assert figure.method.endswith(note)
    assert not ((figure.data["model"] == MODELS[0]) & (figure.data["seed"] == 2)).any()
    at_step = whole.history[(whole.history["step"] == step) & (whole.history["model"] == MODELS[0])]
    losses = at_step.set_index("seed")["train_loss"]
    assert cells(figure.table, "All seeds") == [f"{losses[0]:.3f}"]
    assert cells(figure.table, "Seed 2") == [f"{losses[2]:.6f}"]
    assert figure.table is not None
    assert figure.table.caption.endswith("The mean over all seeds leaves out trainings that diverged.")
    nothing_left = replace(diverged, runs=whole.runs.assign(diverged_at=9.0))
    assert loss_figure(nothing_left, experiment, STYLES) is None


def test_without_measurements_there_are_no_figures(tables: ReportTables) -> None:
    for make in (projections_figure, constraint_figure, trained_weights_figure):
        assert make(tables, experiment_of(tables), STYLES) is None
