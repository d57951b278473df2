"""The figures of a report, drawn by several processes while the report is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from joblib import Parallel, delayed

from phasebench.reporting.drawing import svg
from phasebench.reporting.drawing.panels import StudyFigure, draw, draw_panel


@dataclass(frozen=True)
class Drawing:
    """A figure as SVG.

    Attributes
    ----------
    whole
        All panels with titles and legend, as a file of its own.
    panels
        Each panel as an element of a page.
    """

    whole: str
    panels: tuple[str, ...]


def draw_figure(name: str, figure: StudyFigure, mark: str) -> Drawing:
    """Draw a figure; the ids of its panels start with ``name``, and ``mark``, such as 'DEMO', is on its file alone."""
    panels = (
        svg.to_inline_svg(draw_panel(figure, panel), f"{name}-{index}", panel.summary, panel.description)
        for index, panel in enumerate(figure.drawn)
    )
    return Drawing(svg.to_svg(draw(figure, mark)), tuple(panels))


class Drawings:
    """Drawings by name.

    Parameters
    ----------
    figures : mapping of str to StudyFigure
        They are begun in this order.
    mark : str
        Printed on each figure's file.
    processes : int
        One draws each figure when it is asked for, or one before it; more draw on while the caller does other things.
    """

    def __init__(self, figures: Mapping[str, StudyFigure], mark: str, processes: int) -> None:
        jobs = (delayed(draw_figure)(name, figure, mark) for name, figure in figures.items())
        drawn = Parallel(n_jobs=processes, return_as="generator")(jobs)
        self._coming: Iterator[tuple[str, Drawing]] = zip(figures, drawn, strict=True)
        self._done: dict[str, Drawing] = {}

    def __getitem__(self, name: str) -> Drawing:
        while name not in self._done:
            self._done.update([next(self._coming)])
        return self._done[name]
