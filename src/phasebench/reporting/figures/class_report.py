"""Accuracy by class and by serial number, and confusion matrices."""

import pandas as pd
from matplotlib.axes import Axes

from phasebench.reporting import measurements
from phasebench.reporting.cells import PlainTable
from phasebench.reporting.drawing.palette import LineStyle, present
from phasebench.reporting.drawing.panels import Painter, PanelDrawing, StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.figures.robustness_curves import titled
from phasebench.reporting.labels import per_cent, shortened
from phasebench.reporting.tables.metric_table import metric_table
from phasebench.tables.read import ReportTables

_BALANCED, _RECALL, _CONFUSION, _SERIAL = "balanced_accuracy", "recall", "confusion", "serial_accuracy"
_MOST_PANELS = 12
# More names than these would not be legible beside one matrix, or as headings of one table.
_MOST_NAMES = 16


def class_report_figure(
    tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]
) -> StudyFigure | None:
    """Confusion matrix of each network; a table of balanced accuracy, recalls and accuracies by serial number."""
    data = measurements.of_runs(tables.items, experiment, _RECALL, _CONFUSION, _SERIAL)
    if not (data["metric"] == _RECALL).any():
        return None
    panels = [
        _panel(f"{styles[model].label}: {title}", part[part["model"] == model], experiment)
        for title, part in titled(data, experiment)
        for model in present(styles, part["model"])
    ]
    return StudyFigure(
        kind="class-report",
        heading="Accuracy by class",
        title="Confusion matrices on the test set.",
        method="Rows are true classes and columns predictions, in the same order; a cell is the share of a class that "
        "is taken for another, white for none and black for all, as a mean over seeds. Recalls stand on the diagonal. "
        "The balanced accuracy is the mean recall, in which large classes count no more than small ones.",
        panels=tuple(panels),
        data=measurements.tidy(data, experiment, ["model", "seed", "metric", "item", "value"]),
        most_panels=_MOST_PANELS,
        panel_size=(3.4, 3.0),
        table=_table(tables, data, experiment, styles),
    )


def _panel(title: str, data: pd.DataFrame, experiment: Experiment) -> PanelDrawing:
    matrix = confusion_matrix(data)
    recalls = data[data["metric"] == _RECALL].groupby("item")["value"].mean().sort_values()
    lowest = ", ".join(
        f"{experiment.display_names(str(name))} {per_cent(value)}" for name, value in recalls[:3].items()
    )
    names = [experiment.display_names(str(name)) for name in matrix.columns]
    return PanelDrawing(
        title, f"{title}: confusion matrix", f"Lowest recalls in per cent: {lowest}.", (_paint(matrix, names),)
    )


def confusion_matrix(data: pd.DataFrame) -> pd.DataFrame:
    """Shares of each true class (rows) by prediction (columns), means over runs, from the rows of one network."""
    confused = data[data["metric"] == _CONFUSION]
    pairs = confused["item"].str.split(" as ", n=1, expand=True).reindex(columns=[0, 1])
    recalls = data[data["metric"] == _RECALL]
    shares = pd.DataFrame(
        {
            "true": [*pairs[0], *recalls["item"]],
            "predicted": [*pairs[1], *recalls["item"]],
            "value": [*confused["value"], *recalls["value"]],
        }
    )
    matrix = shares.pivot_table(index="true", columns="predicted", values="value", aggfunc="mean")
    # A class without a test sample is predicted, but has no row.
    return matrix.reindex([name for name in matrix.columns if name in matrix.index])


def _paint(matrix: pd.DataFrame, names: list[str]) -> Painter:
    def paint(axes: Axes) -> None:
        axes.pcolormesh(matrix.to_numpy(), vmin=0.0, vmax=1.0, cmap="Greys", linewidth=0)
        axes.set(xlabel="Predicted", ylabel="True")
        axes.invert_yaxis()
        axes.set_aspect("equal")
        shown = names if len(names) <= _MOST_NAMES else []
        labels = dict(zip(matrix.columns, shown, strict=False))
        axes.set_xticks([place + 0.5 for place in range(len(shown))], [shortened(name) for name in shown], rotation=90)
        rows = [(place + 0.5, labels[name]) for place, name in enumerate(matrix.index) if name in labels]
        axes.set_yticks([place for place, _ in rows], [shortened(name) for _, name in rows])

    return paint


def _table(
    tables: ReportTables, data: pd.DataFrame, experiment: Experiment, styles: dict[str, LineStyle]
) -> PlainTable | None:
    balanced = measurements.of_runs(tables.metrics, experiment, _BALANCED)
    parts = data[data["metric"].isin((_RECALL, _SERIAL))]
    headings = {
        f"{metric} {item}": experiment.display_names(item)
        for metric, item in parts[["metric", "item"]].drop_duplicates().itertuples(index=False)
    }
    lowest = parts.groupby(["run", "model", "seed", "column", "metric"], as_index=False)["value"].min()
    columns = {_BALANCED: "Balanced", f"{_RECALL}_lowest": "Lowest class"}
    if (parts["metric"] == _SERIAL).any():
        columns[f"{_SERIAL}_lowest"] = "Lowest serial number"
    if parts[parts["metric"] == _RECALL]["item"].nunique() <= _MOST_NAMES:
        columns |= headings
    return metric_table(
        pd.concat(
            [
                balanced,
                lowest.assign(metric=lowest["metric"] + "_lowest"),
                parts.assign(metric=parts["metric"] + " " + parts["item"]),
            ],
            ignore_index=True,
        ),
        experiment,
        styles,
        columns,
        per_cent,
        title="Accuracy by class and serial number, in per cent.",
        caption="Mean ± sample standard deviation over seeds. A heading with a class alone is its recall; with a class "
        "and a serial number, the accuracy on that vehicle. The lowest are taken run by run.",
        limits=(0.0, 1.0),
    )
