"""Mark of a run that was made elsewhere and imported, ``imported.json`` in its folder; one writer, one reader."""

from pathlib import Path

from pydantic import Field

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json, sha256_of_file, write_text
from phasebench.common.validation import read_json_model
from phasebench.specs.run import Frozen
from phasebench.specs.run_folder import RECORD

IMPORTED = "imported.json"
DATA_MANIFEST = "manifest.json"
"""Copy of the manifest of its data set that an imported run brings along."""


class Imported(Frozen):
    """Origin of an imported run."""

    origin: str = Field(min_length=1, description="name under which the page lists where the run was made")
    package: str = Field(description="SHA-256 of the package that it came in")
    record: str = Field(description="SHA-256 of its run.json; a run that was made again since is no import any more")


def write_mark(folder: Path, origin: str, package: str) -> None:
    """Mark the run in a folder, whose other files are all there, as imported."""
    mark = Imported(origin=origin, package=package, record=sha256_of_file(folder / RECORD))
    write_text(folder / IMPORTED, canonical_json(mark.model_dump(mode="json")))


def read_mark(folder: Path) -> Imported | None:
    """Mark of the run in a folder; None if it was made here, or made again here since it was imported."""
    if not (folder / IMPORTED).is_file():
        return None
    try:
        mark = read_json_model(Imported, folder / IMPORTED, "import the run again")
        return mark if sha256_of_file(folder / RECORD) == mark.record else None
    except (OSError, PhasebenchError):
        return None
