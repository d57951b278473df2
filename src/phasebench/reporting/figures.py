"""The figures, drawn with seaborn. Nothing else in the package imports matplotlib."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, MultipleLocator, NullFormatter

from phasebench.reporting.palette import ModelStyle
from phasebench.reporting.svg import INK, RULE

_PANEL_WIDTH, _PANEL_HEIGHT = 3.4, 2.5
_COLUMNS = 3
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 3.6,
    "text.color": INK,
    # A model called "a$b$" is not a formula.
    "text.parse_math": False,
    "xtick.color": INK,
    "xtick.labelsize": 8,
    "ytick.color": INK,
    "ytick.labelsize": 8,
}


@dataclass(frozen=True)
class Axis:
    """A quantity on an axis.

    Attributes
    ----------
    column
        Of the data.
    label
        With its unit.
    limits
        Fixed ends, so that panels can be compared; None fits them to the data.
    tick_step
        Distance of ticks; None lets matplotlib choose.
    logarithmic
        A y axis whose values are all positive is logarithmic.
    """

    column: str
    label: str
    limits: tuple[float, float] | None = None
    tick_step: float | None = None
    logarithmic: bool = False


def draw_panels(
    panels: Sequence[tuple[str, pd.DataFrame]],
    x: Axis,
    ys: Sequence[Axis],
    styles: Mapping[str, ModelStyle],
    *,
    markers: bool,
    labelled: bool,
    mark: str = "",
) -> Figure:
    """Lines over ``x``, one per model: the mean over seeds in a band of one standard deviation.

    Parameters
    ----------
    panels
        Title and data of each panel: model, seed and a column for every axis, one row per seed and point.
    x, ys
        Every panel is drawn once for each of ``ys``, one below the other.
    styles
        Model -> how it is drawn.
    markers
        Mark the points.
    labelled
        With a title per panel and a legend; the page has its own.
    mark
        Printed in the corner, such as 'DEMO'.
    """
    across = min(_COLUMNS, len(panels))
    down = -(-len(panels) // across)
    size = (_PANEL_WIDTH * across, _PANEL_HEIGHT * down * len(ys) + (0.4 if labelled else 0) + (0.2 if mark else 0))
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(down * len(ys), across, squeeze=False)
        for axes in grid.flat:
            axes.set_visible(False)
        for index, (title, data) in enumerate(panels):
            for level, y in enumerate(ys):
                axes = grid[index // across * len(ys) + level, index % across]
                axes.set_visible(True)
                _draw(axes, data, x, y, styles, markers)
                if labelled and level == 0:
                    axes.set_title(title)
        if mark:
            figure.suptitle(mark, x=0.99, horizontalalignment="right", fontsize=9)
        if labelled:
            drawn = pd.concat([data["model"] for _, data in panels]).unique()
            handles = [_handle(style, markers) for model, style in styles.items() if model in drawn]
            figure.legend(
                handles=handles, loc="outside lower center", ncols=min(2 * across, len(handles)), frameon=False
            )
    return figure


def _draw(axes: Axes, data: pd.DataFrame, x: Axis, y: Axis, styles: Mapping[str, ModelStyle], markers: bool) -> None:
    measured = data.dropna(subset=[x.column, y.column])
    if len(measured):
        _draw_lines(axes, measured, x, y, styles, markers)
    axes.set(xlabel=x.label, ylabel=y.label)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(_locator(x))
    if y.logarithmic and (measured[y.column] > 0).all():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(_locator(y))
    axes.set(xlim=x.limits, ylim=y.limits)


def _draw_lines(
    axes: Axes, data: pd.DataFrame, x: Axis, y: Axis, styles: Mapping[str, ModelStyle], markers: bool
) -> None:
    present = [model for model in styles if model in set(data["model"])]
    seaborn.lineplot(
        data=data,
        x=x.column,
        y=y.column,
        hue="model",
        style="model",
        hue_order=present,
        style_order=present,
        palette={model: styles[model].colour for model in present},
        dashes={model: styles[model].dashes for model in present},
        markers={model: styles[model].marker for model in present} if markers else False,
        markeredgewidth=0,
        errorbar="sd",
        err_kws={"linewidth": 0},
        legend=False,
        ax=axes,
    )


def _locator(axis: Axis) -> Locator:
    return MultipleLocator(axis.tick_step) if axis.tick_step else MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])


def _handle(style: ModelStyle, markers: bool) -> Line2D:
    line = Line2D([], [], color=style.colour, markeredgewidth=0, label=style.label)
    line.set_linestyle((0, style.dashes) if style.dashes else "solid")
    line.set_marker(style.marker if markers else "")
    return line
