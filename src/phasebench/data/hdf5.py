"""HDF5 files: atomic writes, and reading that ends in a message with file and key whatever is wrong with one."""

import contextlib
import io
import os
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import h5py
import numpy as np

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import atomic_file
from phasebench.data.saved_pages import SAVED_PAGE, is_saved_page

if TYPE_CHECKING:
    from typing_extensions import Buffer

# Of h5py and numpy on damaged files; a size that is not true asks for memory that is not there.
_READ_ERRORS = (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, MemoryError)
_BEST_COMPRESSION = {"gzip": 1032, "lzf": 256}
"""Filter -> bytes that it can get into one, at most."""
# The first format whose metadata carry checksums: damage there is noticed instead of confusing the HDF5 library.
_FORMAT = "v110"


@contextlib.contextmanager
def write_hdf5(path: Path | str) -> Iterator[h5py.File]:
    """Open an HDF5 file for writing that replaces ``path`` once it is closed, synced and found whole.

    Raises
    ------
    PhasebenchError
        It cannot be written; ``path`` is as it was before.
    """
    with atomic_file(path) as file:
        sink = _Sink(file)
        try:
            with h5py.File(sink, "w", libver=_FORMAT) as written:
                yield written
        except (OSError, RuntimeError, ValueError) as error:
            # What the library says after a failed write is only its consequence.
            raise sink.error or OSError(" ".join(str(error).split())) from error
        if sink.error is not None:
            raise sink.error
        os.fsync(file.fileno())
        _check_written(file)


class _Sink(io.RawIOBase):
    """File for the HDF5 library that keeps the first error instead of raising it.

    The library drops errors that it meets while it closes a file, and then crashes on what it could not write.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file, self._position = file, 0
        self.error: OSError | None = None

    def write(self, content: "Buffer", /) -> int:
        size = memoryview(content).nbytes
        if self.error is None:
            try:
                self._file.seek(self._position)
                self._file.write(content)
            except OSError as error:
                self.error = error
        self._position += size
        return size

    def readinto(self, buffer: "Buffer", /) -> int:
        view = memoryview(buffer).cast("B")
        self._file.seek(self._position)
        content = self._file.read(len(view))
        # The library may read what it has reserved and not yet written.
        view[:] = content + bytes(len(view) - len(content))
        self._position += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._position = self._file.seek(offset, whence) if whence == os.SEEK_END else offset
        return self._position

    def tell(self) -> int:
        return self._position

    def truncate(self, size: int | None = None, /) -> int:
        if self.error is None:
            try:
                self._file.truncate(size)
            except OSError as error:
                self.error = error
        return size or 0

    def flush(self) -> None:
        """Do nothing: what was written is synced once, at the end."""


def _check_written(file: BinaryIO) -> None:
    """Raise an OSError unless the file can be opened again and holds all that its data sets take."""
    size = os.fstat(file.fileno()).st_size
    file.seek(0)

    def check(name: str, found: object) -> None:
        if isinstance(found, h5py.Dataset) and (found.id.get_offset() or 0) + found.id.get_storage_size() > size:
            raise OSError(f"{name}: is cut")

    with h5py.File(file, "r") as written:
        written.visititems(check)


@contextlib.contextmanager
def open_hdf5(path: Path | str, remedy: str) -> Iterator[h5py.File]:
    """Open a file for reading.

    Parameters
    ----------
    path
        The file.
    remedy
        What to do if it is missing or damaged; ends the error messages.

    Raises
    ------
    PhasebenchError
        The file is missing, cut or no HDF5 file, also where that shows only while it is read.
    """
    if not Path(path).is_file():
        raise PhasebenchError(f"{path}: there is no such file; {remedy}")
    try:
        # Some cluster file systems refuse locks, and nothing writes into a file that is read here.
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except _READ_ERRORS as error:
        reason = SAVED_PAGE if is_saved_page(path) else " ".join(str(error).split()) or type(error).__name__
        raise PhasebenchError(f"{path}: no complete HDF5 file ({reason}); {remedy}") from error


def require_attribute(file: h5py.File, name: str, remedy: str) -> Any:
    """The root attribute of that name.

    Raises
    ------
    PhasebenchError
        It is missing.
    """
    if name not in file.attrs:
        raise PhasebenchError(f"{file.filename}: {name}: the root attribute is missing; {remedy}")
    return file.attrs[name]


def require_dataset(file: h5py.File, name: str, remedy: str) -> h5py.Dataset:
    """The data set of that name, if the file itself holds all of it.

    Raises
    ------
    PhasebenchError
        It is missing, or a group; its values lie in another file; or it declares more than the file holds.
    """
    _refuse_external_link(file, name)
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise PhasebenchError(f"{file.filename}: {name}: the data set is missing; {remedy}")
    if found.file.filename != file.filename:
        raise _elsewhere(file, name, found.file.filename)
    if found.external:
        raise _elsewhere(file, name, found.external[0][0])
    if found.is_virtual:
        for source in found.virtual_sources():
            if source.file_name != ".":
                raise _elsewhere(file, name, source.file_name)
            require_dataset(file, source.dset_name, remedy)
    elif fault := _fault_of_storage(file, found):
        raise PhasebenchError(f"{file.filename}: {name}: {fault}; {remedy}")
    return found


def _refuse_external_link(file: h5py.File, name: str) -> None:
    parts = name.strip("/").split("/")
    for end in range(1, len(parts) + 1):
        part = "/".join(parts[:end])
        link = file.get(part, getlink=True) if part in file or end == 1 else None
        if isinstance(link, h5py.ExternalLink):
            raise _elsewhere(file, name, link.filename)


def _elsewhere(file: h5py.File, name: str, place: object) -> PhasebenchError:
    return PhasebenchError(
        f"{file.filename}: {name}: its values lie in another file, {place!a}; write them into the file itself"
    )


def _fault_of_storage(file: h5py.File, found: h5py.Dataset) -> str | None:
    """Difference of what a data set declares to what is stored of it, in words, before memory is asked for."""
    declared, stored = found.size * found.id.get_type().get_size(), found.id.get_storage_size()
    if stored > file.id.get_filesize():
        return f"{stored:,} bytes of it are more than the file has"
    layout = found.id.get_create_plist().get_layout()
    if layout == h5py.h5d.CHUNKED:
        chunks, wanted = (
            found.id.get_num_chunks(),
            prod(-(-n // c) for n, c in zip(found.shape, found.chunks, strict=True)),
        )
        if chunks != wanted:
            return f"declares {found.shape} in {wanted:,} chunks, and holds {chunks:,} of them"
        best = _BEST_COMPRESSION.get(found.compression or "")
        filtered = found.id.get_create_plist().get_nfilters() > 0
        is_too_small = stored * best < declared if best else not filtered and stored < declared
    else:
        is_too_small = stored < declared
    return f"declares {found.shape}, {declared:,} bytes, and holds {stored:,}" if is_too_small else None


def write_array(file: h5py.File, name: str, values: np.ndarray) -> None:
    """Store an array, uncompressed and contiguous; strings as UTF-8 of variable length."""
    if values.dtype.kind in "UO":
        file.create_dataset(name, data=values.astype(object), dtype=h5py.string_dtype("utf-8"))
    else:
        file.create_dataset(name, data=values)
