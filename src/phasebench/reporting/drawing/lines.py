"""Panels of lines: means over seeds in bands of one standard deviation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, MultipleLocator, NullFormatter

from phasebench.reporting.drawing.palette import LineStyle
from phasebench.reporting.drawing.panels import Painter, PanelDrawing

_FEW_DECADES = 1000


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
    limits: tuple[float, float | None] | None = None
    tick_step: float | None = None
    logarithmic: bool = False


@dataclass(frozen=True)
class LinePlot:
    """Axes and styles that the panels of a figure share.

    Attributes
    ----------
    x, ys
        Every panel is drawn once for each of ``ys``, one below the other.
    styles
        Series -> how its line is drawn.
    series
        Column of the data that has the series.
    markers
        Mark the points.
    """

    x: Axis
    ys: tuple[Axis, ...]
    styles: Mapping[str, LineStyle]
    series: str = "model"
    markers: bool = True

    def panel(self, title: str, data: pd.DataFrame) -> PanelDrawing:
        """A panel of ``data``: the series, the axes' columns, and one row per point and repetition (seed)."""
        quantities = " and ".join(y.label.lower() for y in self.ys)
        summary = f"{title}: {quantities} over {self.x.label.lower()}"
        return PanelDrawing(title, summary, self._ends(data), tuple(self._painter(data, y) for y in self.ys))

    def _ends(self, data: pd.DataFrame) -> str:
        """The ends of every line in numbers."""
        sentences = []
        for y in self.ys:
            means = data.dropna(subset=[y.column]).groupby([self.series, self.x.column])[y.column].mean()
            drawn = set(means.index.get_level_values(0))
            for name, style in self.styles.items():
                if name in drawn:
                    line = means[name]
                    ends = f"{line.iloc[0]:.3g} at {line.index[0]:g}, {line.iloc[-1]:.3g} at {line.index[-1]:g}"
                    sentences.append(f"{style.label}: {y.label.lower()} {ends}.")
        return " ".join(sentences)

    def _painter(self, data: pd.DataFrame, y: Axis) -> Painter:
        def paint(axes: Axes) -> None:
            measured = data.dropna(subset=[self.x.column, y.column])
            if len(measured):
                self._paint_lines(axes, measured, y)
            _arrange(axes, measured[y.column], self.x, y)

        return paint

    def _paint_lines(self, axes: Axes, data: pd.DataFrame, y: Axis) -> None:
        drawn = [name for name in self.styles if name in set(data[self.series])]
        seaborn.lineplot(
            data=data,
            x=self.x.column,
            y=y.column,
            hue=self.series,
            style=self.series,
            hue_order=drawn,
            style_order=drawn,
            palette={name: self.styles[name].colour for name in drawn},
            dashes={name: self.styles[name].dashes for name in drawn},
            markers={name: self.styles[name].marker for name in drawn} if self.markers else False,
            markeredgewidth=0,
            errorbar="sd",
            err_kws={"linewidth": 0},
            legend=False,
            ax=axes,
        )


def line_panels(plot: LinePlot, titled: Sequence[tuple[str, pd.DataFrame]]) -> tuple[PanelDrawing, ...]:
    """A panel for each title and its data."""
    return tuple(plot.panel(title, data) for title, data in titled)


def _arrange(axes: Axes, values: "pd.Series[float]", x: Axis, y: Axis) -> None:
    axes.set(xlabel=x.label, ylabel=y.label)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(_locator(x))
    if y.logarithmic and (values > 0).all():
        axes.set_yscale("log")
        # With ticks between the decades, matplotlib labels none where there are many decades.
        few = values.max() < _FEW_DECADES * values.min()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(_locator(y))
    axes.set(xlim=x.limits, ylim=y.limits)


def _locator(axis: Axis) -> Locator:
    return MultipleLocator(axis.tick_step) if axis.tick_step else MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])
