"""The simulated MSTAR chips: true files, and nothing but the target tells the class."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from phasebench.common.errors import PhasebenchError
from phasebench.data.sources.radar import mstar
from phasebench.data.sources.radar import simulated as simulated_mstar
from phasebench.data.sources.radar.phoenix import Chip, read_chip
from phasebench.data.store import LoadedDataset

CHANCE = 1 / len(mstar.CLASSES)
N_PER_CLASS = 36


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Chip]]:
    """Written chips at 17 degrees, in the order of their names."""
    folder = tmp_path_factory.mktemp("chips")
    simulated_mstar.write_chips(folder, {"train": N_PER_CLASS}, seed=3)
    return [(path, read_chip(path)) for path in sorted(folder.rglob("HB*"), key=lambda path: path.name)]


@pytest.fixture(scope="module")
def labels(files: list[tuple[Path, Chip]]) -> np.ndarray:
    return np.array([mstar.class_label(chip.target_class) for _, chip in files])


@pytest.fixture(scope="module")
def loaded() -> LoadedDataset:
    return load(n_train_per_class=24, n_test_per_class=12, seed=0)


def load(**options: Any) -> LoadedDataset:
    return simulated_mstar.load(options, Path("unused"), False)


def test_loads_equally_many_chips_of_every_class(loaded: LoadedDataset) -> None:
    assert loaded.samples.shape == (360, 128, 128)
    assert loaded.samples.dtype == np.complex64
    assert loaded.classes == mstar.CLASSES
    for split, count, angle in (("train", 24, 17.0), ("test", 12, 15.0)):
        indices = loaded.splits[split]
        assert np.bincount(loaded.labels[indices]).tolist() == [count] * 10
        assert set(loaded.extra["depression_angle"][indices]) == {angle}
    assert loaded.source == {
        "source": "simulated_mstar",
        "n_train_per_class": 24,
        "n_test_per_class": 12,
        "seed": 0,
        "crop": 128,
        "classes": "",
        "contrast_db": 0.0,
        "azimuths": 360.0,
    }


def test_a_seed_gives_the_same_chips_again_and_another_seed_others() -> None:
    first, again, other = (load(n_train_per_class=1, n_test_per_class=1, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.samples, again.samples)
    np.testing.assert_array_equal(first.extra["azimuth"], again.extra["azimuth"])
    assert not np.any(first.samples == other.samples)


def test_more_chips_leave_the_first_ones_as_they_were() -> None:
    few, many = load(n_train_per_class=1, n_test_per_class=1), load(n_train_per_class=3, n_test_per_class=2)
    assert {chip.tobytes() for chip in few.samples} < {chip.tobytes() for chip in many.samples}


@pytest.mark.parametrize(("key", "value"), [("n_train_per_class", 0), ("n_test_per_class", 2.5), ("seed", -1)])
def test_a_bad_option_is_named(key: str, value: float) -> None:
    with pytest.raises(PhasebenchError, match=rf"simulated_mstar: options\.{key}: ") as refused:
        load(**{key: value})
    assert "\n" not in str(refused.value)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(PhasebenchError, match="simulated_mstar: options: key 'n_train' is not known; known keys: "):
        load(n_train=3)


def test_files_are_phoenix_chips_with_the_sensors_header(files: list[tuple[Path, Chip]]) -> None:
    for path, chip in files:
        assert path.parent.parent.name == "17_DEG"
        assert chip.header["Chip_MD5_CheckSum"] == chip.checksum
        assert chip.header["RangePixelSpacing"] == "0.202148"
        assert chip.depression_angle == 17.0
        assert min(chip.samples.shape) >= 128
        assert max(chip.samples.shape) <= 160


def test_brightness_does_not_tell_the_class(files: list[tuple[Path, Chip]], labels: np.ndarray) -> None:
    magnitudes = [np.abs(chip.samples) for _, chip in files]
    table = np.array([(m.mean(), m.max(), np.square(m).sum()) for m in magnitudes])
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    for features in (table, np.log(table)):
        assert cross_val_score(linear, features, labels, cv=6).mean() < 0.2


@pytest.mark.parametrize("feature", ["size", "name"])
def test_neither_size_nor_name_of_a_file_tells_the_class(
    files: list[tuple[Path, Chip]], labels: np.ndarray, feature: str
) -> None:
    tables = {
        "size": [chip.samples.shape for _, chip in files],
        "name": [(int(path.stem[2:]), 0.01 * int(path.suffix[1:])) for path, _ in files],
    }
    nearest = KNeighborsClassifier(9)
    assert cross_val_score(nearest, np.array(tables[feature]), labels, cv=6).mean() < CHANCE + 0.08


def test_sizes_use_their_whole_range_in_both_directions(files: list[tuple[Path, Chip]]) -> None:
    rows, columns = np.array([chip.samples.shape for _, chip in files]).T
    for sizes in (rows, columns):
        assert (sizes.min(), sizes.max()) == (128, 160)
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.15


def test_azimuth_and_phase_are_uniform(files: list[tuple[Path, Chip]]) -> None:
    azimuths = np.deg2rad([chip.azimuth for _, chip in files])
    brightest = [chip.samples.ravel()[np.abs(chip.samples).argmax()] for _, chip in files]
    for angles in (azimuths, np.angle(brightest)):
        # For uniform angles this resultant exceeds 3 with probability exp(-9).
        assert abs(np.exp(1j * angles).sum()) / np.sqrt(len(angles)) < 3
        counts = np.histogram(angles % (2 * np.pi), 4, (0, 2 * np.pi))[0]
        assert counts.min() > 0.15 * len(angles)


def test_the_target_can_be_told_by_its_looks_but_not_trivially(loaded: LoadedDataset) -> None:
    middle = np.abs(loaded.samples[:, 32:96, 32:96])
    coarse = middle.reshape(-1, 32, 2, 32, 2).mean((2, 4)).reshape(len(middle), -1)
    train, test = loaded.splits["train"], loaded.splits["test"]
    nearest = KNeighborsClassifier(1, metric="cosine").fit(coarse[train], loaded.labels[train])
    assert 0.3 < nearest.score(coarse[test], loaded.labels[test]) < 0.9


def test_the_shadow_lies_behind_the_target_and_is_dark() -> None:
    chip = np.abs(simulated_mstar.simulate_chip("btr70", 90.0, 17.0, np.random.default_rng(0)))
    middle_row, middle_column = np.array(chip.shape) // 2
    beside = slice(middle_column - 10, middle_column + 11)
    # Farther from the radar means further up; the side view is 2.8 m deep and its shadow 6.5 m.
    shadow, ground = chip[middle_row - 32 : middle_row - 14, beside], chip[: middle_row - 45]
    assert np.square(shadow).mean() < 0.2 * np.square(ground).mean()


def test_a_smaller_crop_is_the_middle_of_the_larger_one() -> None:
    middle = load(n_train_per_class=1, n_test_per_class=1, crop=96)
    whole = load(n_train_per_class=1, n_test_per_class=1)
    np.testing.assert_array_equal(middle.samples, whole.samples[:, 16:112, 16:112])
    assert middle.source["crop"] == 96


def test_some_classes_in_a_range_of_azimuths() -> None:
    loaded = load(n_train_per_class=3, n_test_per_class=2, classes="d7, btr70", azimuths=30.0)
    assert loaded.classes == ("btr70", "d7")
    assert np.bincount(loaded.labels).tolist() == [5, 5]
    assert loaded.extra["azimuth"].max() <= 30.0
    with pytest.raises(PhasebenchError, match=r"simulated_mstar: options\.classes: there is no class 't80'"):
        load(classes="t80,d7")


def test_contrast_is_that_of_target_and_clutter() -> None:
    def power(contrast_db: float) -> float:
        chip = simulated_mstar.simulate_chip("d7", 0.0, 17.0, np.random.default_rng(0), contrast_db)
        middle, corner = np.abs(chip[56:-56, 56:-56]) ** 2, np.abs(chip[:20, :20]) ** 2
        return float(middle.mean() / corner.mean())

    assert power(10.0) == pytest.approx(10.0 * power(0.0), rel=0.1)
