"""Differences between two results folders: each cell's means, the interval of their difference, and a mark."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from phasebench.common.errors import PhasebenchError
from phasebench.common.statistics import CONFIDENCE, holm, welch_test
from phasebench.specs.paths import Results
from phasebench.specs.run import coordinates
from phasebench.tables.read import read_one_table

CELL = (*coordinates("seed"), "analysis", "metric", "condition", "item")
"""Columns that tell a cell from others, in both folders."""
DIFFERS, APART, SINGLE, AGREES, EQUAL = "differs", "apart", "single", "agrees", "equal"
ONLY_A, ONLY_B = "only in A", "only in B"
MARKS = {
    DIFFERS: "differ by more than their intervals",
    APART: "differ by more than their own interval, but not after the correction for the number of cells",
    SINGLE: "differ, with a single value on a side, so that there is no interval",
    AGREES: "agree: the interval of the difference contains zero",
    EQUAL: "are equal, value by value",
    ONLY_A: "are in A alone",
    ONLY_B: "are in B alone",
}
"""Mark of a cell -> what it says, in the order of the page."""
_TABLES = ("metrics", "analyses", "items")
# Axes of a two-dimensional embedding: any rotation of it is as good.
_ARBITRARY = frozenset({"tsne_x", "tsne_y"})
_SAME = 1e-12


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two folders.

    Attributes
    ----------
    folder
        As it was given.
    scale, label
        Of its table ``benchmark``.
    values
        One row per cell and seed: ``table``, :data:`CELL`, ``seed``, ``value``.
    """

    folder: Path
    scale: str
    label: str
    values: pd.DataFrame


def read_side(folder: Path) -> Side:
    """Read the values of a results folder.

    Parameters
    ----------
    folder
        ``results/<scale>``.

    Raises
    ------
    PhasebenchError
        It holds no tables, or one is cut or lacks a column.
    """
    tables = Results(folder).table("metrics").parent
    if not tables.is_dir():
        raise PhasebenchError(
            f"{folder}: holds no folder '{tables.name}'; give a folder such as results/demo, once its report was made"
        )
    benchmark = read_one_table(tables, "benchmark")
    values = pd.concat([_values(tables, table) for table in _TABLES], ignore_index=True)
    first = benchmark.iloc[0] if len(benchmark) else {"scale": "", "label": ""}
    return Side(folder, str(first["scale"]), str(first["label"]), values)


def differences(first: Side, second: Side) -> pd.DataFrame:
    """Compare two folders cell by cell.

    Returns
    -------
    DataFrame
        One row per cell of either folder: ``mark`` (a key of :data:`MARKS`), :data:`CELL`, ``n_a``, ``mean_a``,
        ``std_a`` and the same of B, ``difference`` (B less A), ``low`` and ``high`` (bounds of its 95 % interval by
        Welch's t), ``p``, and ``p_holm`` (corrected over all cells of the same table); sorted by mark and cell.
    """
    keys = ["table", *CELL]
    cells = _summaries(first.values, keys, "a").merge(_summaries(second.values, keys, "b"), on=keys, how="outer")
    cells["n_a"], cells["n_b"] = cells["n_a"].fillna(0).astype(int), cells["n_b"].fillna(0).astype(int)
    a, b = (cells[[f"n_{side}", f"mean_{side}", f"std_{side}"]].to_numpy(dtype=float).T for side in "ab")
    test = welch_test((a[0], b[0]), (a[1], b[1]), (a[2], b[2]))
    cells = cells.assign(difference=test.difference, low=test.low, high=test.high, p=test.p)
    cells["p_holm"] = cells.groupby("table")["p"].transform(lambda family: holm(list(family)))
    cells["mark"] = _marks(cells, _equal_cells(first.values, second.values, keys))
    ranks = {"by_mark": cells["mark"].map(list(MARKS).index), "by_table": cells["table"].map(_TABLES.index)}
    cells = cells.assign(**ranks).sort_values([*ranks, *keys], kind="stable", ignore_index=True)
    numbers = [f"{name}_{side}" for side in "ab" for name in ("n", "mean", "std")]
    return cells[["mark", *keys, *numbers, "difference", "low", "high", "p", "p_holm"]]


def _values(tables: Path, table: str) -> pd.DataFrame:
    frame = read_one_table(tables, table)
    frame = frame[frame["value"].notna() & ~frame["metric"].isin(_ARBITRARY)]
    missing = {name: "" for name in ("analysis", "item") if name not in frame}
    return frame.assign(table=table, **missing)[["table", *CELL, "seed", "value"]]


def _summaries(values: pd.DataFrame, keys: list[str], side: str) -> pd.DataFrame:
    found = values.groupby(keys, dropna=False)["value"].agg(["count", "mean", "std"]).reset_index()
    return found.rename(columns={"count": f"n_{side}", "mean": f"mean_{side}", "std": f"std_{side}"})


def _equal_cells(first: pd.DataFrame, second: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Cells in which both sides have the same seeds with the same values."""
    both = first.merge(second, on=[*keys, "seed"], how="outer", suffixes=("_a", "_b"))
    size = np.maximum(1.0, both["value_a"].abs())
    both["equal"] = (both["value_a"] - both["value_b"]).abs() <= _SAME * size
    return both.groupby(keys, dropna=False)["equal"].all().reset_index()


def _marks(cells: pd.DataFrame, equal: pd.DataFrame) -> np.ndarray:
    keys = ["table", *CELL]
    is_equal = cells[keys].merge(equal, on=keys, how="left")["equal"].to_numpy(dtype=bool)
    level = 1.0 - CONFIDENCE
    conditions = [
        (cells["n_b"] == 0).to_numpy(),
        (cells["n_a"] == 0).to_numpy(),
        is_equal,
        cells["p"].isna().to_numpy(),
        (cells["p_holm"] < level).to_numpy(),
        (cells["p"] < level).to_numpy(),
    ]
    marks = [np.asarray(mark) for mark in (ONLY_A, ONLY_B, EQUAL, SINGLE, DIFFERS, APART)]
    return np.select(conditions, marks, AGREES)
