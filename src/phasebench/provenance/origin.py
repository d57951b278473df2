"""What a table of results was made from, by content."""

from collections.abc import Iterable
from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_file, sha256_of_text

ORIGIN = "origin"
"""Under this name the attributes of an evaluation's or an analysis's table say it."""


def origin(spec: Path, records: Iterable[Path]) -> dict[str, str]:
    """What a table was made from: its spec file and the ``run.json`` of its runs.

    Raises
    ------
    PhasebenchError
        A file is missing.
    """
    try:
        return {
            "spec": sha256_of_file(spec),
            "records": sha256_of_text(" ".join(sha256_of_file(record) for record in records)),
        }
    except OSError as error:
        raise PhasebenchError(f"{error.filename}: cannot be read: {error.strerror}") from error
