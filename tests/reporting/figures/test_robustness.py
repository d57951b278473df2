"""Accuracy on disturbed inputs: the lines are those of the evaluation, the table has its means."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from support.synthetic_tables import LABELS, write_tables

from phasebench.evaluation.robustness import CHANGES
from phasebench.reporting.drawing.palette import line_styles
from phasebench.reporting.drawing.panels import StudyFigure
from phasebench.reporting.experiments import arrange
from phasebench.reporting.figures.robustness import DISTURBANCES, robustness_figure
from phasebench.tables.read import ReportTables, read_tables

STYLES = line_styles((model, label) for model, (label, *_) in LABELS.items())


def of_metrics(tables: ReportTables, rows: pd.DataFrame) -> StudyFigure | None:
    measured = replace(tables, metrics=pd.concat([tables.metrics, rows], ignore_index=True))
    return robustness_figure(measured, arrange(measured)[0], STYLES)


def test_every_change_has_an_axis() -> None:
    assert list(DISTURBANCES) == [f"{change}_accuracy" for change in CHANGES]


def test_a_panel_for_each_disturbance_and_a_line_for_each_network(tmp_path) -> None:
    write_tables(tmp_path, images=(("mnist", "", "rgb"),), seeds=(0, 1))
    tables = read_tables(tmp_path)
    experiment = arrange(tables)[0]
    assert robustness_figure(tables, experiment, STYLES) is None
    runs = tables.metrics[(tables.metrics["metric"] == "test_accuracy") & (tables.metrics["dataset"] == "mnist")]
    levels = {"noise": (-5.0, 20.0), "phase_noise": (10.0, 90.0)}
    rows = pd.concat(
        runs.assign(metric=f"{change}_accuracy", condition=condition, value=0.1 * position + 0.01 * runs["seed"])
        for change, conditions in levels.items()
        for position, condition in enumerate(conditions, start=1)
    )
    figure = of_metrics(tables, rows)
    assert figure is not None
    assert [panel.title.partition(":")[0] for panel in figure.panels] == ["Complex noise", "Phase noise"]
    axes = Figure().add_subplot()
    figure.panels[0].levels[0](axes)
    lines = [line for line in axes.lines if len(line.get_xdata()) > 1]
    assert len(lines) == len(figure.legend) == runs["model"].nunique()
    for line in lines:
        np.testing.assert_allclose(line.get_xdata(), levels["noise"])
        np.testing.assert_allclose(line.get_ydata(), [10.5, 20.5])
    assert figure.table is not None
    first = figure.table.rows[0]
    own = runs[runs["model"] == next(name for name, style in STYLES.items() if style.label == first[1].text)]
    assert float(first[2].text) == pytest.approx(100 * own["value"].mean(), abs=0.01)
    # Means over both strengths and both seeds; what was not measured is not there.
    assert [cell.text for cell in first[3:6]] == ["15.50", "15.50", "not measured"]
