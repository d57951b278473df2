"""A table of the page as rows of cells, whatever it is about."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from phasebench.common.statistics import Summary
from phasebench.reporting.labels import sortable


@dataclass(frozen=True)
class Column:
    """A heading, how the column is sorted, and whether its cells name their rows."""

    heading: str
    sort: Literal["text", "number"] = "number"
    names_row: bool = False


@dataclass(frozen=True)
class PlainCell:
    """Content of a cell.

    Attributes
    ----------
    text, spread
        The value as printed, and what follows it after a '±', or ''.
    interval
        The bounds of the mean's 95 % interval, as the line below it, or ''.
    order
        By which the page sorts; '' for a value that is missing, None for the text itself.
    title
        Shown on hovering.
    runs
        Ids of the runs behind a count of seeds, which the cell then is.
    """

    text: str
    spread: str = ""
    interval: str = ""
    order: str | None = None
    title: str = ""
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlainTable:
    """A table below a figure; ``frame`` is its content for a file."""

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[PlainCell, ...], ...]
    frame: pd.DataFrame

    @property
    def has_intervals(self) -> bool:
        """True if some cell has one."""
        return any(cell.interval for row in self.rows for cell in row)


def summary_cell(summary: Summary, printed: Callable[[float], str]) -> PlainCell:
    """Mean ± standard deviation over seeds, and the interval of the mean."""
    if summary.n == 0:
        return PlainCell("not measured", order="")
    if summary.n == 1:
        return PlainCell(printed(summary.mean), order=sortable(summary.mean), title="one seed: no interval")
    return PlainCell(
        printed(summary.mean),
        printed(summary.std),
        f"{printed(summary.low)} to {printed(summary.high)}",
        sortable(summary.mean),
        f"{summary.n} seeds",
    )


def number_cell(value: float, printed: Callable[[float], str], title: str = "") -> PlainCell:
    """A number that was not repeated."""
    return PlainCell(printed(value), order=sortable(value), title=title)


def seeds_cell(runs: tuple[str, ...]) -> PlainCell:
    """Number of runs, with a link to them."""
    return PlainCell(str(len(runs)), order=str(len(runs)), runs=runs)
