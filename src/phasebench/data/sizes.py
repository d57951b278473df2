"""Sizes of data sets: training samples, shape of a sample and classes, from the manifest or as published."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from phasebench.common.files import read_json_if_whole
from phasebench.data.splits import training_size
from phasebench.specs.run import RunSpec, Scalar


@dataclass(frozen=True)
class DatasetSize:
    """Size of a data set; what is not known is None, or empty.

    Attributes
    ----------
    n_train, n_test
        Samples of the training pool and of the test.
    sample_shape
        Of a stored sample: ``(H, W, C)``, ``(H, W)`` of a complex one, ``(L,)`` of a recording; empty for images in
        shards.
    n_classes
        Labels.
    """

    n_train: int
    n_test: int | None = None
    sample_shape: tuple[int, ...] = ()
    n_classes: int | None = None

    def trained_on(self, spec: RunSpec) -> int:
        """Number of samples that a run trains on."""
        return training_size(self.n_train, spec.train_fraction, spec.validation_fraction)

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Height and width of a sample; None where it has none, or they are not known."""
        return (self.sample_shape[0], self.sample_shape[1]) if len(self.sample_shape) > 1 else None

    @property
    def values(self) -> int | None:
        """Numbers in a sample."""
        return math.prod(self.sample_shape) if self.sample_shape else None


_SMALL, _GREY = (32, 32, 3), (28, 28, 1)
PUBLISHED: Mapping[str, DatasetSize] = {
    "cifar10": DatasetSize(50_000, 10_000, _SMALL, 10),
    "cifar100": DatasetSize(50_000, 10_000, _SMALL, 100),
    "svhn": DatasetSize(73_257, 26_032, _SMALL, 10),
    "mnist": DatasetSize(60_000, 10_000, _GREY, 10),
    "kmnist": DatasetSize(60_000, 10_000, _GREY, 10),
    "fashion_mnist": DatasetSize(60_000, 10_000, _GREY, 10),
    "tiny_imagenet": DatasetSize(100_000, 10_000, (), 200),
    "imagenet": DatasetSize(1_281_167, 50_000, (), 1000),
}
"""Source -> the size that its authors give, for what is not prepared yet."""


def size_of(source: str, options: Mapping[str, Scalar], manifest: Path) -> DatasetSize | None:
    """Size of a data set: what its manifest says, else what is known of its source; None where nothing is.

    Parameters
    ----------
    source
        The data source.
    options
        Its options; ``n_train`` of generated data.
    manifest
        Of the prepared data set; it need not exist.
    """
    if (prepared := manifest_size(manifest)) is not None:
        return prepared
    n_train = options.get("n_train")
    if isinstance(n_train, int):
        return DatasetSize(n_train)
    return PUBLISHED.get(source) if not options else None


def manifest_size(manifest: Path) -> DatasetSize | None:
    """Size that a manifest states; None where it is missing or damaged."""
    content = read_json_if_whole(manifest)
    n_train, classes = content.get("n_train"), content.get("classes")
    if not isinstance(n_train, int):
        return None
    return DatasetSize(
        n_train,
        content.get("n_test"),
        tuple(content.get("sample_shape") or ()),
        len(classes) if isinstance(classes, list) else None,
    )
