"""Seals of tables: the checksum of each beside it, as ``sha256sum`` writes and checks it.

The pages of a Parquet file have checksums, but its footer, which names and types the columns, has none.
"""

from collections.abc import Iterable
from pathlib import Path

from phasebench.common.files import sha256_of_file, write_text

CHECKSUM_SUFFIX = ".sha256"
"""Ends the name of the file with a table's checksum."""


def seal(paths: Iterable[Path]) -> None:
    """Write the checksum of each of these tables beside it."""
    for path in paths:
        write_text(_seal_of(path), f"{sha256_of_file(path)}  {path.name}\n")


def is_sealed_as_is(path: Path) -> bool | None:
    """True if a table has the checksum beside it, False if it has another one; None where there is none."""
    checksum = _seal_of(path)
    if not checksum.is_file():
        return None
    return checksum.read_text(encoding="utf-8", errors="replace").split(" ")[0] == sha256_of_file(path)


def _seal_of(path: Path) -> Path:
    return path.with_name(path.name + CHECKSUM_SUFFIX)
