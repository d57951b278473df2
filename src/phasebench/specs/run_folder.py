"""Files of a finished run: their names, one writer and one reader of ``run.json``, one reader of its tables."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json, read_json, read_table, sha256_of_file, sha256_of_text, write_text
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
NEEDED_FILES = tuple(file for file in RUN_FILES.values() if file != WEIGHTS)
"""Files that tables and analyses are made of; an imported run has these at least."""
EVALUATION_FOLDER = "evaluation"
"""Holds a Parquet file for each evaluation of the run."""
REMEDY = "delete the run's folder and run snakemake again"


FILES = "files"
"""Key of ``run.json``: size and checksum of each other file of the run."""
_LARGEST_NUMBER = 1e300
_LONGEST_SHOWN = 60
CHECKSUM = "checksum"
"""Key of ``run.json``: SHA-256 of the canonical JSON of all its other keys."""


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write ``run.json``, the sign that the run is finished, with the checksums of its other files."""
    others = [folder / file for file in RUN_FILES.values() if file != RECORD]
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256_of_file(path)} for path in others if path.is_file()
    }
    content = {**record, FILES: files}
    write_text(folder / RECORD, canonical_json({**content, CHECKSUM: _checksum(content)}))


def file_fault(folder: Path, record: Mapping[str, Any], file: str) -> str | None:
    """Difference of a file of a run to the size and checksum in its ``run.json``, in words.

    Returns
    -------
    str or None
        None if there is none, or the record does not say.
    """
    files = record.get(FILES, {})
    recorded = files.get(file) if isinstance(files, dict) else files
    if recorded is None:
        return None
    path = folder / file
    if not (isinstance(recorded, dict) and isinstance(recorded.get("bytes"), int)):
        return f"has no size in {RECORD}"
    try:
        size = path.stat().st_size
        if size != recorded["bytes"]:
            return f"has {size:,} bytes instead of {recorded['bytes']:,}"
        return None if sha256_of_file(path) == recorded.get("sha256") else f"has another checksum than in {RECORD}"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def check_file(folder: Path, record: Mapping[str, Any], file: str) -> None:
    """Refuse a file of a run that differs from what its ``run.json`` says.

    Raises
    ------
    PhasebenchError
        It is missing, cannot be read or has other bytes.
    """
    if fault := file_fault(folder, record, file):
        raise PhasebenchError(f"{folder / file}: {fault}; {REMEDY}")


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
        It is missing, cut or changed, or lacks a key.
    """
    content = read_json(folder / RECORD, REMEDY, keys)
    # Records of older versions have none.
    if CHECKSUM in content and content[CHECKSUM] != _checksum(content):
        raise PhasebenchError(f"{folder / RECORD}: has changed since it was written; {REMEDY}")
    return content


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
    if not _is_number(value):
        raise PhasebenchError(
            f"{folder / RECORD}: {key}: must be a number, found {json.dumps(value)[:_LONGEST_SHOWN]}; {REMEDY}"
        )
    return float(record[key])


def _is_number(value: object) -> bool:
    # A comparison, since an integer may be too large for a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER


def check_recorded(folder: Path, record: Mapping[str, Any], numbers: Iterable[str], texts: Iterable[str]) -> None:
    """Refuse a ``run.json`` with values of other types than training writes; a number may be missing, as null.

    Raises
    ------
    PhasebenchError
        It names the key.
    """
    for key in numbers:
        if record[key] is not None:
            recorded_number(folder, record, key)
    for key in texts:
        if not isinstance(record[key], str):
            found = json.dumps(record[key])[:_LONGEST_SHOWN]
            raise PhasebenchError(f"{folder / RECORD}: {key}: must be a text, found {found}; {REMEDY}")


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


def _checksum(record: Mapping[str, Any]) -> str:
    return sha256_of_text(canonical_json({key: value for key, value in record.items() if key != CHECKSUM}))
