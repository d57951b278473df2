"""scikit-learn's digits as a data source."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch.nn.functional import interpolate

from phasebench.common.errors import PhasebenchError
from phasebench.data.sources.registry import load_source
from phasebench.data.store import LoadedDataset


@pytest.fixture(scope="module")
def digits() -> LoadedDataset:
    return load_source("digits", {}, Path("unused"), download=False)


def test_sizes_and_split(digits: LoadedDataset) -> None:
    assert digits.samples.shape == (1797, 32, 32, 1)
    assert digits.samples.dtype == np.uint8
    assert (len(digits.splits["train"]), len(digits.splits["test"])) == (1437, 360)
    assert sorted(np.concatenate(list(digits.splits.values()))) == list(range(1797))
    assert digits.classes == tuple("0123456789")
    assert np.bincount(digits.labels[digits.splits["test"]]).min() > 25


def test_images_are_the_library_s_magnified(digits: LoadedDataset) -> None:
    original = load_digits()
    np.testing.assert_array_equal(digits.labels, original.target)
    assert (digits.samples.min(), digits.samples.max()) == (0, 255)
    expected = interpolate(torch.from_numpy(original.images[:, None]), size=(32, 32), mode="bilinear")[:, 0] * 255 / 16
    np.testing.assert_allclose(digits.samples[..., 0], expected.numpy(), atol=0.501)


def test_classes_can_be_told_apart(digits: LoadedDataset) -> None:
    flat, labels = digits.samples.reshape(1797, -1).astype(np.float32), digits.labels
    train, test = digits.splits["train"], digits.splits["test"]
    classifier = KNeighborsClassifier(3).fit(flat[train], labels[train])
    assert classifier.score(flat[test], labels[test]) > 0.9


def test_options_are_refused() -> None:
    with pytest.raises(PhasebenchError, match="options: key 'width' is not known; known keys: size"):
        load_source("digits", {"width": 32}, Path("unused"), download=False)
    with pytest.raises(PhasebenchError, match=r"data source digits: options\.size: .*greater than or equal to 8"):
        load_source("digits", {"size": 4}, Path("unused"), download=False)


def test_any_size_from_eight_on() -> None:
    small, large = (load_source("digits", {"size": size}, Path("unused"), download=False).samples for size in (8, 28))
    assert large.shape == (1797, 28, 28, 1)
    # At its own size nothing is interpolated: sixteen levels of grey and black.
    assert len(np.unique(small)) == 17
    assert np.abs(large.mean(axis=(1, 2, 3)) - small.mean(axis=(1, 2, 3))).max() < 3.0
