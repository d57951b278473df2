"""Summaries of a measurement that was repeated with several seeds, and tests of differences between two of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95
LEAST_PAIRS = 3
"""Fewer pairs of values than this are too few for a test."""
UNLIMITED = (-math.inf, math.inf)
FRACTION = (0.0, 1.0)
"""Limits of an accuracy."""
# Differences that are all the same but for rounding.
_SAME = 1e-12


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
        Bounds of the two-sided 95 % interval of the mean by Student's t with ``n - 1`` degrees of freedom, cut at the
        limits of the quantity.
    """

    n: int
    mean: float
    std: float
    low: float
    high: float


def summarise(values: ArrayLike, limits: tuple[float, float] = UNLIMITED) -> Summary:
    """Summarise a list of values, one per seed, leaving out NaN.

    Parameters
    ----------
    values : array_like, shape (n,)
        Any unit.
    limits : pair of float
        Range that no mean of the quantity can leave. Of few and scattered accuracies, the interval by Student's t
        would reach beyond 0 or 1; what is cut off there holds no possible mean, so that the rest covers the true one as
        often as the whole.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    n = int(numbers.size)
    if n == 0:
        return Summary(0, math.nan, math.nan, math.nan, math.nan)
    return summary_of(n, float(numbers.mean()), float(numbers.std(ddof=1)) if n > 1 else math.nan, limits)


def summary_of(n: int, mean: float, std: float, limits: tuple[float, float] = UNLIMITED) -> Summary:
    """Summary of ``n`` values, at least one, that have this mean and deviation; a deviation of NaN is not known.

    The interval is cut at ``limits``, as that of :func:`summarise`.
    """
    if n == 1 or math.isnan(std):
        return Summary(n, mean, math.nan, math.nan, math.nan)
    half = _t_quantile(n - 1) * std / math.sqrt(n)
    return Summary(n, mean, std, max(mean - half, limits[0]), min(mean + half, limits[1]))


@dataclass(frozen=True, eq=False)
class WelchTest:
    """Two-sided Welch's t-tests of many pairs of independent samples; float64 arrays (k,).

    Attributes
    ----------
    difference
        Mean of the second sample less that of the first.
    low, high
        Bounds of the 95 % interval of the difference.
    p
        Probability of a difference of at least this size if there is none.

    The last three are NaN where a sample has fewer than two values. Without any spread in both samples the bounds are
    the difference, and p is 1 where that is zero, else 0.
    """

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def welch_test(
    n: tuple[ArrayLike, ArrayLike], mean: tuple[ArrayLike, ArrayLike], std: tuple[ArrayLike, ArrayLike]
) -> WelchTest:
    """Compare two independent samples of each of k cells, whose variances may differ.

    Parameters
    ----------
    n, mean, std : pair of array_like, each (k,)
        Numbers of values, means and sample standard deviations of the first and the second sample.
    """
    counts, means, spreads = (tuple(np.asarray(side, dtype=np.float64) for side in pair) for pair in (n, mean, std))
    difference = means[1] - means[0]
    variances = [spread**2 / count for spread, count in zip(spreads, counts, strict=True)]
    tested = (counts[0] > 1) & (counts[1] > 1)
    error = np.sqrt(variances[0] + variances[1])
    spread = tested & (error > _SAME * np.maximum(1.0, np.abs(means[0])))
    half, p = np.where(tested, 0.0, math.nan), np.where(tested, (np.abs(difference) <= _SAME).astype(float), math.nan)
    if spread.any():
        from scipy.special import stdtr, stdtrit

        parts = [variance[spread] ** 2 / (count[spread] - 1) for variance, count in zip(variances, counts, strict=True)]
        freedom = error[spread] ** 4 / (parts[0] + parts[1])
        half[spread] = stdtrit(freedom, 0.5 + CONFIDENCE / 2) * error[spread]
        p[spread] = 2.0 * stdtr(freedom, -np.abs(difference[spread]) / error[spread])
    return WelchTest(difference, difference - half, difference + half, p)


@dataclass(frozen=True)
class PairedTest:
    """A two-sided paired t-test.

    Attributes
    ----------
    difference
        Of the first less the second, over the seeds that both have.
    p
        Probability of a mean difference of at least this size if there is none. NaN where there are fewer than
        :data:`LEAST_PAIRS` differences or these are all the same, so that their spread cannot be estimated.
    """

    difference: Summary
    p: float


def paired_test(first: Mapping[int, float], second: Mapping[int, float]) -> PairedTest:
    """Compare two measurements seed by seed.

    Parameters
    ----------
    first, second
        Seed -> value, finite. Seeds that only one of them has do not count.
    """
    seeds = sorted(first.keys() & second.keys())
    pairs = np.array([(first[seed], second[seed]) for seed in seeds], dtype=np.float64).reshape(-1, 2)
    differences = pairs[:, 0] - pairs[:, 1]
    difference = summarise(differences)
    if difference.n < LEAST_PAIRS or np.ptp(differences) <= _SAME:
        return PairedTest(difference, math.nan)
    from scipy.stats import ttest_rel

    return PairedTest(difference, float(ttest_rel(pairs[:, 0], pairs[:, 1]).pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values of a family of tests by Holm's step-down method; NaN stays NaN and is no part of the family."""
    tested = sorted((p, position) for position, p in enumerate(p_values) if not math.isnan(p))
    corrected = [math.nan] * len(p_values)
    largest = 0.0
    for rank, (p, position) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        corrected[position] = largest
    return corrected


