"""Bias and variance of the models by class (Singhal, Xing and Yu 2022, Figs. 2b and 7b)."""

from typing import Any

import pandas as pd
import seaborn
from matplotlib.axes import Axes

from phasebench.common.wording import counted
from phasebench.plan.figure_kinds import FigureKind
from phasebench.reporting import measurements
from phasebench.reporting.drawing.palette import LineStyle, present
from phasebench.reporting.drawing.panels import Painter, PanelDrawing, StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.labels import shortened
from phasebench.tables.read import ReportTables

_QUANTITIES = {"bias": "Bias", "variance": "Variance"}
_METHOD = (
    "The networks of a model differ in their seeds and in the random part of the training set that they saw. The main "
    "prediction for a test image is what most of them predict; the bias is 1 where it is wrong, and the variance is "
    "the share of networks that predict something else."
)
_DOTS: dict[str, Any] = {"linewidth": 0.8, "markersize": 2.8, "markeredgewidth": 0}
# More names than these would not be legible beside one panel.
_MOST_NAMES = 30


def violin_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Draw the distribution of bias and variance over the classes, a violin for each model."""
    data = _by_class(tables, experiment)
    if not len(data):
        return None
    drawn = present(styles, data["model"])
    panels = [_violin_panel(title, part, drawn) for title, part in _panels(data, experiment)]
    return _figure(
        "bias-variance",
        "Bias and variance",
        "Bias and variance over the classes.",
        f"{_METHOD} A dot is the mean over a class's test images; a violin's bars are minimum, median and maximum.",
        data,
        experiment,
        panels,
    )


def class_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Bias and variance of each class, side by side for all models."""
    data = _by_class(tables, experiment)
    if not len(data):
        return None
    drawn = present(styles, data["model"])
    orders = {column: _class_order(part, experiment.sorted_by) for column, part in data.groupby("column")}
    most = min(max(map(len, orders.values())), _MOST_NAMES)
    panels = [
        _class_panel(title, part, _classes(orders[part["column"].iloc[0]], experiment), drawn)
        for title, part in _panels(data, experiment)
    ]
    by = drawn[experiment.sorted_by].label if experiment.sorted_by in drawn else "all models together"
    return _figure(
        "bias-variance-classes",
        "Bias and variance by class",
        "Bias and variance of each class.",
        f"As in the figure above. Classes stand in ascending order of the bias of {by}, from the top.",
        data,
        experiment,
        panels,
        legend=tuple(drawn.values()),
        panel_size=(3.4, 0.8 + 0.2 * max(most, 6)),
    )


def _by_class(tables: ReportTables, experiment: Experiment) -> pd.DataFrame:
    data = measurements.of_cells(tables.analyses, experiment, "bias_variance")
    return data[data["metric"].isin(_QUANTITIES) & (data["item"] != "")].reset_index(drop=True)


def _panels(data: pd.DataFrame, experiment: Experiment) -> list[tuple[str, pd.DataFrame]]:
    return [
        (f"{words}: {experiment.title(setting)}", part[part["metric"] == metric])
        for setting, part in measurements.by_setting(data, experiment)
        for metric, words in _QUANTITIES.items()
        if (part["metric"] == metric).any()
    ]


def _figure(
    kind: FigureKind,
    heading: str,
    title: str,
    method: str,
    data: pd.DataFrame,
    experiment: Experiment,
    panels: list[PanelDrawing],
    *,
    legend: tuple[LineStyle, ...] = (),
    panel_size: tuple[float, float] = (3.4, 2.7),
) -> StudyFigure:
    fewest, most = int(data["n"].min()), int(data["n"].max())
    networks = counted(most, "network") if fewest == most else f"{fewest} to {most} networks"
    return StudyFigure(
        kind=kind,
        heading=heading,
        title=title,
        method=f"{method} {networks} per model.",
        panels=tuple(panels),
        data=measurements.tidy(data, experiment, ["model", "n", "metric", "item", "value"]),
        legend=legend,
        has_lines=False,
        has_markers=True,
        across=2,
        panel_size=panel_size,
    )


