"""Summaries of a measurement that was repeated with several seeds."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """Mean and spread of ``n`` values; what ``n`` is too small for is NaN.

    Attributes
    ----------
    n
        Finite values.
    mean
        Arithmetic mean.
    std
        Sample standard deviation (divisor ``n - 1``).
    low, high
        Bounds of the two-sided 95 % interval of the mean by Student's t with ``n - 1`` degrees of freedom. They are
        not clipped to the range of an accuracy.
    """

    n: int
    mean: float
    std: float
    low: float
    high: float


def summarise(values: ArrayLike) -> Summary:
    """Summarise a list of values, one per seed, leaving out NaN.

    Parameters
    ----------
    values : array_like, shape (n,)
        Any unit.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    n = int(numbers.size)
    if n == 0:
        return Summary(0, math.nan, math.nan, math.nan, math.nan)
    mean = float(numbers.mean())
    if n == 1:
        return Summary(1, mean, math.nan, math.nan, math.nan)
    std = float(numbers.std(ddof=1))
    half = _t_quantile(n - 1) * std / math.sqrt(n)
    return Summary(n, mean, std, mean - half, mean + half)


def _t_quantile(degrees_of_freedom: int) -> float:
    # scipy.stats takes most of a second to import, and a report without repeated runs never needs it.
    from scipy.stats import t

    return float(t.ppf(0.5 + CONFIDENCE / 2, degrees_of_freedom))
