"""scikit-learn's handwritten digits: 1,797 real images that come with the library and need no download.

They are the test part of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from phasebench.data.sources.options import parse_options
from phasebench.data.store import LoadedDataset
from phasebench.specs.run import Frozen, Scalar

RAW_DIGITS = None
_TRAIN_SHARE = 0.8
_STORED_SIZE = 8
_LARGEST_VALUE = 16.0


class Options(Frozen):
    """Options of the source ``digits``."""

    size: Annotated[int, Field(ge=_STORED_SIZE)] = 32


def load(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """Load the digits, magnified bilinearly from 8 x 8 pixels and scaled to 0 .. 255.

    The first 80 % in the library's order train, the rest test: writers follow one another in that order, so most of
    the test images are by hands that were not trained on.

    Parameters
    ----------
    options
        ``size``: height and width after magnification (32).
    data_root, download
        Of no effect.

    Returns
    -------
    LoadedDataset
        uint8 samples (1797, size, size, 1); 1,437 train and 360 test.
    """
    size = parse_options("digits", Options, options).size
    digits = load_digits()
    magnified = zoom(digits.images, (1, *2 * [size / _STORED_SIZE]), order=1, mode="nearest", grid_mode=True)
    samples = np.rint(magnified * (255.0 / _LARGEST_VALUE)).astype(np.uint8)
    n_train = int(len(samples) * _TRAIN_SHARE)
    return LoadedDataset(
        samples=samples[..., np.newaxis],
        labels=digits.target.astype(np.int64),
        splits={"train": np.arange(n_train), "test": np.arange(n_train, len(samples))},
        classes=tuple(str(name) for name in digits.target_names),
        source={"source": "scikit-learn", "name": "digits"},
    )