def _describe(data: pd.DataFrame, styles: dict[str, LineStyle]) -> str:
    values = data.groupby("model")["value"]
    summary = pd.DataFrame({"low": values.min(), "middle": values.median(), "high": values.max()})
    return " ".join(
        f"{style.label}: median {summary['middle'][model]:.3g}, "
        f"from {summary['low'][model]:.3g} to {summary['high'][model]:.3g}."
        for model, style in present(styles, summary.index).items()
    )


def _violin_panel(title: str, data: pd.DataFrame, styles: dict[str, LineStyle]) -> PanelDrawing:
    return PanelDrawing(
        title, f"{title}, distribution over classes by model", _describe(data, styles), (_violins(data, styles),)
    )


def _violins(data: pd.DataFrame, styles: dict[str, LineStyle]) -> Painter:
    drawn = present(styles, data["model"])

    def paint(axes: Axes) -> None:
        seaborn.violinplot(
            data=data,
            # Models lie below each other, where their names have room.
            x="value",
            y="model",
            hue="model",
            order=list(drawn),
            hue_order=list(drawn),
            palette={model: style.colour for model, style in drawn.items()},
            inner=None,
            cut=0,
            linewidth=0,
            alpha=0.25,
            legend=False,
            ax=axes,
        )
        for position, (model, style) in enumerate(drawn.items()):
            values = data.loc[data["model"] == model, "value"].dropna()
            axes.plot(values, [position] * len(values), "o-", color=style.colour, **_DOTS)
            for value, half in zip(values.quantile([0, 0.5, 1]), (0.15, 0.25, 0.15), strict=True):
                axes.vlines(value, position - half, position + half, color=style.colour, linewidth=1)
        axes.set_yticks(range(len(drawn)), [shortened(style.label) for style in drawn.values()])
        axes.set(xlabel=f"{_quantity(data['metric'])} of a class", ylabel="", xlim=(0, None))
        axes.grid(axis="x")
        axes.set_axisbelow(True)

    return paint


def _class_order(data: pd.DataFrame, model: str) -> list[str]:
    """Classes in ascending order of the bias of a model, or of all if it was not run."""
    bias = data[data["metric"] == "bias"]
    own = bias[bias["model"] == model]
    means = (own if len(own) else bias).groupby("item")["value"].mean()
    rest = sorted(set(data["item"]) - set(means.index))
    return [*means.sort_values(kind="stable").index, *rest]


def _classes(order: list[str], experiment: Experiment) -> dict[str, str]:
    """Class -> its name for reading, in the same order."""
    return {name: experiment.display_names(name) for name in order}


def _class_panel(title: str, data: pd.DataFrame, classes: dict[str, str], styles: dict[str, LineStyle]) -> PanelDrawing:
    lowest = data.sort_values("value", kind="stable").groupby("item")["model"].first().value_counts()
    counts = ", ".join(f"{style.label} {lowest[model]}" for model, style in present(styles, lowest.index).items())
    description = f"{_describe(data, styles)} Classes in which a model is lowest: {counts}."
    return PanelDrawing(title, f"{title}, by class and model", description, (_dots(data, classes, styles),))


def _dots(data: pd.DataFrame, classes: dict[str, str], styles: dict[str, LineStyle]) -> Painter:
    heights = {name: -index for index, name in enumerate(classes)}

    def paint(axes: Axes) -> None:
        for model, style in present(styles, data["model"]).items():
            own = data[data["model"] == model]
            axes.plot(
                own["value"],
                own["item"].map(heights),
                style.marker,
                color=style.colour,
                markersize=5,
                markeredgewidth=0,
                alpha=0.85,
            )
        if len(classes) <= _MOST_NAMES:
            axes.set_yticks(list(heights.values()), [shortened(shown) for shown in classes.values()])
        else:
            axes.set_yticks([])
        axes.set(xlabel=_quantity(data["metric"]), xlim=(0, None), ylim=(0.6 - len(classes), 0.6))
        axes.grid(axis="both")
        axes.set_axisbelow(True)

    return paint


def _quantity(metrics: "pd.Series[str]") -> str:
    """The one quantity of a panel, as its axis names it."""
    return _QUANTITIES[metrics.iloc[0]]