def prediction_interval(
    values: ArrayLike, published_std: ArrayLike | None = None, published_n: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    r"""95 % prediction interval for a published mean, if it was measured in the same way as our values.

    Parameters
    ----------
    values : array_like, shape (..., n)
        Ours, finite, one per seed.
    published_std : array_like, optional
        Published sample standard deviation, in the values' unit.
    published_n : int
        Values behind the published mean; 1 for a single run.

    Returns
    -------
    tuple of float64 arrays (...)
        Both bounds; NaN for fewer than two values.

    Notes
    -----
    Let our ``n`` values have mean :math:`\bar y` and deviation :math:`s`, and the published mean of :math:`m` values
    be :math:`\bar x`. If both come from one normal distribution, :math:`\bar x - \bar y` has mean 0 and variance

    .. math:: v = s^2 / n + s_x^2 / m.

    With the published deviation :math:`s_x`, :math:`(\bar x - \bar y) / \sqrt v` is nearly Student's t with Welch's

    .. math:: \nu = v^2 / \left(\frac{(s^2/n)^2}{n-1} + \frac{(s_x^2/m)^2}{m-1}\right)

    degrees of freedom. Without one, ours stands in for it, :math:`s_x = s`, and the ratio is exactly Student's t with
    :math:`\nu = n - 1`; for a single published run (:math:`m = 1`) that is the interval for one new run of ours,
    :math:`\bar y \pm t_{n-1} s \sqrt{1 + 1/n}`. Both bounds are :math:`\bar y \pm t_\nu \sqrt v`.
    """
    numbers = np.asarray(values, dtype=np.float64)
    n = numbers.shape[-1]
    if n < 2:
        missing = np.full(numbers.shape[:-1], math.nan)
        return missing, missing
    mean = numbers.mean(axis=-1)
    half = prediction_half_width(numbers.std(axis=-1, ddof=1), n, published_std, published_n)
    return mean - half, mean + half


def prediction_half_width(
    std: ArrayLike, n: ArrayLike, published_std: ArrayLike | None = None, published_n: int = 1
) -> np.ndarray:
    """Half the width of :func:`prediction_interval`, from the deviation and the number of our values.

    Parameters
    ----------
    std, n : array_like, of shapes that broadcast
        Sample standard deviation and number of values.
    published_std, published_n
        As there.

    Raises
    ------
    ValueError
        A published deviation of a single value.
    """
    if published_std is not None and published_n < 2:
        raise ValueError("a published deviation needs at least two published values")
    deviation, number = np.broadcast_arrays(np.asarray(std, np.float64), np.asarray(n, np.float64))
    enough = number >= 2
    number = np.where(enough, number, 2.0)
    own = deviation**2 / number
    if published_std is None:
        variance, freedom = own + deviation**2 / published_n, number - 1
    else:
        other = np.asarray(published_std, np.float64) ** 2 / published_n
        variance = own + other
        denominator = own**2 / (number - 1) + other**2 / (published_n - 1)
        safe = np.where(denominator > 0.0, denominator, 1.0)
        freedom = np.where(denominator > 0.0, variance**2 / safe, number - 1)
    from scipy.special import stdtrit

    half = stdtrit(freedom, 0.5 + CONFIDENCE / 2) * np.sqrt(variance)
    return np.asarray(np.where(enough, half, math.nan), np.float64)


def student_tail(t: ArrayLike, degrees_of_freedom: ArrayLike) -> np.ndarray:
    """Probability of a value of Student's t above ``t``, float64; infinite values count as certain, NaN stays NaN."""
    from scipy.special import stdtr

    values = np.asarray(t, np.float64)
    finite = np.where(np.isfinite(values), values, 0.0)
    tail = np.where(np.isinf(values), (values < 0).astype(np.float64), stdtr(degrees_of_freedom, -finite))
    return np.where(np.isnan(values), math.nan, tail)


def _t_quantile(degrees_of_freedom: int) -> float:
    # scipy.stats takes most of a second to import, and a report without repeated runs never needs it.
    from scipy.stats import t

    return float(t.ppf(0.5 + CONFIDENCE / 2, degrees_of_freedom))
