"""Simulated MSTAR: ten vehicles of point scatterers, and their shadows, on speckled ground.

Each class is a fixed constellation of scatterers on a body with about the vehicle's measures, seen from a random
azimuth. What would give the class away without a look at the target is drawn alike for all classes: chip size, gain,
clutter, target-to-clutter ratio, file name.

The chips are written as Phoenix files and read back as the real ones are, by
:mod:`phasebench.data.sources.radar.mstar`.
"""

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from phasebench.common.progress import track
from phasebench.data.sources.options import chosen_classes, parse_options
from phasebench.data.sources.radar import mstar, phoenix
from phasebench.data.sources.radar import scatterers as point_scatterers
from phasebench.data.sources.radar.vehicles import VEHICLES, constellation, project, shadow
from phasebench.data.store import LoadedDataset
from phasebench.specs.run import Frozen, Scalar

RAW_SIMULATED_MSTAR = None
SMALLEST_CHIP, LARGEST_CHIP = mstar.CROP, 160

_CLUTTER_MAGNITUDE = 0.05
_SHADOW_MAGNITUDE = 0.18
_TARGET_TO_CLUTTER_DB = (3.0, 9.0)
_GAIN_DB = (-3.0, 3.0)
_CENTRING_ERROR_M = 0.4


class Options(Frozen):
    """Options of the source ``simulated_mstar``: classes, chips of each and split, seed, size cut out, and contrast."""

    classes: str = ""
    n_train_per_class: PositiveInt = 24
    n_test_per_class: PositiveInt = 12
    seed: Annotated[int, Field(ge=0)] = 0
    crop: Annotated[int, Field(gt=0, le=mstar.CROP)] = mstar.CROP
    contrast_db: Annotated[float, Field(ge=0.0)] = 0.0
    azimuths: Annotated[float, Field(gt=0.0, le=360.0)] = 360.0


