"""Atomic writes, and reading of JSON and Parquet files with one-line errors."""

import contextlib
import fcntl
import hashlib
import io
import json
import math
import os
import re
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from phasebench.common.errors import PhasebenchError

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Buffer

_HASH_CHUNK_BYTES = 1 << 22
_UNFINISHED = re.compile(r"\..+\.([0-9a-f]{8})-[0-9a-f]{16}\.part")
_LONGEST_PAUSE_SECONDS = 600.0
"""Seconds after which a file that another machine was writing, and no longer writes, is a leftover."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_swept: set[Path] = set()


@contextlib.contextmanager
def atomic_file(path: Path | str, durable: bool = True, previous: Path | None = None) -> Iterator[BinaryIO]:
    """Yield a new file beside ``path``, open for writing; on success it is synced and renamed, otherwise removed.

    What killed processes left unfinished in the folder is removed before.

    Parameters
    ----------
    path
        What is to be written.
    durable
        Whether to wait for the disk, so that not even a crash of the machine leaves half a file.
    previous
        Name under which the file that is replaced is kept.

    Raises
    ------
    PhasebenchError
        The file system refused the write (full disk, no permission); ``path`` is as it was before.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary, handle = _new_file(target)
        with handle:
            # Not before each of thousands of small files.
            if durable or target.parent not in _swept:
                _swept.add(target.parent)
                _remove_leftovers(target.parent, os.fstat(handle.fileno()).st_mtime)
            yield handle
            handle.flush()
            if durable:
                os.fsync(handle.fileno())
            # While it is locked: nobody takes a finished file for a leftover.
            if previous is not None and target.is_file():
                target.replace(previous)
            temporary.replace(target)
    except OSError as error:
        # Libraries put errors of their own into words, and leave the number out.
        reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
        raise PhasebenchError(f"{target}: cannot be written: {reason}{_owner(error, target)}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _owner(error: OSError, target: Path) -> str:
    """Name the owner of the folder, where that is why it cannot be written."""
    if not isinstance(error, PermissionError):
        return ""
    with contextlib.suppress(OSError, KeyError):
        folder = next(parent for parent in target.absolute().parents if parent.exists())
        return f"; {folder} belongs to {folder.owner()}: ask for the right to write there, or use a copy of your own"
    return ""


def _new_file(target: Path) -> tuple[Path, BinaryIO]:
    """A locked new file beside ``target``, with the permissions that the umask and the folder give."""
    while True:
        path = target.with_name(f".{target.name}.{_this_machine()}-{secrets.token_hex(8)}.part")
        # Unbuffered: a full disk is noticed by the call that meets it, and by no later one.
        handle = path.open("x+b", buffering=0)
        # Where the file system has no locks, no leftovers are removed either.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Another process may have taken it for a leftover before it was locked.
        if os.fstat(handle.fileno()).st_nlink:
            return path, cast("BinaryIO", _WholeWrites(handle))
        handle.close()


class _WholeWrites(io.RawIOBase):
    """A file whose every write takes all bytes, or fails."""

    def __init__(self, file: io.FileIO) -> None:
        super().__init__()
        self._file = file

    def write(self, content: "Buffer", /) -> int:
        left = memoryview(content).cast("B")
        total = len(left)
        while left:
            left = left[self._file.write(left) :]
        return total

    def readinto(self, buffer: "Buffer", /) -> int:
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int | None = None, /) -> int:
        return self._file.truncate(size)

    def fileno(self) -> int:
        return self._file.fileno()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()


