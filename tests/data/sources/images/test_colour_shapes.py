"""The generated colour images: colour says the class, brightness does not."""

from pathlib import Path

import numpy as np
import pytest
from skimage.color import rgb2lab
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from phasebench.common.errors import PhasebenchError
from phasebench.data.sources.registry import load_source
from phasebench.data.store import LoadedDataset
from phasebench.specs.run import Scalar


def _load(**options: Scalar) -> LoadedDataset:
    return load_source("colour_shapes", options, Path("unused"), download=False)


@pytest.fixture(scope="module")
def shapes() -> LoadedDataset:
    return _load(n_train=1500, n_test=500)


def _score(dataset: LoadedDataset, features: np.ndarray) -> float:
    train, test = dataset.splits["train"], dataset.splits["test"]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(features[train], dataset.labels[train])
    return float(classifier.score(features[test], dataset.labels[test]))


def test_shape_type_and_balance(shapes: LoadedDataset) -> None:
    assert shapes.samples.shape == (2000, 32, 32, 3)
    assert shapes.samples.dtype == np.uint8
    assert len(shapes.classes) == 10
    assert np.bincount(shapes.labels[shapes.splits["train"]]).tolist() == [150] * 10
    assert np.bincount(shapes.labels[shapes.splits["test"]]).tolist() == [50] * 10


def test_brightness_says_little_of_the_class(shapes: LoadedDataset) -> None:
    lightness = rgb2lab(shapes.samples)[..., 0]
    features = np.stack((lightness.mean((1, 2)), lightness.std((1, 2)), lightness.max((1, 2))), axis=1)
    assert _score(shapes, features[:, :1]) < 0.16
    assert _score(shapes, features) < 0.25


def test_colour_says_much_of_the_class(shapes: LoadedDataset) -> None:
    a, b = np.moveaxis(rgb2lab(shapes.samples)[..., 1:], -1, 0)
    features = np.stack((a.mean((1, 2)), b.mean((1, 2)), a.std((1, 2)), b.std((1, 2))), axis=1)
    assert _score(shapes, features) > 0.35


def test_class_is_the_angle_between_the_hues(shapes: LoadedDataset) -> None:
    lightness, a, b = np.moveaxis(rgb2lab(shapes.samples), -1, 0)
    chroma = a + 1j * b
    # The frame of an image is ground, and its middle is nearly always figure, a ring's hole apart.
    frame = np.ones((32, 32), bool)
    frame[2:-2, 2:-2] = False
    ground = chroma[:, frame].mean(axis=1)
    deviation = np.abs(chroma - ground[:, np.newaxis, np.newaxis]).reshape(len(chroma), -1)
    figure = np.argsort(deviation, axis=1)[:, -40:]
    figure_chroma = np.take_along_axis(chroma.reshape(len(chroma), -1), figure, axis=1).mean(axis=1)
    figure_lightness = np.take_along_axis(lightness.reshape(len(chroma), -1), figure, axis=1).mean(axis=1)
    angle = np.rad2deg(np.angle(figure_chroma * ground.conj())) % 360
    lighter = figure_lightness > lightness[:, frame].mean(axis=1)
    predicted = 2 * np.floor(angle / 72).astype(int) + lighter
    assert (predicted == shapes.labels).mean() > 0.6


def test_equal_seeds_give_equal_images_and_others_do_not() -> None:
    first, again, other = (_load(n_train=30, n_test=20, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.samples, again.samples)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert (first.samples != other.samples).mean() > 0.9


def test_test_images_do_not_depend_on_the_number_of_training_images() -> None:
    few, many = _load(n_train=20, n_test=20), _load(n_train=600, n_test=20)
    np.testing.assert_array_equal(few.samples[few.splits["test"]], many.samples[many.splits["test"]])
    assert not np.array_equal(few.samples[:20], few.samples[20:])


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"n_train": 3}, ".n_train: "),
        ({"n_test": "20"}, ".n_test: "),
        ({"seed": -1}, ".seed: "),
        ({"n_images": 20}, ": key 'n_images' is not known; known keys: n_hues, n_test, n_train, seed, size"),
    ],
)
def test_wrong_option_is_named(options: dict[str, Scalar], fault: str) -> None:
    with pytest.raises(PhasebenchError) as error:
        _load(**options)
    assert str(error.value).startswith(f"data source colour_shapes: options{fault}")
    assert "\n" not in str(error.value)


def test_smaller_images_show_the_same_figures() -> None:
    large, small = (_load(n_train=20, n_test=20, size=size).samples.astype(float) for size in (32, 16))
    assert small.shape == (40, 16, 16, 3)
    # The first block of numbers, which makes the figures and their colours, does not depend on the size.
    # What differs is the noise.
    means = large.reshape(40, 16, 2, 16, 2, 3).mean(axis=(2, 4))
    assert np.corrcoef(means[:20].ravel(), small[:20].ravel())[0, 1] > 0.7


def test_fewer_hues_are_further_apart() -> None:
    loaded = _load(n_train=60, n_test=30, n_hues=2)
    assert loaded.classes == (
        "darker at 90 degrees",
        "lighter at 90 degrees",
        "darker at 270 degrees",
        "lighter at 270 degrees",
    )
    assert np.bincount(loaded.labels).tolist() == [23, 23, 22, 22]
