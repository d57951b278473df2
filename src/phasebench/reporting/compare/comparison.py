"""Page and CSV file of a comparison of two results folders."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from phasebench.common.files import csv_text, write_text
from phasebench.common.wording import counted
from phasebench.reporting.compare.differences import (
    AGREES,
    APART,
    DIFFERS,
    EQUAL,
    MARKS,
    ONLY_A,
    ONLY_B,
    SINGLE,
    Side,
    differences,
    read_side,
)
from phasebench.reporting.labels import MINUS, NONE, listed, sortable
from phasebench.reporting.page.page import render
from phasebench.specs.run import coordinates

PAGE, CELLS = "compare.html", "compare.csv"
MOST_ROWS = 500
"""More rows of a table stand in the CSV file alone."""
Cell = Mapping[Any, Any]
"""A row of the differences."""
_ACCURACY = "test_accuracy"
_PLACE = coordinates("suite", "experiment", "model", "seed")


@dataclass(frozen=True)
class Comparison:
    """Outcome of a comparison.

    Attributes
    ----------
    sentence
        Counts of cells in one line.
    n_different
        Cells that differ by more than their intervals.
    page
        The page that was written.
    """

    sentence: str
    n_different: int
    page: Path


@dataclass(frozen=True)
class _Row:
    """A cell of both folders as the page prints it."""

    mark: str
    where: str
    data: str
    model: str
    metric: str
    a: tuple[str, str]
    b: tuple[str, str]
    difference: tuple[str, str]
    interval: str
    p: tuple[str, str]


@dataclass(frozen=True)
class _Table:
    anchor: str
    title: str
    note: str
    rows: tuple[_Row, ...]
    left_out: int


@dataclass(frozen=True)
class _Dot:
    """A cell of the picture: places from 0 to 1, and a text on hovering."""

    x: float
    y: float
    mark: str
    title: str


def compare_results(first: Path, second: Path, output: Path) -> Comparison:
    """Compare two results folders and write ``compare.html`` and ``compare.csv``.

    Parameters
    ----------
    first, second
        ``results/<scale>`` of each, A and B.
    output
        Folder to write into; each file appears whole or not at all, the page last.

    Raises
    ------
    PhasebenchError
        A folder holds no tables, or one of them is damaged; or a file cannot be written.
    """
    a, b = read_side(first), read_side(second)
    cells = differences(a, b)
    counts = {mark: int((cells["mark"] == mark).sum()) for mark in MARKS}
    write_text(output / CELLS, csv_text(cells))
    write_text(output / PAGE, _page(a, b, cells, counts))
    return Comparison(_sentence(len(cells), counts), counts[DIFFERS], output / PAGE)


def _sentence(n_cells: int, counts: dict[str, int]) -> str:
    parts = [f"{counts[mark]:,} {mark if mark in (ONLY_A, ONLY_B) else _SHORT[mark]}" for mark in MARKS if counts[mark]]
    return f"{counted(n_cells, 'cell')}: {listed(parts) if parts else 'nothing to compare'}"


_SHORT = {
    DIFFERS: "differ by more than their intervals",
    APART: "differ before the correction alone",
    SINGLE: "differ without an interval",
    AGREES: "agree",
    EQUAL: "are equal",
}


def _page(a: Side, b: Side, cells: pd.DataFrame, counts: dict[str, int]) -> str:
    tested = {str(table): int(number) for table, number in cells.groupby("table")["p"].count().items()}
    accuracies = cells[(cells["metric"] == _ACCURACY) & (cells["n_a"] > 0) & (cells["n_b"] > 0)]
    return render(
        "compare.html.j2",
        benchmark={"label": a.label or b.label},
        sides=(("A", a), ("B", b)),
        sentence=_sentence(len(cells), counts),
        marks=[(mark, MARKS[mark], counts[mark]) for mark in MARKS],
        tested=[(table, number) for table, number in tested.items() if number],
        dots=_dots(accuracies),
        tables=[*_tables(cells), _table("accuracies", "Every test accuracy", "", accuracies)],
        missing=[(name, _places(cells[cells["mark"] == mark])) for name, mark in (("A", ONLY_A), ("B", ONLY_B))],
        file=CELLS,
    )


def _tables(cells: pd.DataFrame) -> list[_Table]:
    titles = {
        DIFFERS: ("Different", "The 95 % interval of the difference leaves out zero, also after Holm's correction."),
        APART: (
            "Different before the correction alone",
            "The interval leaves out zero, but of so many cells some do so by chance.",
        ),
        SINGLE: ("Different, without an interval", "A side has a single value: its spread is not known."),
    }
    return [_table(mark, *titles[mark], cells[cells["mark"] == mark]) for mark in titles]


def _table(anchor: str, title: str, note: str, cells: pd.DataFrame) -> _Table:
    shown = cells.head(MOST_ROWS)
    return _Table(anchor, title, note, tuple(map(_row, shown.to_dict("records"))), len(cells) - len(shown))


def _row(cell: Cell) -> _Row:
    return _Row(
        mark=str(cell["mark"]),
        where=_joined([cell["suite"], cell["experiment"], cell["analysis"]]),
        data=_data(cell),
        model=str(cell["model"]),
        metric=_metric(cell),
        a=_mean(cell, "a"),
        b=_mean(cell, "b"),
        difference=(_signed(float(cell["difference"])), sortable(float(cell["difference"]))),
        interval=f"{_signed(float(cell['low']))} to {_signed(float(cell['high']))}" if cell["p"] == cell["p"] else "",
        p=(_probability(float(cell["p_holm"])), sortable(float(cell["p_holm"]))),
    )


def _data(cell: Cell) -> str:
    fraction = float(cell["train_fraction"])
    share = "" if fraction in (1.0,) or fraction != fraction else f"{100 * fraction:g} % of training"
    return _joined([cell["dataset"], cell["encoding"], cell["variant"], share])


def _metric(cell: Cell) -> str:
    condition = float(cell["condition"])
    return _joined([cell["metric"], "" if condition != condition else f"at {condition:g}", cell["item"]])


def _mean(cell: Cell, side: str) -> tuple[str, str]:
    mean, std, n = (float(cell[f"{name}_{side}"]) for name in ("mean", "std", "n"))
    spread = f" ± {std:.2g}" if std == std else ""
    return f"{_printed(mean)}{spread} ({n:.0f})", sortable(mean)


def _dots(cells: pd.DataFrame) -> list[_Dot]:
    """Test accuracies of A and B, those that differ last, above the others."""
    inside = cells[cells["mean_a"].between(0.0, 1.0) & cells["mean_b"].between(0.0, 1.0)]
    return [
        _Dot(
            round(float(cell["mean_a"]), 4),
            round(float(cell["mean_b"]), 4),
            str(cell["mark"]),
            f"{_joined([cell['suite'], cell['experiment'], cell['model'], _data(cell)])}: "
            f"A {_mean(cell, 'a')[0]}, B {_mean(cell, 'b')[0]}",
        )
        for cell in inside.iloc[::-1].to_dict("records")
    ]


def _places(cells: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Experiments, data and models of cells that one side lacks, with their number."""
    found = cells.groupby(["suite", "experiment", *_PLACE], dropna=False, sort=True).agg(
        n=("metric", "size"), models=("model", lambda models: ", ".join(sorted(set(models) - {""})))
    )
    return [
        (f"{_joined([cell['suite'], cell['experiment']])}: {_data(cell)}", str(cell["models"]), int(cell["n"]))
        for cell in found.reset_index().to_dict("records")
    ]


def _joined(parts: Iterable[object]) -> str:
    return " · ".join(str(part) for part in parts if part)


def _printed(value: float) -> str:
    return NONE if value != value else f"{value:.4g}".replace("-", MINUS)


def _signed(value: float) -> str:
    return f"+{_printed(value)}" if value > 0 else _printed(value)


def _probability(value: float) -> str:
    return NONE if value != value else "< 0.0001" if value < 1e-4 else f"{value:.2g}"