def load(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """Simulate chips, write them as Phoenix files into a temporary folder and read them as the real ones are read.

    Parameters
    ----------
    options
        ``n_train_per_class`` (24) chips at 17 degrees of depression, ``n_test_per_class`` (12) at 15, ``seed`` (0),
        ``crop`` (128) pixels cut out of the middle. ``classes``: some of the vehicles, separated by commas (all ten).
        ``contrast_db`` (0) is added to the ratio of target to clutter of every chip. ``azimuths`` (360): targets are
        turned by 0 to this many degrees.
    data_root, download
        Of no effect.

    Returns
    -------
    LoadedDataset
        See :func:`phasebench.data.sources.radar.mstar.load`.

    Raises
    ------
    PhasebenchError
        An option is unknown or out of range, or there is no such class.
    """
    chosen = parse_options("simulated_mstar", Options, options)
    classes = chosen_classes(chosen.classes, mstar.CLASSES, "data source simulated_mstar")
    counts = {"train": chosen.n_train_per_class, "test": chosen.n_test_per_class}
    with tempfile.TemporaryDirectory(prefix="simulated_mstar_") as folder:
        write_chips(Path(folder), counts, chosen.seed, classes, chosen.contrast_db, chosen.azimuths)
        loaded = mstar.read_folder(Path(folder), chosen.crop)
    # Of MSTAR's classes, those that there are chips of.
    used, labels = np.unique(loaded.labels, return_inverse=True)
    return replace(
        loaded,
        labels=labels.astype(np.int64),
        classes=tuple(mstar.CLASSES[label] for label in used),
        source={"source": "simulated_mstar", **chosen.model_dump()},
    )


def write_chips(
    folder: Path,
    n_per_class: Mapping[str, int],
    seed: int,
    classes: Sequence[str] = mstar.CLASSES,
    contrast_db: float = 0.0,
    azimuths: float = 360.0,
) -> None:
    """Write simulated chips as Phoenix files, in folders like the public distribution's.

    Parameters
    ----------
    folder
        Where to.
    n_per_class
        Chips of each class for the splits ``train`` (17 degrees of depression) and ``test`` (15 degrees).
    seed
        Of all that is random but the constellations, which are always the same.
    classes
        Names of the classes that chips are written of.
    contrast_db
        Added to the ratio of target to clutter of every chip.
    azimuths
        Largest azimuth, in degrees; they start at 0.
    """
    jobs = [
        (mstar.SPLIT_DEPRESSION_ANGLES[split], mstar.CLASSES.index(name), index)
        for split, count in n_per_class.items()
        for name in classes
        for index in range(count)
    ]
    numbers = np.random.default_rng(seed).permutation(len(jobs))

    def write(job: tuple[int, int, int], number: int) -> None:
        depression_angle, label, _ = job
        # Each chip has its own stream, so it depends neither on the threads nor on how many others there are.
        stream = np.random.default_rng([seed, *job])
        name = mstar.CLASSES[label]
        azimuth = stream.uniform(0.0, azimuths)
        suffix = stream.integers(27)
        phoenix.write_chip(
            folder / f"{depression_angle}_DEG" / name.upper() / f"HB{number:05d}.{suffix:03d}",
            simulate_chip(name, azimuth, depression_angle, stream, contrast_db),
            target_class=VEHICLES[name].target_type,
            serial="simulated",
            depression_angle=depression_angle,
            azimuth=azimuth,
            further_keys={"SensorName": "simulated spotlight radar", **point_scatterers.HEADER},
        )

    with ThreadPoolExecutor() as executor:
        for _ in track(executor.map(write, jobs, numbers), "Simulating MSTAR chips", len(jobs)):
            pass


def simulate_chip(
    name: str, azimuth: float, depression_angle: float, stream: np.random.Generator, contrast_db: float = 0.0
) -> NDArray[np.complex64]:
    """Image a target once.

    Parameters
    ----------
    name
        Its class.
    azimuth, depression_angle
        Degrees; see :func:`project`.
    stream
        Draws the chip's size, the target's place in it, speckle, target-to-clutter ratio, gain and phase. None of them
        depends on the class.
    contrast_db
        Added to the ratio of target to clutter.

    Returns
    -------
    NDArray[np.complex64]
        Shape (rows, columns), each from 128 to 160.
    """
    rows, columns = stream.integers(SMALLEST_CHIP, LARGEST_CHIP, 2, endpoint=True)
    range_shift, cross_range_shift = stream.uniform(-_CENTRING_ERROR_M, _CENTRING_ERROR_M, 2)
    target = constellation(name)
    slant_range, cross_range, visibility = project(target, azimuth, depression_angle)
    echo = point_scatterers.image_scatterers(
        slant_range + range_shift, cross_range + cross_range_shift, target.amplitudes * visibility
    )
    # The ratio is one of energies within the crop, so that a target of more or stronger echoes is no brighter.
    ratio = (
        10 ** ((stream.uniform(*_TARGET_TO_CLUTTER_DB) + contrast_db) / 10)
        * (mstar.CROP / point_scatterers.SCENE_SIZE) ** 2
    )
    echo *= np.sqrt(ratio / point_scatterers.mean_power(echo))
    slant_range, cross_range = point_scatterers.scene_coordinates()
    hidden = shadow(
        VEHICLES[name], slant_range - range_shift, cross_range - cross_range_shift, azimuth, depression_angle
    )
    ground = point_scatterers.image_ground(np.where(hidden, _SHADOW_MAGNITUDE, 1.0), stream)
    gain = _CLUTTER_MAGNITUDE * 10 ** (stream.uniform(*_GAIN_DB) / 20) * np.exp(1j * stream.uniform(0.0, 2 * np.pi))
    image = gain * (echo + ground)
    top, left = (image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2
    chip: NDArray[np.complex64] = image[top : top + rows, left : left + columns].astype(np.complex64)
    return chip
