"""A small generated image set in which colour carries the class.

A figure stands on a ground. The class is the angle from the ground's hue to the figure's (five of them, 72 degrees
apart, unless fewer are asked for; in the a*b* plane of CIE L*a*b*) together with the sign of the lightness contrast
(figure lighter or darker).
The ground's hue stays in a narrow band, so a network can also learn absolute hues, and then fails once all hues are
turned. Shape, place, size, orientation, lightness, contrast, chroma and noise are random and say nothing of the class;
figure and ground are balanced so that the image's mean lightness does not either.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from pydantic import Field
from skimage.color import lab2rgb

from phasebench.data.sources.options import parse_options
from phasebench.data.store import LoadedDataset
from phasebench.specs.run import Frozen, Scalar

RAW_COLOUR_SHAPES = None
SIZE = 32
"""Height and width, in pixels, that the measures of the figures are given for."""
N_HUES = 5

Numbers = TypeVar("Numbers", float, np.ndarray)


def class_names(n_hues: int) -> tuple[str, ...]:
    """Names of the classes: two contrasts at each angle."""
    return tuple(
        f"{contrast} at {_angle(hue, n_hues):g} degrees" for hue in range(n_hues) for contrast in ("darker", "lighter")
    )


def _angle(hue: Numbers, n_hues: int) -> Numbers:
    """Degrees from the ground's hue to the figure's, as far from it and from each other as there is room."""
    return (hue + 0.5) * (360.0 / n_hues)


CLASSES = class_names(N_HUES)
_GROUND_HUE = 40.0
_GROUND_HUE_HALF_WIDTH = 15.0
_HUE_JITTER = 8.0
_NOISE = 0.06
_BLOCK = 512


class Options(Frozen):
    """Options of the source ``colour_shapes``: numbers of images and their seed, their size, angles between hues."""

    n_train: Annotated[int, Field(ge=len(CLASSES))] = 4000
    n_test: Annotated[int, Field(ge=len(CLASSES))] = 1000
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    size: Annotated[int, Field(ge=8)] = SIZE
    n_hues: Annotated[int, Field(ge=1, le=N_HUES)] = N_HUES


def load(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """Generate the images. Each split depends on the seed and its own size alone, and holds its classes evenly.

    Parameters
    ----------
    options
        ``n_train`` (4000), ``n_test`` (1000), ``seed`` (0), ``size`` (32) pixels a side, ``n_hues`` (5) angles.
    data_root, download
        Of no effect.

    Returns
    -------
    LoadedDataset
        uint8 samples (n_train + n_test, size, size, 3), two classes for each angle.
    """
    chosen = parse_options("colour_shapes", Options, options)
    train, train_labels = _generate(chosen, chosen.n_train, np.random.RandomState([chosen.seed, 0]))
    test, test_labels = _generate(chosen, chosen.n_test, np.random.RandomState([chosen.seed, 1]))
    return LoadedDataset(
        samples=np.concatenate((train, test)),
        labels=np.concatenate((train_labels, test_labels)),
        splits={"train": np.arange(len(train)), "test": np.arange(len(train), len(train) + len(test))},
        classes=class_names(chosen.n_hues),
        source={"source": "generated", "name": "colour_shapes", "seed": chosen.seed},
    )


def _generate(options: Options, n_images: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one split, a block at a time to bound the memory."""
    labels = random.permutation(np.arange(n_images, dtype=np.int64) % (2 * options.n_hues))
    blocks = np.split(labels, range(_BLOCK, n_images, _BLOCK))
    return np.concatenate([_images(options, block, random) for block in blocks]), labels


def _images(options: Options, labels: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """uint8 (N, size, size, 3)."""
    coverage = _figures(options.size, len(labels), random)[..., np.newaxis]
    share = coverage.mean(axis=(1, 2, 3))
    ground, figure = _colours(_angle(labels // 2, options.n_hues), labels, share, random)
    images = ground + coverage * (figure - ground)
    images += random.normal(scale=_NOISE, size=images.shape)
    return np.asarray(np.rint(255.0 * images.clip(0.0, 1.0)), dtype=np.uint8)


def _colours(
    angle: np.ndarray, labels: np.ndarray, share: np.ndarray, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Colours of ground and figure, sRGB (N, 1, 1, 3) from 0 to 1, for figures that cover ``share`` of an image."""
    n_images = len(labels)
    ground_hue = _GROUND_HUE + random.uniform(-_GROUND_HUE_HALF_WIDTH, _GROUND_HUE_HALF_WIDTH, n_images)
    angle = angle + random.uniform(-_HUE_JITTER, _HUE_JITTER, n_images)
    contrast = np.where(labels % 2 == 1, 1.0, -1.0) * random.uniform(6.0, 16.0, n_images)
    mean_lightness = random.uniform(52.0, 66.0, n_images)
    ground = _srgb(mean_lightness - share * contrast, random.uniform(8.0, 22.0, n_images), ground_hue)
    figure = _srgb(mean_lightness + (1.0 - share) * contrast, random.uniform(8.0, 22.0, n_images), ground_hue + angle)
    return ground, figure


def _srgb(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """CIE L*, C*, h (degrees), each (N,), as sRGB (N, 1, 1, 3)."""
    radians = np.deg2rad(hue)
    lab = np.stack((lightness, chroma * np.cos(radians), chroma * np.sin(radians)), axis=-1)
    return np.asarray(lab2rgb(lab[:, np.newaxis, np.newaxis]))


def _figures(size: int, n_images: int, random: np.random.RandomState) -> np.ndarray:
    """Share of each pixel (N, size, size), 0 to 1, that a disc, square, triangle or ring covers, placed at random."""
    shape = random.randint(4, size=n_images)
    radius, turn = random.uniform(6.0, 10.0, n_images), random.uniform(0.0, 2.0 * np.pi, n_images)
    centre = random.uniform(11.0, 21.0, (2, n_images))
    # In pixels of a 32nd of the image's side.
    scale = SIZE / size
    pixel = scale * (np.arange(size) + 0.5)
    down = pixel[np.newaxis, :, np.newaxis] - centre[0, :, np.newaxis, np.newaxis]
    right = pixel[np.newaxis, np.newaxis, :] - centre[1, :, np.newaxis, np.newaxis]
    cosine, sine = np.cos(turn)[:, np.newaxis, np.newaxis], np.sin(turn)[:, np.newaxis, np.newaxis]
    u, v = cosine * right + sine * down, cosine * down - sine * right
    distance, reach = np.hypot(u, v), radius[:, np.newaxis, np.newaxis]
    # Signed distances to the outlines, in pixels, negative inside.
    outlines = (
        distance - reach,
        np.maximum(np.abs(u), np.abs(v)) - 0.85 * reach,
        np.maximum(np.maximum(-v, 0.866 * u + 0.5 * v), 0.5 * v - 0.866 * u) - 0.6 * reach,
        np.abs(distance - 0.75 * reach) - 0.3 * reach,
    )
    return np.clip(0.5 - np.choose(shape[:, np.newaxis, np.newaxis], outlines) / scale, 0.0, 1.0)
