"""Curves of training and test, for studies that follow the test."""

from dataclasses import replace

import pandas as pd
import pytest
from matplotlib.figure import Figure
from support.synthetic_tables import LABELS, write_tables

from phasebench.reporting.drawing.lines import Axis, LinePlot
from phasebench.reporting.drawing.palette import line_styles
from phasebench.reporting.experiments import arrange
from phasebench.reporting.figures.epoch_curves import epoch_curves_figure
from phasebench.reporting.figures.robustness_curves import training_figure
from phasebench.tables.read import ReportTables, read_tables

STYLES = line_styles((model, label) for model, (label, *_) in LABELS.items())


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> ReportTables:
    folder = tmp_path_factory.mktemp("tables")
    write_tables(folder, images=(("mnist", "", "rgb"), ("mnist", "", "lab"), ("kmnist", "", "lab")), seeds=(0, 1))
    return read_tables(folder)


def test_runs_that_do_not_follow_the_test_have_no_such_figure(tables: ReportTables) -> None:
    assert epoch_curves_figure(tables, arrange(tables)[0], STYLES) is None


def test_a_panel_for_each_data_set_and_a_line_for_each_model_and_encoding(tables: ReportTables) -> None:
    history = tables.history.assign(
        test_accuracy=tables.history["validation_accuracy"] - 0.01,
        test_loss=tables.history["validation_loss"] + 0.1,
        validation_accuracy=float("nan"),
    )
    followed = replace(tables, history=history)
    experiment = arrange(followed)[0]
    assert training_figure(followed, experiment, STYLES) is None
    figure = epoch_curves_figure(followed, experiment, STYLES)
    assert figure is not None
    assert {panel.title for panel in figure.panels} == {"MNIST", "KMNIST"}
    models = history[history["run"].isin(experiment.setting_of)]["model"].nunique()
    assert len(figure.legend) == 2 * models
    assert {style.label.partition(", ")[2] for style in figure.legend} == {"RGB", "LAB"}
    mnist = next(panel for panel in figure.panels if panel.title == "MNIST")
    assert len(mnist.levels) == 4
    axes = Figure().add_subplot()
    mnist.levels[3](axes)
    assert len(axes.lines) == 2 * models
    highest = max(float(line.get_ydata().max()) for line in axes.lines)
    alone = replace(followed, runs=tables.runs[tables.runs["dataset"] == "kmnist"])
    single = epoch_curves_figure(alone, arrange(alone)[0], STYLES)
    assert single is not None
    assert [panel.title for panel in single.panels] == [
        "KMNIST: training loss",
        "KMNIST: test loss",
        "KMNIST: training accuracy (%)",
        "KMNIST: test accuracy (%)",
    ]
    of_mnist = history[history["dataset"] == "mnist"].groupby(["model", "encoding", "step"])["test_accuracy"]
    assert highest == pytest.approx(100 * of_mnist.mean().max())


@pytest.mark.parametrize("lowest", [0.2, 1e-6])
def test_logarithmic_axes_have_ticks_over_few_and_many_decades(lowest: float) -> None:
    data = pd.DataFrame({"x": [1.0, 2.0], "y": [lowest, 1.0], "model": "m", "seed": 0})
    plot = LinePlot(Axis("x", "X"), (Axis("y", "Y", logarithmic=True),), line_styles([("m", "M")]))
    figure = Figure(figsize=(3, 2))
    axes = figure.add_subplot()
    plot.panel("T", data).levels[0](axes)
    figure.draw_without_rendering()
    low, high = axes.get_ylim()
    shown = [label for label in axes.get_yticklabels() if label.get_text() and low <= label.get_position()[1] <= high]
    assert len(shown) >= 2
