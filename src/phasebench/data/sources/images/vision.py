"""Public image sets, read by torchvision from the files and folders that torchvision itself uses."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from phasebench.common.errors import PhasebenchError
from phasebench.data.saved_pages import SAVED_PAGE, is_saved_page
from phasebench.data.sources.options import NoOptions, parse_options
from phasebench.data.sources.raw_place import RawPlace
from phasebench.data.store import LoadedDataset
from phasebench.specs.run import Scalar

RAW_CIFAR10 = RawPlace("cifar-10-batches-py", names=r"data_batch_[1-5]|test_batch|batches\.meta", downloads=True)
RAW_CIFAR100 = RawPlace("cifar-100-python", names="train|test|meta", downloads=True)
RAW_SVHN = RawPlace("", names=r"(train|test)_32x32\.mat", downloads=True)
RAW_MNIST = RawPlace("MNIST/raw", names=".*-ubyte", downloads=True)
RAW_KMNIST = RawPlace("KMNIST/raw", names=".*-ubyte", downloads=True)
RAW_FASHION_MNIST = RawPlace("FashionMNIST/raw", names=".*-ubyte", downloads=True)

_SPLITS = ("train", "test")
# Errors of torchvision's readers on files that are missing, damaged or cannot be fetched.
_READ_ERRORS = (OSError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AssertionError, MemoryError)
_Part = tuple[np.ndarray, np.ndarray, tuple[str, ...]]


def load_cifar10(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """CIFAR-10 from ``<data_root>/cifar-10-batches-py``: 50,000 training and 10,000 test images, 32 x 32 x 3."""
    return _load("cifar10", _read_cifar, datasets.CIFAR10, RAW_CIFAR10, options, data_root, download)


def load_cifar100(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """CIFAR-100, fine labels, from ``<data_root>/cifar-100-python``: 50,000 and 10,000 images, 32 x 32 x 3."""
    return _load("cifar100", _read_cifar, datasets.CIFAR100, RAW_CIFAR100, options, data_root, download)


def load_svhn(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """SVHN without its extra part, from ``<data_root>/*_32x32.mat``: 73,257 and 26,032 images, 32 x 32 x 3."""
    return _load("svhn", _read_svhn, datasets.SVHN, RAW_SVHN, options, data_root, download)


def load_mnist(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """MNIST from ``<data_root>/MNIST/raw``: 60,000 and 10,000 images, 28 x 28 x 1."""
    return _load("mnist", _read_mnist, datasets.MNIST, RAW_MNIST, options, data_root, download)


def load_kmnist(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """Kuzushiji-MNIST from ``<data_root>/KMNIST/raw``: 60,000 and 10,000 images, 28 x 28 x 1."""
    return _load("kmnist", _read_mnist, datasets.KMNIST, RAW_KMNIST, options, data_root, download)


def load_fashion_mnist(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """Fashion-MNIST from ``<data_root>/FashionMNIST/raw``: 60,000 and 10,000 images, 28 x 28 x 1."""
    return _load("fashion_mnist", _read_mnist, datasets.FashionMNIST, RAW_FASHION_MNIST, options, data_root, download)


def _load(
    name: str,
    read: Callable[[Any, Path, str, bool], _Part],
    dataset: type,
    place: RawPlace,
    options: Mapping[str, Scalar],
    data_root: Path,
    download: bool,
) -> LoadedDataset:
    """Both splits of a data set, training images first."""
    parse_options(name, NoOptions, options)
    try:
        (images, labels, classes), (test_images, test_labels, _) = (
            read(dataset, data_root, split, download) for split in _SPLITS
        )
        samples, all_labels = np.concatenate((images, test_images)), np.concatenate((labels, test_labels))
        all_labels = all_labels.astype(np.int64)
    except _READ_ERRORS as error:
        raise _unreadable(name, place, options, data_root, download, error) from error
    n_train, n_samples = len(images), len(images) + len(test_images)
    return LoadedDataset(
        samples=samples,
        labels=all_labels,
        splits={"train": np.arange(n_train), "test": np.arange(n_train, n_samples)},
        classes=classes,
        source={"source": "torchvision", "name": name},
    )


def _unreadable(
    name: str, place: RawPlace, options: Mapping[str, Scalar], data_root: Path, download: bool, error: Exception
) -> PhasebenchError:
    """Message about files that torchvision cannot read; it reads what is there, and fetches only what is missing."""
    root = place.within(data_root, options) or data_root
    there = [path for path in sorted(root.glob("*")) if path.is_file() and re.fullmatch(place.names, path.name)]
    pages = [path for path in (*there, *(path.with_name(f"{path.name}.gz") for path in there)) if is_saved_page(path)]
    if pages:
        return PhasebenchError(f"{pages[0]}: data source {name}: {SAVED_PAGE}")
    reason = " ".join(str(error).split()).partition(". ")[0]
    if there and not reason:
        reason = "a file is cut or damaged"
    remedy = "delete the damaged file there; " if there else ""
    fetch = "try again or put" if download else "set 'download: true' or put"
    return PhasebenchError(
        f"{root}: data source {name}: {reason or type(error).__name__}; {remedy}{fetch} the complete files there"
    )


def _read_cifar(dataset: Any, data_root: Path, split: str, download: bool) -> _Part:
    part = dataset(data_root, train=split == "train", download=download)
    return part.data, np.asarray(part.targets), tuple(part.classes)


def _read_mnist(dataset: Any, data_root: Path, split: str, download: bool) -> _Part:
    part = dataset(data_root, train=split == "train", download=download)
    return part.data.numpy()[..., np.newaxis], part.targets.numpy(), tuple(part.classes)


def _read_svhn(dataset: Any, data_root: Path, split: str, download: bool) -> _Part:
    part = dataset(data_root, split=split, download=download)
    return part.data.transpose(0, 2, 3, 1), part.labels, tuple("0123456789")
