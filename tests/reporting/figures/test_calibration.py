"""Calibration: both quantities over the range of rotation, and as columns of the table."""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from support.synthetic_tables import LABELS, write_tables

from phasebench.reporting.drawing.palette import line_styles
from phasebench.reporting.experiments import arrange
from phasebench.reporting.figures.calibration import calibration_figure
from phasebench.tables.read import read_tables

STYLES = line_styles((model, label) for model, (label, *_) in LABELS.items())
VALUES = {("calibration_error", 0.0): 0.1, ("calibration_error", 180.0): 0.3} | {
    ("negative_log_likelihood", 0.0): 0.5,
    ("negative_log_likelihood", 180.0): 2.0,
}


def test_both_quantities_are_drawn_and_stand_in_the_table(tmp_path) -> None:
    write_tables(tmp_path, images=(("mnist", "", "rgb"),), seeds=(0, 1))
    tables = read_tables(tmp_path)
    assert calibration_figure(tables, arrange(tables)[0], STYLES) is None
    runs = tables.metrics[(tables.metrics["metric"] == "test_accuracy") & (tables.metrics["dataset"] == "mnist")]
    rows = [runs.assign(metric=name, condition=limit, value=value) for (name, limit), value in VALUES.items()]
    measured = replace(tables, metrics=pd.concat([tables.metrics, *rows], ignore_index=True))
    figure = calibration_figure(measured, arrange(measured)[0], STYLES)
    assert figure is not None
    (panel,) = figure.panels
    for level, expected in zip(panel.levels, ([0.1, 0.3], [0.5, 2.0]), strict=True):
        axes = Figure().add_subplot()
        level(axes)
        drawn = [line for line in axes.lines if len(line.get_xdata()) > 1]
        assert len(drawn) == runs["model"].nunique()
        np.testing.assert_allclose(drawn[0].get_ydata(), expected)
    assert figure.table is not None
    assert [column.heading for column in figure.table.columns[2:-1]] == [
        *("Calibration error, plain", "Calibration error, ±180°"),
        *("Negative log-likelihood, plain", "Negative log-likelihood, ±180°"),
    ]
    assert [cell.text for cell in figure.table.rows[0][2:-1]] == ["0.100", "0.300", "0.500", "2.000"]
