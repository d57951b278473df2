"""Tidy tables of what was computed for the cells of the studies' tables: one line per value."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from phasebench.common.files import write_table
from phasebench.specs.run import coordinates

_NUMBERS = {"train_fraction": "Float64", "seed": "Int64"}
COLUMN_TYPES = {
    **{name: _NUMBERS.get(name, "string") for name in coordinates("suite", "experiment")},
    "n": "Int64",
    "metric": "string",
    "condition": "Float64",
    "item": "string",
    "value": "Float64",
}
"""Column -> its type; what a line does not say is missing."""


def write_values(
    path: Path,
    table: pd.DataFrame,
    attributes: Mapping[str, object] | None = None,
    further: Mapping[str, str] | None = None,
) -> None:
    """Write a table of values as Parquet.

    Parameters
    ----------
    path : Path
        The file.
    table : DataFrame
        Some of the columns of :data:`COLUMN_TYPES`, and all ``further`` ones.
    attributes : mapping, optional
        Kept with the table, as JSON.
    further : mapping, optional
        Column before the others -> its type.
    """
    types = {**(further or {}), **COLUMN_TYPES}
    write_table(path, table.reindex(columns=list(types)).astype(types), attributes)
