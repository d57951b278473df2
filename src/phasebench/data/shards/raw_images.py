"""Encoded images as they came: where each lies, and what it shows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from phasebench.common.errors import PhasebenchError

Split = Literal["train", "test"]
_SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})


@dataclass(frozen=True)
class RawImage:
    """Bytes in a file, which may be an archive.

    Attributes
    ----------
    name
        File name; no two images of a split and a class share one.
    split
        ``train`` or ``test``.
    label
        Position of its class.
    file
        Path below the tree's folder.
    offset, size
        Where in the file the image is, in bytes.
    mtime_ns
        When the file was last changed.
    """

    name: str
    split: Split
    label: int
    file: str
    offset: int
    size: int
    mtime_ns: int

    def read(self, folder: Path) -> bytes:
        """The image's bytes.

        Raises
        ------
        PhasebenchError
            They cannot be read.
        """
        path = folder / self.file
        try:
            with path.open("rb") as handle:
                handle.seek(self.offset)
                return handle.read(self.size)
        except OSError as error:
            raise PhasebenchError(f"{path}: cannot be read: {error.strerror}") from error


@dataclass(frozen=True)
class RawTree:
    """Every image of a data set.

    Attributes
    ----------
    folder
        Where the files are.
    classes
        One name per label.
    words
        What some of the names mean.
    images
        In any order.
    shards
        Into how many shards each split is to be divided.
    """

    folder: Path
    classes: tuple[str, ...]
    images: tuple[RawImage, ...]
    shards: dict[Split, int]
    words: dict[str, str] = field(default_factory=dict)

    def key(self, image: RawImage) -> str:
        """``<class>/<name>``: the same whether the image lies in a folder or in an archive."""
        return f"{self.classes[image.label]}/{image.name}"


def images_in(root: Path, folder: Path, split: Split, label: int) -> Iterator[RawImage]:
    """The images that lie directly in a folder and are of one class.

    Parameters
    ----------
    root
        The tree's folder.
    folder
        A folder below it.
    split, label
        What the images are.
    """
    for path in image_files(folder):
        yield image_at(root, path, split, label)


def image_files(folder: Path) -> list[Path]:
    """The image files directly in a folder, sorted by name; those of a Mac or an editor, which are hidden, are none."""
    try:
        return sorted(path for path in folder.iterdir() if is_image_name(path.name))
    except OSError as error:
        raise PhasebenchError(f"{folder}: cannot be read: {error.strerror}; put the complete data set there") from error


def is_image_name(name: str) -> bool:
    """Return True for the name of an image that is not hidden."""
    return not name.startswith(".") and Path(name).suffix.lower() in _SUFFIXES


def image_at(root: Path, path: Path, split: Split, label: int) -> RawImage:
    """The image that is a file of its own."""
    try:
        status = path.stat()
    except OSError as error:
        raise PhasebenchError(f"{path}: cannot be read: {error.strerror}; put the complete data set there") from error
    file = path.relative_to(root).as_posix()
    return RawImage(path.name, split, label, file, 0, status.st_size, status.st_mtime_ns)
