"""Data sets of torch's ``Dataset`` protocol, named by object, class or function."""

from pathlib import Path

import numpy as np
import pytest

from phasebench.common.errors import PhasebenchError
from phasebench.data.sources.arrays.map_style import read_map_style
from phasebench.data.sources.registry import load_source
from phasebench.data.store import LoadedDataset

MODULE = """
import numpy as np
import torch
from torch.utils.data import Dataset, Subset


class Chips(Dataset):
    # As torchcvnn's: an axis of length 1, sizes that differ, and metadata behind the label.
    class_names = ["tank", "truck"]

    def __init__(self, n=10, tensors=False):
        self.n, self.tensors = n, tensors

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        size = 6 + index % 2
        chip = np.full((size, size, 1), index + 1j, dtype=np.complex128)
        if self.tensors:
            return torch.from_numpy(chip).squeeze(-1)[None], torch.tensor(index % 2)
        return chip, index % 2, {"azimuth": 3.0}


CHIPS = Chips(4)


def parts():
    return {"train": Subset(Chips(), range(7)), "test": Subset(Chips(), range(7, 10))}
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(MODULE)
    return path


def load(module: Path, name: str, **options: object) -> LoadedDataset:
    return load_source("function", {"target": f"{module}:{name}", **options}, module.parent, False)


@pytest.mark.parametrize("tensors", [False, True])
def test_a_class(module: Path, tensors: bool) -> None:
    loaded = load(module, "Chips", crop=4, tensors=tensors)
    assert (loaded.samples.shape, loaded.samples.dtype) == ((10, 4, 4), np.complex64)
    assert (loaded.samples[:, 0, 0] == np.arange(10) + 1j).all()
    assert (loaded.labels.tolist(), loaded.classes) == ([0, 1] * 5, ("tank", "truck"))
    assert len(loaded.splits["test"]) == 2


def test_an_object_and_a_split_of_two(module: Path) -> None:
    assert load(module, "CHIPS", crop=6).samples.shape == (4, 6, 6)
    loaded = load(module, "parts", crop=4)
    assert (loaded.splits["test"].tolist(), loaded.classes) == ([7, 8, 9], ("tank", "truck"))


def test_images_with_channels_first() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 6), dtype=np.uint8)
    arrays = read_map_style("d", [(image, "ab"[index % 2]) for index, image in enumerate(images)], None)
    assert (arrays["samples"] == images.transpose(0, 2, 3, 1)).all()
    assert (arrays["labels"].tolist(), arrays["classes"]) == (list("ababa"), None)


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("Chips", {}, r"samples: \(6, 6\) and \(7, 7\); give them one size, such as by options.crop"),
        ("Chips", {"crop": 7}, r"item 0: sample: shape \(6, 6\), smaller than options.crop, which is 7"),
        ("Chips", {"crop": "7"}, "options.crop: must be a whole number"),
        ("Chips", {"n": 0}, "has no samples"),
        ("Chips.class_names", {}, "item 0: is str, must be a tuple of sample and label"),
    ],
)
def test_data_sets_that_cannot_be_read(module: Path, name: str, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(PhasebenchError, match=complaint):
        load(module, name, **options)


def test_a_label_that_is_a_mask() -> None:
    with pytest.raises(PhasebenchError, match=r"item 0: label: shape \(4, 4\), must be one number"):
        read_map_style("d", [(np.zeros((4, 4)), np.zeros((4, 4)))], None)
