"""Raw files of the data sources: a changed file prepares its data set again, a touched one does not."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from pkgutil import resolve_name

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_file
from phasebench.common.progress import track
from phasebench.data.sources.raw_place import RawPlace, raw_place
from phasebench.data.sources.registry import SOURCES
from phasebench.specs.run import Scalar

LARGEST = 1 << 30
"""Bytes of a file above which its size and time stand for its content."""

Known = dict[str, tuple[int, int, str]]
"""File -> size, time of its last change in nanoseconds, and checksum."""


def raw_files(source: str, options: Mapping[str, Scalar], data_root: Path) -> dict[str, Path]:
    """Every raw file of a source, by its path below ``data_root``; none is opened.

    Parameters
    ----------
    source, options, data_root
        As for :func:`raw_checksums`.

    Raises
    ------
    PhasebenchError
        A folder cannot be read.
    """
    place = raw_place(source, SOURCES.find(source))
    # However the folder is written, what lies in it has one name.
    data_root = data_root.absolute()
    root = place.within(data_root, options) if place else None
    if place is None or root is None:
        return {}
    found = [root] if root.is_file() else _files_in(root, place, options)
    return {_shown(path, data_root): path for path in sorted(found)}


def raw_checksums(source: str, options: Mapping[str, Scalar], data_root: Path, known: Known) -> dict[str, str]:
    """SHA-256 of every raw file of a source, by its path below ``data_root``.

    Parameters
    ----------
    source : str
        A data source.
    options : mapping
        The source's own options.
    data_root : Path
        Folder of the raw data sets.
    known : dict
        What earlier calls found. A file of the same size and time is not read again; what is read is added.

    Returns
    -------
    dict
        Empty where the source reads no files, or none are there.

    Raises
    ------
    PhasebenchError
        A file cannot be read.
    """
    files = raw_files(source, options, data_root)
    # Where none is known yet, gigabytes are read.
    named = track(files.items(), f"Checking the raw files of {source}", len(files))
    return {name: _checksum(path, known) for name, path in named}


def files_below(folder: Path, deep: bool = True, on_error: Callable[[OSError], object] | None = None) -> Iterator[Path]:
    """The files in a folder and, if ``deep``, in those inside; links are followed, also where one leads back up.

    Parameters
    ----------
    folder : Path
        Where to begin.
    deep : bool
        Whether to look into the folders inside.
    on_error : callable, optional
        Called where a folder cannot be listed, which else is passed over.
    """
    visited = {folder.resolve()}
    for parent, subfolders, names in os.walk(folder, onerror=on_error, followlinks=True):
        yield from (Path(parent, name) for name in names)
        real_paths = {name: Path(parent, name).resolve() for name in subfolders} if deep else {}
        subfolders[:] = [name for name in sorted(real_paths) if real_paths[name] not in visited]
        visited.update(real_paths.values())


def _files_in(folder: Path, place: RawPlace, options: Mapping[str, Scalar]) -> list[Path]:
    if place.files is not None:
        listed: list[Path] = resolve_name(place.files)(folder, options)
        return listed
    return [path for path in files_below(folder, place.deep) if re.fullmatch(place.names, path.name, re.IGNORECASE)]


def _shown(path: Path, data_root: Path) -> str:
    return (path.relative_to(data_root) if path.is_relative_to(data_root) else path).as_posix()


def _checksum(path: Path, known: Known) -> str:
    try:
        status = path.stat()
        size, time = status.st_size, status.st_mtime_ns
        if size > LARGEST:
            return f"{size} bytes of {time}"
        key = str(path.absolute())
        if key not in known or tuple(known[key][:2]) != (size, time):
            known[key] = (size, time, sha256_of_file(path))
        return known[key][2]
    except OSError as error:
        raise PhasebenchError(
            f"{path}: raw file: cannot be read: {error.strerror}; make it readable or remove it"
        ) from error
