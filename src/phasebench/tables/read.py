"""Reader of the aggregated tables that a report is made of, with checks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import read_table, sha256_of_file
from phasebench.common.validation import as_plain_text
from phasebench.specs.run import rounded
from phasebench.tables.schema import CHOICES, COLUMNS

_REMEDY = "aggregate the results again"


@dataclass(frozen=True)
class ReportTables:
    """The aggregated tables; text columns hold str ('' for none), all others float64 (NaN for none).

    Attributes
    ----------
    benchmark
        One row: what was run.
    experiments
        One row per table or figure of a study.
    models, published, runs, metrics, history
        One row per model, published number, run, measured value and validation.
    items
        One row per value that belongs to a part of a measurement: an image, a pair of filters.
    analyses
        One row per value that was computed from several runs.
    properties
        One row per measured property of a layer or an untrained network; ``holds`` and ``is_control`` are 1 or 0.
    claims
        One row per judged claim of a study, with its mark.
    left_out
        One row per experiment and data set whose runs were not planned, since the data are missing.
    unfinished
        One row per planned result that is missing, failed, damaged or stale: a cell has as many planned seeds as runs
        plus rows here with ``what`` = ``run`` and its coordinates.
    digests
        File name -> (rows, SHA-256).
    """

    benchmark: pd.DataFrame
    experiments: pd.DataFrame
    models: pd.DataFrame
    published: pd.DataFrame
    runs: pd.DataFrame
    metrics: pd.DataFrame
    items: pd.DataFrame
    analyses: pd.DataFrame
    properties: pd.DataFrame
    claims: pd.DataFrame
    history: pd.DataFrame
    left_out: pd.DataFrame
    unfinished: pd.DataFrame
    digests: dict[str, tuple[int, str]]


def read_tables(folder: Path) -> ReportTables:
    """Read all tables in ``folder``.

    Raises
    ------
    PhasebenchError
        A file is missing or cut, lacks a column, holds text in a column of numbers, names a run that
        ``runs.parquet`` does not have, or holds an unknown mark of a claim.
    """
    frames = {name: read_one_table(folder, name) for name in COLUMNS}
    if len(frames["benchmark"]) != 1:
        raise PhasebenchError(
            f"{folder / 'benchmark.parquet'}: scale: {len(frames['benchmark'])} rows where one is expected; {_REMEDY}"
        )
    _check_runs(folder, frames)
    _check_choices(folder, frames["claims"])
    digests = {
        f"{name}.parquet": (len(frame), sha256_of_file(folder / f"{name}.parquet"))
        for name, frame in frames.items()
        if (folder / f"{name}.parquet").is_file()
    }
    return ReportTables(**frames, digests=digests)


def read_one_table(folder: Path, table: str) -> pd.DataFrame:
    """Read one of the tables, with the types of :class:`ReportTables`.

    Raises
    ------
    PhasebenchError
        The file is missing or cut, lacks a column, or holds text in a column of numbers.
    """
    path = folder / f"{table}.parquet"
    return _typed_frame(path, table, read_table(path, COLUMNS[table], _REMEDY))


def _typed_frame(path: Path, table: str, frame: pd.DataFrame) -> pd.DataFrame:
    columns = COLUMNS[table].items()
    return pd.DataFrame({name: _typed(path, frame[name], is_text=kind == "text") for name, kind in columns})


def _typed(path: Path, values: "pd.Series[Any]", *, is_text: bool) -> "pd.Series[Any]":
    if is_text:
        texts = [
            "" if missing else as_plain_text(str(value)) for value, missing in zip(values, values.isna(), strict=True)
        ]
        return pd.Series(texts, dtype=object)
    try:
        numbers = pd.to_numeric(values, errors="raise").to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise PhasebenchError(f"{path}: {values.name}: not a column of numbers; {_REMEDY}") from error
    return pd.Series(rounded(numbers) if values.name == "train_fraction" else numbers)


def _check_runs(folder: Path, frames: dict[str, pd.DataFrame]) -> None:
    runs = frames["runs"]["run"]
    if runs.duplicated().any():
        name = runs[runs.duplicated()].iloc[0]
        raise PhasebenchError(f"{folder / 'runs.parquet'}: run: '{name}' occurs twice; {_REMEDY}")
    for table in ("metrics", "items", "history"):
        strangers = set(frames[table]["run"]) - set(runs)
        if strangers:
            raise PhasebenchError(
                f"{folder / table}.parquet: run: '{min(strangers)}' is not in runs.parquet; {_REMEDY}"
            )


def _check_choices(folder: Path, claims: pd.DataFrame) -> None:
    for column, choices in CHOICES.items():
        if unknown := sorted(set(claims[column]) - set(choices)):
            raise PhasebenchError(f"{folder / 'claims.parquet'}: {column}: '{unknown[0]}' is unknown; {_REMEDY}")
