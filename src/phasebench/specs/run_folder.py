"""Files of a finished run: their names, one writer and one reader of ``run.json``, one reader of its tables."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json, read_json, read_table, write_text
from phasebench.common.validation import as_model
from phasebench.specs.run import RunSpec

if TYPE_CHECKING:
    import pandas as pd

SPEC = "spec.json"
HISTORY = "history.parquet"
PROBES = "probes.parquet"
WEIGHTS = "weights.safetensors"
PREDICTIONS = "predictions.parquet"
RECORD = "run.json"
RUN_FILES: Mapping[str, str] = {
    "spec": SPEC,
    "history": HISTORY,
    "probes": PROBES,
    "weights": WEIGHTS,
    "predictions": PREDICTIONS,
    "record": RECORD,
}
"""Name of an output of the rule ``train`` -> its file; the record is written last."""
EVALUATION_FOLDER = "evaluation"
"""Holds a Parquet file for each evaluation of the run."""
REMEDY = "delete the run's folder and run snakemake again"


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write ``run.json``, the sign that the run is finished."""
    write_text(folder / RECORD, canonical_json(dict(record)))


def read_record(folder: Path, *keys: str) -> dict[str, Any]:
    """Read the ``run.json`` of a run.

    Parameters
    ----------
    folder
        The run's folder.
    keys
        What it must say.

    Raises
    ------
    PhasebenchError
        It is missing or cut, or lacks a key.
    """
    return read_json(folder / RECORD, REMEDY, keys)


def recorded_spec(folder: Path, record: Mapping[str, Any]) -> RunSpec:
    """Validate the spec that a ``run.json`` says.

    Raises
    ------
    PhasebenchError
        There is none, or it is of another version.
    """
    return as_model(RunSpec, record.get("spec"), f"{folder / RECORD}: spec", REMEDY)


def recorded_number(folder: Path, record: Mapping[str, Any], key: str) -> float:
    """A number that a ``run.json`` says.

    Raises
    ------
    PhasebenchError
        There is none.
    """
    value = record.get(key)
    if not isinstance(value, int | float):
        raise PhasebenchError(f"{folder / RECORD}: {key}: must be a number, found {json.dumps(value)}; {REMEDY}")
    return float(value)


def read_run_table(folder: Path, file: str, columns: Iterable[str] = ()) -> "pd.DataFrame":
    """Read a Parquet file of a run.

    Parameters
    ----------
    folder
        The run's folder.
    file
        One of the names above, or ``evaluation/<name>.parquet``.
    columns
        Columns that it must have.

    Raises
    ------
    PhasebenchError
        The file is missing or cut, or lacks a column.
    """
    return read_table(folder / file, columns, REMEDY)


def evaluation_file(name: str) -> str:
    """File of an evaluation in the run's folder."""
    return f"{EVALUATION_FOLDER}/{name}.parquet"
