"""Reading HDF5 files so that whatever is wrong with one ends in a message with its name and key."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from phasebench.common.errors import PhasebenchError


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
    except (OSError, RuntimeError, KeyError) as error:
        raise PhasebenchError(f"{path}: no complete HDF5 file ({' '.join(str(error).split())}); {remedy}") from error


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
    """The data set of that name.

    Raises
    ------
    PhasebenchError
        It is missing, or a group.
    """
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise PhasebenchError(f"{file.filename}: {name}: the data set is missing; {remedy}")
    return found


def write_array(file: h5py.File, name: str, values: np.ndarray) -> None:
    """Store an array, uncompressed and contiguous; strings as UTF-8 of variable length."""
    if values.dtype.kind in "UO":
        file.create_dataset(name, data=values.astype(object), dtype=h5py.string_dtype("utf-8"))
    else:
        file.create_dataset(name, data=values)
