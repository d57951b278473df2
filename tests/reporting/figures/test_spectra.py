"""Figures about normalised feature maps and training time, from tables whose numbers are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from support.shipped import display_names_json, experiment_row

from phasebench.reporting.drawing.palette import line_styles
from phasebench.reporting.drawing.panels import PanelDrawing, draw
from phasebench.reporting.experiments import Experiment, arrange
from phasebench.reporting.figures.epoch_curves import epoch_curves_figure
from phasebench.reporting.figures.feature_maps import band_figure, norm_figure
from phasebench.reporting.figures.overhead import overhead_figure
from phasebench.reporting.figures.registry import figures_of
from phasebench.reporting.figures.spectra import spectra_figure
from phasebench.reporting.networks import by_network
from phasebench.tables.read import ReportTables
from phasebench.tables.schema import COLUMNS

SUITE, EXPERIMENT = "spectral_batch_norm", "table_2"
LABELS = {
    "resnet18": "ResNet18",
    "resnet18_2bn34": "ResNet18 + 2BN34",
    "resnet18_sbn34": "ResNet18 + SBN34",
    "vgg16": "VGG16-BN",
    "vgg16_sbn4": "VGG16-BN + SBN4",
}
STYLES = line_styles(LABELS.items())
CELL = {"suite": SUITE, "experiment": EXPERIMENT, "dataset": "cifar100", "encoding": "rgb_normalised"}
PERCENTILES = (0, 7, 16, 31, 50, 69, 84, 93, 100)


def frame(name: str, rows: list[dict[str, object]]) -> pd.DataFrame:
    """A table as the report reads it: text for none '', numbers for none NaN."""
    text = {"run", "suite", "experiment", "dataset", "stands_in_for", "encoding", "variant", "model", "metric"}
    text |= {"item", "label", "study", "where", "analysis", "published_where", "device", "git_commit", "torch"}
    text |= {"title", "answers", "sorted_by", "suites", "display_names"}
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS[name]))
    return table.astype({column: object for column in table if column in text}).fillna(
        {column: "" for column in table if column in text}
    )


def run_id(model: str, seed: int) -> str:
    return f"{SUITE}/{EXPERIMENT}/cifar100-rgb_normalised/{model}/seed{seed}"


@pytest.fixture(scope="module")
def tables() -> ReportTables:
    cells = [
        {**CELL, "run": run_id(model, seed), "model": model, "seed": seed, "train_fraction": 1.0}
        for model in LABELS
        for seed in (0, 1)
    ]
    items: list[dict[str, object]] = []
    for cell in cells:
        small = 0.125 if "sbn" in cell["model"] else 1.0
        for module in ("module3", "module4"):
            for epoch in (0.0, 1.0, 2.0):
                key = {**cell, "condition": epoch, "item": module}
                items.append({**key, "metric": "map_rms", "value": small})
                items.append({**key, "metric": "map_norm", "value": small * 100 * (1 + epoch) * (1 + cell["seed"])})
                items += [
                    {**key, "metric": f"map_percentile_{p}", "value": small * (p - 50) * (1 + epoch)}
                    for p in PERCENTILES
                ]
        if small < 1:
            for place, factor in (("before", 1.0), ("after", 0.5)):
                items += [
                    {
                        **cell,
                        "metric": f"magnitude_{place}",
                        "condition": float(position),
                        "item": f"module3/channel{channel}",
                        "value": factor * (position + channel),
                    }
                    for channel in (0, 1)
                    for position in range(16)
                ]
                items += [
                    {**cell, "metric": f"magnitude_{name}_{place}", "item": "module3", "value": factor}
                    for name in ("rms", "peak")
                ]
    values = {
        "training_overhead": 0.16,
        "training_overhead_low": 0.15,
        "training_overhead_high": 0.2,
        "step_seconds": 0.116,
        "baseline_seconds": 0.1,
    }
    analyses = [
        {**CELL, "analysis": "overhead", "train_fraction": 1.0, "model": "resnet18_sbn34", "n": 50, "item": item}
        | {"metric": metric, "value": value + shift}
        for item, shift in (("", 0.0), ("fft", 0.1))
        for metric, value in values.items()
    ]
    published = [
        {**CELL, "train_fraction": 1.0, "model": model, "metric": "test_accuracy", "value": 0.77, "where": "Table II"}
        for model in LABELS
    ]
    published.append(
        {**CELL, "model": "resnet18_sbn34", "metric": "training_overhead", "value": 0.27, "where": "Table VI"}
        | {"encoding": None}
    )
    history = [
        {**cell, "step": step, "epoch": float(step), "train_loss": 1.0, "train_accuracy": 0.5}
        | {"test_loss": 1.0, "test_accuracy": 0.1 * step, "validation_accuracy": 0.5}
        for cell in cells
        for step in (1, 2)
    ]
    metrics = [{**cell, "metric": "test_accuracy", "value": 0.5} for cell in cells]
    models = [{"model": model, "label": label, "study": SUITE} for model, label in LABELS.items()]
    rows = {"models": models, "published": published, "runs": cells, "metrics": metrics, "items": items}
    rows |= {
        "experiments": [experiment_row(SUITE, EXPERIMENT, "")],
        "analyses": analyses,
        "history": history,
        "claims": [],
        "left_out": [],
        "unfinished": [],
        "properties": [],
        "benchmark": [{"suites": SUITE, "display_names": display_names_json(SUITE)}],
    }
    return ReportTables(**{name: frame(name, content) for name, content in rows.items()}, digests={})


@pytest.fixture(scope="module")
def experiment(tables: ReportTables) -> Experiment:
    return arrange(tables)[0]


def painted(panel: PanelDrawing, level: int = 0) -> Axes:
    axes = Figure().add_subplot()
    panel.levels[level](axes)
    return axes


def test_variants_of_a_network_stand_together() -> None:
    data = pd.DataFrame({"model": ["vgg16_sbn4", "resnet18_sbn34", "resnet18"], "value": [1, 2, 3]})
    parts = by_network(data, STYLES)
    assert [label for label, _ in parts] == ["ResNet18", "VGG16-BN"]
    assert [part["value"].tolist() for _, part in parts] == [[2, 3], [1]]


def test_norms_have_a_panel_for_each_network_and_module(tables: ReportTables, experiment: Experiment) -> None:
    figure = norm_figure(tables, experiment, STYLES)
    assert figure is not None
    titles = [panel.title for panel in figure.panels]
    assert titles == ["ResNet18, module 3", "ResNet18, module 4", "VGG16-BN, module 3", "VGG16-BN, module 4"]
    axes = painted(figure.panels[0])
    assert axes.get_yscale() == "log"
    lines = {line.get_color(): np.asarray(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) > 1}
    # Means over the two seeds, whose norms are one to two.
    assert lines[STYLES["resnet18"].colour] == pytest.approx([150, 300, 450])
    assert lines[STYLES["resnet18_sbn34"].colour] == pytest.approx([18.75, 37.5, 56.25])
    assert figure.table is not None
    heads = [column.heading for column in figure.table.columns]
    assert heads[2:6] == ["Module 3, start", "Module 3, end", "Module 4, start", "Module 4, end"]
    spectral = next(row for row in figure.table.rows if row[1].text == "ResNet18 + SBN34")
    assert spectral[2].text == "0.125"


def test_bands_are_of_the_plain_and_of_the_spectral_network(tables: ReportTables, experiment: Experiment) -> None:
    figure = band_figure(tables, experiment, STYLES)
    assert figure is not None
    assert [panel.title for panel in figure.panels][:4] == [
        "ResNet18, module 3",
        "ResNet18 + SBN34, module 3",
        "ResNet18, module 4",
        "ResNet18 + SBN34, module 4",
    ]
    assert len(figure.panels) == 8
    axes = painted(figure.panels[1])
    assert len(axes.collections) == 4
    widest = axes.collections[0].get_paths()[0].vertices
    assert (widest[:, 1].min(), widest[:, 1].max()) == pytest.approx((-0.125 * 150, 0.125 * 150))
    assert "epoch 2: from -18.8 to 18.8" in figure.panels[1].description


def test_spectra_share_their_colours_but_in_the_last_row(tables: ReportTables, experiment: Experiment) -> None:
    figure = spectra_figure(tables, experiment, STYLES)
    assert figure is not None
    assert [panel.title for panel in figure.panels][:2] == ["ResNet18, module 3, no. 1", "ResNet18, module 3, no. 2"]
    meshes = [painted(figure.panels[1], level).collections[0] for level in range(3)]
    assert [mesh.get_clim() for mesh in meshes] == [(0.0, 16.0), (0.0, 16.0), (0.0, 8.0)]
    assert np.asarray(meshes[0].get_array()).ravel().tolist() == [float(position + 1) for position in range(16)]
    assert figure.table is not None
    draw(figure)


def test_the_overhead_stands_beside_the_published_one(tables: ReportTables, experiment: Experiment) -> None:
    figure = overhead_figure(tables, experiment, STYLES)
    assert figure is not None
    assert figure.table is not None
    cells = [[cell.text for cell in row] for row in figure.table.rows]
    assert [row[1] for row in cells] == ["ResNet18 + SBN34", "ResNet18 + SBN34, with Fourier transforms"]
    assert cells[0][2:] == ["100", "116", "16.0", "27"]
    axes = painted(figure.panels[0])
    crosses = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "x"]
    assert crosses == pytest.approx([27, 27])


def test_test_curves_have_a_panel_for_each_network(tables: ReportTables, experiment: Experiment) -> None:
    figure = epoch_curves_figure(tables, experiment, STYLES)
    assert figure is not None
    assert [panel.title for panel in figure.panels] == ["CIFAR-100, ResNet18", "CIFAR-100, VGG16-BN"]


def test_figures_name_those_of_the_study_and_vanish_without_data(tables: ReportTables, experiment: Experiment) -> None:
    kinds = [figure.kind for figure in figures_of(tables, experiment, STYLES)]
    assert kinds == ["feature-map-norm", "feature-map-bands", "spectra", "overhead", "epoch-curves", "training"]
    assert [experiment.answers[kind] for kind in kinds[:4]] == ["Figure 1", "Figure 2", "Figure 3", "Table VI"]
    nothing = replace(tables, items=tables.items.iloc[:0], analyses=tables.analyses.iloc[:0])
    left = [figure.kind for figure in figures_of(nothing, experiment, STYLES)]
    assert left == ["epoch-curves", "training"]
