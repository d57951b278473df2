"""Atomic writes, and reading of JSON and Parquet files with one-line errors."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phasebench.common.errors import PhasebenchError

if TYPE_CHECKING:
    import pandas as pd

_HASH_CHUNK_BYTES = 1 << 22


@contextlib.contextmanager
def atomic_path(path: Path | str, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success flush it to disk and rename it, otherwise remove it.

    Parameters
    ----------
    path
        What is to be written.
    durable
        Whether to wait for the disk, so that not even a crash of the machine leaves half a file.

    Raises
    ------
    PhasebenchError
        The file system refused the write (full disk, no permission); ``path`` is as it was before.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=target.suffix)
        os.close(descriptor)
        temporary = Path(name)
        # mkstemp makes private files; a shared results folder needs the umask's permissions.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        yield temporary
        if durable:
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
        temporary.replace(target)
    except OSError as error:
        if error.errno is None:
            raise
        raise PhasebenchError(f"{target}: cannot be written: {os.strerror(error.errno)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str, durable: bool = True) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with atomic_path(path, durable) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_table(path: Path | str, table: "pd.DataFrame", attributes: Mapping[str, object] | None = None) -> None:
    """Write a table as Parquet, atomically and without its index; the attributes are kept with it, as JSON.

    Each page has a checksum, which :func:`read_table` verifies.
    """
    table.attrs.update(attributes or {})
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False, write_page_checksum=True)


def write_if_different(path: Path | str, text: str, durable: bool = True) -> bool:
    """Write ``text`` only where the file's bytes would change, so that time stamps mean something.

    Returns
    -------
    bool
        True if the file was written.

    Raises
    ------
    PhasebenchError
        The file system refused to read or write; ``path`` is as it was before.
    """
    target = Path(path)
    try:
        if target.is_file() and target.read_bytes() == text.encode("utf-8"):
            return False
    except OSError as error:
        raise PhasebenchError(f"{target}: cannot be read: {error.strerror}") from error
    write_text(target, text, durable)
    return True


def write_plan(path: Path | str, text: str) -> bool:
    """:func:`write_if_different` without waiting for the disk, for thousands of files that are compared at every start.

    What a crash of the machine may leave of such a file differs from the text, and is written again.
    """
    return write_if_different(path, text, durable=False)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and a fixed layout: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def sha256_of_file(path: Path | str) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as handle:
        while chunk := handle.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_text(text: str) -> str:
    """Hexadecimal SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_json(path: Path, remedy: str, keys: Iterable[str] = ()) -> dict[str, Any]:
    """Read a JSON object.

    Parameters
    ----------
    path
        The file.
    remedy
        What to do about a damaged file, for the message.
    keys
        Keys that it must have.

    Raises
    ------
    PhasebenchError
        The file is missing or cut, holds no object, or lacks a key.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PhasebenchError(f"{path}: there is no such file; {remedy}") from error
    except OSError as error:
        raise PhasebenchError(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
    except ValueError as error:
        raise PhasebenchError(f"{path}: not a complete JSON file; {remedy}") from error
    if not isinstance(content, dict):
        raise PhasebenchError(f"{path}: must hold a JSON object; {remedy}")
    for key in keys:
        if key not in content:
            raise PhasebenchError(f"{path}: {key}: the key is missing; {remedy}")
    return content


def read_json_if_whole(path: Path) -> dict[str, Any]:
    """Read a JSON object that can be made again; empty where the file is missing, cut or holds something else."""
    try:
        return read_json(path, "")
    except PhasebenchError:
        return {}


def read_table(path: Path, columns: Iterable[str], remedy: str) -> "pd.DataFrame":
    """Read a Parquet file with all its columns.

    Parameters
    ----------
    path
        The file.
    columns
        Columns that it must have.
    remedy
        What to do about a damaged file, for the message.

    Raises
    ------
    PhasebenchError
        The file is missing, cut or changed, or lacks a column.
    """
    import pandas as pd
    import pyarrow as pa

    try:
        table = pd.read_parquet(path, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise PhasebenchError(f"{path}: there is no such file; {remedy}") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise PhasebenchError(f"{path}: not a complete Parquet file; {remedy}") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise PhasebenchError(f"{path}: {', '.join(missing)}: missing column; {remedy}")
    return table