def _remove_leftovers(folder: Path, now: float) -> None:
    """Remove the unfinished files in a folder that no process holds.

    ``now`` is a time stamp of the file server, whose clock may not be this machine's.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if match := _UNFINISHED.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove_if_left(Path(entry.path), match[1] == _this_machine(), now)


def _remove_if_left(path: Path, is_ours: bool, now: float) -> None:
    with path.open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Locks may reach no further than a machine.
        if is_ours or now - os.fstat(handle.fileno()).st_mtime > _LONGEST_PAUSE_SECONDS:
            path.unlink()


@cache
def _this_machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def write_bytes(path: Path | str, content: "Buffer", durable: bool = True, previous: Path | None = None) -> None:
    """Write bytes atomically; see :func:`atomic_file`."""
    with atomic_file(path, durable, previous) as file:
        file.write(content)


def write_text(path: Path | str, text: str, durable: bool = True) -> None:
    """Write ``text`` as UTF-8, atomically.

    Raises
    ------
    PhasebenchError
        It has a character that UTF-8 cannot hold, or the file system refused the write.
    """
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PhasebenchError(
            f"{path}: cannot be written: {text[error.start : error.end]!r} is no character; remove it from the names"
        ) from error
    write_bytes(path, content, durable)


def write_table(path: Path | str, table: "pd.DataFrame", attributes: Mapping[str, object] | None = None) -> None:
    """Write a table as Parquet, atomically and without its index; the attributes are kept with it, as JSON.

    Each page has a checksum, which :func:`read_table` verifies.

    Raises
    ------
    PhasebenchError
        A column mixes types, or the file system refused the write.
    """
    import pyarrow as pa

    table.attrs.update(attributes or {})
    # In memory: what a library meets while it closes a file of its own may be lost.
    buffer = io.BytesIO()
    try:
        table.to_parquet(buffer, index=False, write_page_checksum=True)
    except (pa.ArrowException, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise PhasebenchError(f"{path}: cannot be written: {reason}; make again what it is computed from") from error
    write_bytes(path, buffer.getbuffer())


def csv_text(table: "pd.DataFrame") -> str:
    """A table as CSV, without its index. No text is a formula for a spreadsheet: an apostrophe stands before it."""
    safe = table.rename(columns=_no_formula)
    for position in range(safe.shape[1]):
        if safe.dtypes.iloc[position].kind not in "biufc":
            safe.isetitem(position, safe.iloc[:, position].map(_no_formula).to_numpy())
    return safe.to_csv(index=False, lineterminator="\n")


def _no_formula(value: object) -> object:
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


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
        if target.is_file() and target.read_bytes() == text.encode("utf-8", "surrogatepass"):
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


def check_working_folder(folder: Path) -> None:
    """Refuse a folder on a read-only file system that lacks the files of Snakemake, which would end in a traceback.

    Where they are there, a dry run has nothing to write.

    Raises
    ------
    PhasebenchError
        The folder has no ``.snakemake``, and can get none.
    """
    if not (folder / ".snakemake").is_dir() and os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise PhasebenchError(
            f"{folder.absolute()}: the file system is read-only; work in another folder, with snakemake --directory"
        )


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
    # A changed JSON file may name halves of characters.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


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
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except FileNotFoundError as error:
        raise PhasebenchError(f"{path}: there is no such file; {remedy}") from error
    except OSError as error:
        raise PhasebenchError(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
    # Thousands of brackets exhaust the parser's stack.
    except (ValueError, RecursionError) as error:
        raise PhasebenchError(f"{path}: not a complete JSON file; {remedy}") from error
    if not isinstance(content, dict):
        raise PhasebenchError(f"{path}: must hold a JSON object; {remedy}")
    for key in keys:
        if key not in content:
            raise PhasebenchError(f"{path}: {key}: the key is missing; {remedy}")
    return content


def _finite(text: str) -> float:
    """A number of a JSON file; what is not finite was written by no :func:`canonical_json`."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is not finite")
    return number


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
    # The last two are of pandas, on damaged notes of its own in a file.
    except (OSError, ValueError, pa.ArrowException, LookupError, TypeError) as error:
        raise PhasebenchError(f"{path}: not a complete Parquet file; {remedy}") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise PhasebenchError(f"{path}: {', '.join(missing)}: missing column; {remedy}")
    return table
