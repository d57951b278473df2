"""Batches on the device: gathering, augmentation, normalisation."""

from pathlib import Path

import numpy as np
import pytest
import torch

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.in_memory import DeviceData, load_device_data
from phasebench.data.splits import training_split
from phasebench.data.store import write_store
from phasebench.specs.run import Recipe, RunSpec

SPEC = RunSpec(
    scale="demo",
    suite="study",
    experiment="table",
    dataset="noise",
    encoding="rgb",
    model="cifarnet_real",
    recipe=Recipe(optimizer="sgd", learning_rate=0.1, batch_size=4, steps=1, validate_every=1),
    seed=5,
    train_fraction=0.5,
)


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return np.random.default_rng(1).integers(1, 200, (60, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def store(samples: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "noise.h5"
    write_store(
        path,
        path.with_suffix(".json"),
        samples=samples,
        labels=np.arange(60) % 3,
        splits={"train": np.arange(40), "test": np.arange(40, 60)},
        classes=["a", "b", "c"],
        source={"source": "generated"},
    )
    return path


@pytest.fixture(scope="module")
def data(store: Path) -> DeviceData:
    return load_device_data(SPEC, store, torch.device("cpu"))


def test_subsets_are_those_of_the_split(data: DeviceData) -> None:
    train, validation = training_split(np.arange(40), 5, 0.5, 0.1)
    assert data.train.tolist() == train.tolist()
    assert data.validation.tolist() == validation.tolist()
    assert len(data.train) + len(data.validation) == 20
    assert data.test.tolist() == list(range(40, 60))


def test_images_are_divided_by_the_training_subsets_largest_value(data: DeviceData, samples: np.ndarray) -> None:
    expected = samples[[7, 3]].transpose(0, 3, 1, 2) / samples[data.train.numpy()].max()
    batch = data.batch(torch.tensor([7, 3]))
    assert batch.shape == (2, 2, 3, 16, 16)
    np.testing.assert_allclose(batch[:, 0], expected, rtol=1e-6)
    assert not batch[:, 1].any()


def test_batches_cover_the_indices_in_order(data: DeviceData) -> None:
    batches = list(data.batches(data.test, 8))
    assert [len(batch) for batch in batches] == [8, 8, 4]
    assert torch.equal(torch.cat(batches), data.batch(data.test))


def shifted(image: np.ndarray, down: int, right: int, mirrored: bool) -> np.ndarray:
    """Independent oracle: pad with zeros, cut the window, mirror it."""
    window = np.pad(image, ((4, 4), (4, 4), (0, 0)))[4 + down : 20 + down, 4 + right : 20 + right]
    return window[:, ::-1] if mirrored else window


def test_augmentation_is_a_shift_with_zeros_and_a_mirror(data: DeviceData, samples: np.ndarray) -> None:
    generator = torch.Generator().manual_seed(0)
    seen: set[tuple[int, int, bool]] = set()
    scale = 1.0 / samples[data.train.numpy()].max()
    for index, planes in zip(
        range(60), data.training_batch(torch.arange(60), generator, augmentation="crop_flip"), strict=True
    ):
        image = planes[0].permute(1, 2, 0).numpy()
        matches = [
            (down, right, mirrored)
            for down in range(-4, 5)
            for right in range(-4, 5)
            for mirrored in (False, True)
            if np.allclose(image, shifted(samples[index], down, right, mirrored) * scale, atol=1e-6)
        ]
        assert len(matches) == 1
        seen.update(matches)
    assert {mirrored for _, _, mirrored in seen} == {False, True}
    assert len({down for down, _, _ in seen}) > 5
    assert len({right for _, right, _ in seen}) > 5


def test_augmentation_follows_its_generator(data: DeviceData) -> None:
    first, again, other = (
        data.training_batch(data.train, torch.Generator().manual_seed(s), augmentation="crop_flip") for s in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_training_may_see_another_encoding_than_the_test(store: Path) -> None:
    spec = SPEC.model_copy(update={"encoding": "sliding", "test_encoding": "lab"})
    mixed = load_device_data(spec, store, torch.device("cpu"), statistics=torch.tensor(1.0))
    both = [
        load_device_data(
            SPEC.model_copy(update={"encoding": name}), store, torch.device("cpu"), statistics=torch.tensor(1.0)
        )
        for name in ("sliding", "lab")
    ]
    random = torch.Generator()
    expected = both[0].training_batch(mixed.train, random), both[1].batch(mixed.test)
    assert torch.equal(mixed.training_batch(mixed.train, random), expected[0])
    assert torch.equal(mixed.batch(mixed.test), expected[1])
    with pytest.raises(PhasebenchError, match="test_encoding: 'rgb' has 3 channels, 'sliding' 2"):
        load_device_data(spec.model_copy(update={"test_encoding": "rgb"}), store, torch.device("cpu"))
