"""Index of a run's evaluations, ``evaluated.json``: checksum and provenance of each table; one writer, one reader.

The tables lie beside it and are no outputs of the rule, so that a job that starts anew finds the finished ones.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json, sha256_of_file
from phasebench.common.validation import read_json_model
from phasebench.specs.run import Frozen, Name
from phasebench.specs.run_folder import evaluation_file, read_run_table

if TYPE_CHECKING:
    import pandas as pd

EVALUATED = "evaluated.json"
_REMEDY = "delete it and run snakemake again"


class EvaluatedTable(Frozen):
    """The Parquet file of one evaluation."""

    sha256: str = Field(description="checksum of the file")
    origin: dict[str, str] = Field(description="checksums of the spec file and the run.json that it was made from")


class Evaluated(Frozen):
    """All finished evaluations of a run."""

    evaluations: dict[Name, EvaluatedTable]

    def to_json(self) -> str:
        """Canonical JSON, the bytes of the file."""
        return canonical_json(self.model_dump(mode="json"))


def index_evaluations(folder: Path, origins: Mapping[str, Mapping[str, str]]) -> Evaluated:
    """Describe the tables as they lie in a run's folder.

    Parameters
    ----------
    folder
        The run's folder.
    origins
        Evaluation -> what its table was made from.

    Raises
    ------
    PhasebenchError
        A table is missing.
    """
    return Evaluated(
        evaluations={
            name: EvaluatedTable(sha256=_checksum(folder / evaluation_file(name)), origin=dict(made_from))
            for name, made_from in origins.items()
        }
    )


def read_index(folder: Path) -> Evaluated:
    """Read the index of a run.

    Raises
    ------
    PhasebenchError
        It is missing or damaged.
    """
    return read_json_model(Evaluated, folder / EVALUATED, _REMEDY)


def read_evaluation(folder: Path, index: Evaluated, name: str, columns: Iterable[str]) -> "pd.DataFrame":
    """Read the table of an evaluation.

    Parameters
    ----------
    folder
        The run's folder.
    index
        Its index.
    name
        The evaluation.
    columns
        Columns that the table must have.

    Raises
    ------
    PhasebenchError
        The index does not name it; or the table is missing, has another checksum, or lacks a column.
    """
    if name not in index.evaluations:
        raise PhasebenchError(f"{folder / EVALUATED}: evaluations: '{name}' is missing; {_REMEDY}")
    file = evaluation_file(name)
    if _checksum(folder / file) != index.evaluations[name].sha256:
        raise PhasebenchError(f"{folder / file}: has another checksum than in {EVALUATED}; {_REMEDY}")
    return read_run_table(folder, file, columns)


def _checksum(table: Path) -> str:
    try:
        return sha256_of_file(table)
    except FileNotFoundError as error:
        raise PhasebenchError(f"{table}: there is no such file; run snakemake again") from error
    except OSError as error:
        raise PhasebenchError(f"{table}: cannot be read: {error.strerror}; {_REMEDY}") from error
