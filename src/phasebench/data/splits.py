"""Training subsets: a seeded permutation of the training pool, cut to a fraction and divided."""

import math
from typing import Protocol

import numpy as np

from phasebench.common.errors import PhasebenchError
from phasebench.specs.run import Subset


class SplitSpec(Protocol):
    """The part of a run spec that decides its subsets, as :class:`~phasebench.specs.run.RunSpec` documents it."""

    @property
    def train_fraction(self) -> float: ...  # noqa: D102
    @property
    def validation_fraction(self) -> float: ...  # noqa: D102
    @property
    def subset(self) -> Subset: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


def split_as_specified(pool: np.ndarray, spec: SplitSpec) -> tuple[np.ndarray, np.ndarray]:
    """:func:`training_split` with everything that a run says of it."""
    return training_split(pool, spec.seed, spec.train_fraction, spec.validation_fraction, spec.subset)


def training_split(
    pool: np.ndarray, seed: int, train_fraction: float, validation_fraction: float, subset: Subset = "random"
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a training and a validation subset from the training pool; not stratified.

    The pool is permuted with the seed, the first floor(n * train_fraction) samples are kept, and of these m the first
    floor(m * (1 - validation_fraction)) train. One formula serves all data sets; on SVHN's 73,257 images it gives
    65,931 and 7,326.

    Parameters
    ----------
    pool : int64 (n,)
        Indices of the samples that may be trained on.
    seed : int
        Seed of the permutation.
    train_fraction : float
        Share of the pool that is used at all, in (0, 1].
    validation_fraction : float
        Share of the used samples that validate, in [0, 1); none validate at 0.
    subset : {"random", "first"}
        ``first`` leaves the pool in its own order, so that the first samples are kept and the last of these validate.

    Returns
    -------
    tuple of int64 arrays
        Training and validation indices, without overlap.

    Raises
    ------
    PhasebenchError
        A subset that is asked for would be empty.
    """
    ordered = pool if subset == "first" else np.random.RandomState(seed).permutation(pool)
    kept = ordered[: _floor(len(pool) * train_fraction)]
    n_train = _floor(len(kept) * (1.0 - validation_fraction))
    train, validation = kept[:n_train], kept[n_train:]
    if not len(train) or (validation_fraction > 0.0 and not len(validation)):
        raise PhasebenchError(
            f"train_fraction: {train_fraction} of {len(pool)} samples and validation_fraction {validation_fraction} "
            f"leave {len(train)} to train and {len(validation)} to validate"
        )
    return train, validation


def training_size(n_pool: int, train_fraction: float, validation_fraction: float) -> int:
    """Number of training samples that :func:`training_split` draws from a pool of this size."""
    return _floor(_floor(n_pool * train_fraction) * (1.0 - validation_fraction))


def _floor(value: float) -> int:
    """The integer part, where a product such as 10 * (1 - 0.9) may miss the integer it means by rounding."""
    return math.floor(value + 1e-9 * max(1.0, value))
