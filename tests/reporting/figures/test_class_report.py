"""Class report: the matrix has recalls on its diagonal, the table the lowest of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
from support.synthetic_tables import LABELS, write_tables

from phasebench.reporting.drawing.palette import line_styles
from phasebench.reporting.drawing.panels import draw
from phasebench.reporting.experiments import arrange
from phasebench.reporting.figures.class_report import class_report_figure, confusion_matrix
from phasebench.tables.read import read_tables

STYLES = line_styles((model, label) for model, (label, *_) in LABELS.items())
# A class without a test sample is predicted all the same.
PARTS = [
    *(("recall", "bmp2", 0.75), ("confusion", "bmp2 as t72", 0.25), ("confusion", "bmp2 as zil131", 0.0)),
    *(("recall", "t72", 0.5), ("confusion", "t72 as bmp2", 0.125), ("confusion", "t72 as zil131", 0.375)),
    *(("serial_accuracy", "t72 132", 0.875), ("serial_accuracy", "t72 s7", 0.25)),
]


def test_the_matrix_has_a_row_for_each_class_with_samples() -> None:
    matrix = confusion_matrix(pd.DataFrame(PARTS, columns=["metric", "item", "value"]))
    assert [*matrix.index] == ["bmp2", "t72"]
    assert [*matrix.columns] == ["bmp2", "t72", "zil131"]
    np.testing.assert_array_equal(matrix, [[0.75, 0.25, 0.0], [0.125, 0.5, 0.375]])


def test_a_matrix_for_each_network_and_a_column_for_each_class_and_serial_number(tmp_path) -> None:
    write_tables(tmp_path, images=(("mnist", "", "rgb"),), seeds=(0, 1), with_studies=True)
    tables = read_tables(tmp_path)
    experiment = arrange(tables)[0]
    assert class_report_figure(tables, experiment, STYLES) is None
    runs = tables.metrics[(tables.metrics["metric"] == "test_accuracy") & (tables.metrics["dataset"] == "mnist")]
    rows = [runs.assign(metric=name, item=item, value=value) for name, item, value in PARTS]
    balanced = runs.assign(metric="balanced_accuracy", value=0.625)
    measured = replace(
        tables,
        items=pd.concat([tables.items, *rows], ignore_index=True),
        metrics=pd.concat([tables.metrics, balanced], ignore_index=True),
    )
    figure = class_report_figure(measured, experiment, STYLES)
    assert figure is not None
    axes = draw(figure).axes
    assert len(axes) == len(figure.panels) == runs["model"].nunique()
    assert [label.get_text() for label in axes[0].get_xticklabels()] == ["Bmp2", "T72", "Zil131"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["Bmp2", "T72"]
    assert figure.panels[0].description == "Lowest recalls in per cent: T72 50.00, Bmp2 75.00."
    assert figure.table is not None
    shown = {column.heading: cell.text for column, cell in zip(figure.table.columns, figure.table.rows[0], strict=True)}
    assert shown == {
        "Data": shown["Data"],
        "Model": shown["Model"],
        "Balanced": "62.50",
        "Lowest class": "50.00",
        "Lowest serial number": "25.00",
        "Bmp2": "75.00",
        "T72": "50.00",
        "T72 132": "87.50",
        "T72 s7": "25.00",
        "Seeds": "2",
    }
