"""Images or complex chips that someone already has, in one HDF5 file.

Layout: ``train/images`` and ``test/images``, uint8 (N, H, W, C) with C 1 or 3, or ``train/chips`` and ``test/chips``,
complex64 (N, H, W), in their place; ``train/labels`` and ``test/labels``,
integers (N,); root attribute ``classes``, the class names in the order of the labels; optionally the root attribute
``name``.
"""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from phasebench.common.errors import PhasebenchError
from phasebench.data.hdf5 import open_hdf5, require_attribute, require_dataset
from phasebench.data.sources.options import parse_options
from phasebench.data.sources.raw_place import RawPlace
from phasebench.data.store import LoadedDataset
from phasebench.specs.run import Frozen, Scalar

RAW_HDF5 = RawPlace(option="path", absent="no HDF5 file at")

_SPLITS = ("train", "test")
_REMEDY = "give the path of a complete file with train/images, train/labels, test/images, test/labels"


class Options(Frozen):
    """Options of the source ``hdf5``."""

    path: str


def load(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """Read the file that the option ``path`` names, relative to ``data_root`` unless absolute.

    Parameters
    ----------
    options
        ``path``: the HDF5 file.
    data_root
        Folder of the raw data sets.
    download
        Of no effect.

    Raises
    ------
    PhasebenchError
        The file is missing or cut, or one of its parts is missing or not as the layout says.
    """
    path = data_root / Path(parse_options("hdf5", Options, options).path)
    with open_hdf5(path, _REMEDY) as file:
        are_chips = "train/chips" in file
        key = "chips" if are_chips else "images"
        images = [(_chips if are_chips else _images)(file, f"{split}/{key}") for split in _SPLITS]
        if images[0].shape[1:] != images[1].shape[1:]:
            raise PhasebenchError(
                f"{path}: test/{key}: {images[1].shape[1:]} differs from train/{key} {images[0].shape[1:]}"
            )
        classes = _classes(file)
        counts = [len(part) for part in images]
        labels = [_labels(file, f"{split}/labels", n, len(classes)) for split, n in zip(_SPLITS, counts, strict=True)]
        samples = np.empty((sum(counts), *images[0].shape[1:]), dtype=images[0].dtype)
        images[0].read_direct(samples[: counts[0]])
        images[1].read_direct(samples[counts[0] :])
        name = str(file.attrs.get("name", ""))
    return LoadedDataset(
        samples=samples,
        labels=np.concatenate(labels),
        splits={"train": np.arange(counts[0]), "test": np.arange(counts[0], sum(counts))},
        classes=classes,
        source={"source": "hdf5", "name": name},
    )


def _images(file: h5py.File, key: str) -> h5py.Dataset:
    images = require_dataset(file, key, _REMEDY)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise PhasebenchError(
            f"{file.filename}: {key}: {images.dtype} {images.shape}, must be uint8 (N, height, width, 1 or 3)"
        )
    return images


def _chips(file: h5py.File, key: str) -> h5py.Dataset:
    chips = require_dataset(file, key, _REMEDY)
    if chips.dtype != np.complex64 or chips.ndim != 3 or not len(chips):
        raise PhasebenchError(
            f"{file.filename}: {key}: {chips.dtype} {chips.shape}, must be complex64 (N, height, width)"
        )
    return chips


def _labels(file: h5py.File, key: str, n_images: int, n_classes: int) -> np.ndarray:
    labels = require_dataset(file, key, _REMEDY)
    if labels.dtype.kind not in "iu" or labels.shape != (n_images,):
        raise PhasebenchError(
            f"{file.filename}: {key}: {labels.dtype} {labels.shape}, must be integers ({n_images},), one per image"
        )
    values = np.asarray(labels[()], dtype=np.int64)
    if values.min() < 0 or values.max() >= n_classes:
        raise PhasebenchError(
            f"{file.filename}: {key}: labels from {values.min()} to {values.max()}, "
            f"must be 0 to {n_classes - 1} for the {n_classes} names in the attribute classes"
        )
    return values


def _classes(file: h5py.File) -> tuple[str, ...]:
    names = np.atleast_1d(require_attribute(file, "classes", "it holds the class names in the order of the labels"))
    return tuple(name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names.tolist())
