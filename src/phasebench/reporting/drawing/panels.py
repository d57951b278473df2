"""Figures as panels side by side, in one style. The module that knows a quantity paints its panels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from phasebench.plan.figure_kinds import FigureKind
from phasebench.reporting.cells import PlainTable
from phasebench.reporting.drawing.palette import LineStyle
from phasebench.reporting.drawing.svg import INK, RULE

Painter = Callable[[Axes], None]

_MOST_PANELS = 6
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
class PanelDrawing:
    """A panel of a figure.

    Attributes
    ----------
    title
        Above it.
    summary, description
        What a screen reader says: what is shown, and its main numbers.
    levels
        Painters of its axes, one below the other.
    """

    title: str
    summary: str
    description: str
    levels: tuple[Painter, ...]


@dataclass(frozen=True)
class StudyFigure:
    """A figure of the report, with its text and its data.

    Attributes
    ----------
    kind
        Last part of its file names and anchor: 'rotation'; 'cost' is of a whole study.
    heading, title, method
        Above the figure; what its caption says in bold, and how it was made.
    panels
        Those past ``most_panels`` are not drawn.
    data
        What is drawn, also of panels that are not, for a file.
    legend
        Empty where the panels name what they show.
    has_lines, has_markers
        What the keys of the legend show.
    projection
        matplotlib's name of one, such as 'polar'; None for straight axes.
    across
        Most panels side by side.
    panel_size
        Width and height of one level, inches.
    table
        Below the figure.
    """

    kind: FigureKind | Literal["cost"]
    heading: str
    title: str
    method: str
    panels: tuple[PanelDrawing, ...]
    data: pd.DataFrame
    legend: tuple[LineStyle, ...] = ()
    has_lines: bool = True
    has_markers: bool = False
    projection: str | None = None
    across: int = 3
    panel_size: tuple[float, float] = (3.4, 2.5)
    most_panels: int = _MOST_PANELS
    table: PlainTable | None = None

    @property
    def drawn(self) -> tuple[PanelDrawing, ...]:
        """The panels that the page has room for."""
        return self.panels[: self.most_panels]


def draw(figure: StudyFigure, mark: str = "") -> Figure:
    """All panels with titles and legend; ``mark``, such as 'DEMO', is printed in the corner."""
    return _draw(figure, figure.drawn, labelled=True, mark=mark)


def draw_panel(figure: StudyFigure, panel: PanelDrawing) -> Figure:
    """One panel without title and legend, for a page that has its own."""
    return _draw(figure, [panel], labelled=False)


def draw_alone(panel: PanelDrawing, size: tuple[float, float]) -> Figure:
    """A panel of no figure, with one level, in inches."""
    with matplotlib.rc_context(_STYLE):
        drawing = Figure(figsize=size, layout="constrained")
        panel.levels[0](drawing.add_subplot())
    return drawing


def _draw(figure: StudyFigure, panels: Sequence[PanelDrawing], *, labelled: bool, mark: str = "") -> Figure:
    across = min(figure.across, len(panels))
    down = -(-len(panels) // across)
    levels = len(panels[0].levels)
    width, height = figure.panel_size
    extra = (0.4 if labelled and figure.legend else 0) + (0.2 if mark else 0)
    with matplotlib.rc_context(_STYLE):
        drawing = Figure(figsize=(width * across, height * down * levels + extra), layout="constrained")
        for index, panel in enumerate(panels):
            for level, paint in enumerate(panel.levels):
                row = index // across * levels + level
                axes = drawing.add_subplot(
                    down * levels, across, row * across + index % across + 1, projection=figure.projection
                )
                paint(axes)
                if labelled and level == 0:
                    axes.set_title(panel.title)
        if mark:
            drawing.suptitle(mark, x=0.99, horizontalalignment="right", fontsize=9)
        if labelled and figure.legend:
            handles = [_handle(style, figure) for style in figure.legend]
            drawing.legend(
                handles=handles, loc="outside lower center", ncols=min(2 * across, len(handles)), frameon=False
            )
    return drawing


def _handle(style: LineStyle, figure: StudyFigure) -> Line2D:
    line = Line2D([], [], color=style.colour, markeredgewidth=0, label=style.label)
    if not figure.has_lines:
        line.set_linestyle("none")
    elif style.dashes:
        line.set_linestyle((0, style.dashes))
    line.set_marker(style.marker if figure.has_markers else "")
    return line
