"""Recordings in a folder and their classes: for the source that reads them and for its raw files."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from phasebench.common.errors import PhasebenchError
from phasebench.data.sources.options import listed_names
from phasebench.specs.run import Scalar

SUFFIXES = frozenset((".aif", ".aiff", ".au", ".flac", ".mp3", ".ogg", ".wav"))
DEFAULT_LAYOUT: Final = "folders"


def classes_of(folder: Path, layout: str) -> list[str]:
    """The classes in a folder, sorted: its folders, or in the layout ``names`` the first parts of its files' names."""
    if layout == "folders":
        return [path.name for path in _entries(folder) if path.is_dir() and not path.name.startswith(".")]
    return sorted({_class_in_name(path) for path in _audio_files(folder)})


def recordings_of(folder: Path, layout: str, classes: Collection[str]) -> dict[str, list[Path]]:
    """Map from each of these classes to its recordings, sorted; the folders of other classes are not looked into."""
    if layout == "folders":
        return {name: _audio_files(folder / name) for name in classes}
    found: dict[str, list[Path]] = {name: [] for name in classes}
    for path in _audio_files(folder):
        if (name := _class_in_name(path)) in found:
            found[name].append(path)
    return found


def used_recordings(folder: Path, options: Mapping[str, Scalar]) -> list[Path]:
    """The recordings that the source ``audio_folder`` reads with these options; what is wrong in them, it says itself.

    Parameters
    ----------
    folder : Path
        The one that its option ``path`` names.
    options : mapping
        Not yet checked.

    Raises
    ------
    PhasebenchError
        A folder cannot be read.
    """
    if not folder.is_dir():
        return []
    layout = str(options.get("layout", DEFAULT_LAYOUT))
    wanted = listed_names(str(options.get("classes", "")))
    classes = [name for name in classes_of(folder, layout) if name in wanted or not wanted]
    return [path for paths in recordings_of(folder, layout, classes).values() for path in paths]


def _audio_files(folder: Path) -> list[Path]:
    return [
        path
        for path in _entries(folder)
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not path.is_dir()
    ]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise PhasebenchError(f"{folder}: folder of recordings: cannot be read: {error.strerror}") from error


def _class_in_name(path: Path) -> str:
    return re.split(r"[._-]", path.name)[0]
