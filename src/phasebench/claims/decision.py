"""Decision of a claim from its comparisons, by p-values that are combined over settings, rivals and candidates.

A comparison gives two one-sided p-values, its :class:`Tails`. What has to be so in at least ``k`` of ``n`` comparisons
has, by Bonferroni's partial conjunction test (Benjamini and Heller 2008), the p-values

    holds = (n - k + 1) * k-th smallest of the n values of ``holds``,
    fails = k * (n - k + 1)-th smallest of the n values of ``fails``.

In all of them (k = n) that is the largest ``holds``, which needs no correction, and the first step of Holm's method on
``fails``; in one of them (k = 1), Bonferroni's correction of the best candidate. Each side is tested at
:data:`LEVEL`, so that a single comparison is decided as by its two-sided 95 % interval.

All functions work on arrays, so that simulations and searches over numbers of seeds take the very same way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasebench.common.statistics import CONFIDENCE, prediction_half_width, student_tail

LEVEL = (1.0 - CONFIDENCE) / 2
MOST_SEEDS = 1000
"""Numbers of seeds up to which :func:`seeds_to_decide` looks."""
N_DRAWS = 400
"""Draws of :func:`power`; its standard error is 2.5 points at most."""
# A bound that is met exactly may be missed by rounding: 0.695 - 0.611 is less than 0.084.
_ROUNDING = 1e-9
Floats = NDArray[np.float64]
Leaf = TypeVar("Leaf")


@dataclass(frozen=True)
class Tails:
    """One-sided p-values of a comparison or a claim, each float64 of any one shape.

    Attributes
    ----------
    holds
        Of data at least as much in favour of the claim if it does not hold; small where it holds.
    fails
        Of data at least as much against the claim if it holds; small where it fails.
    """

    holds: Floats
    fails: Floats

    @classmethod
    def nothing(cls, shape: tuple[int, ...] = ()) -> "Tails":
        """Tails where nothing is known."""
        return cls(np.ones(shape), np.ones(shape))

    @classmethod
    def exact(cls, outcome: bool | None) -> "Tails":
        """Tails of an outcome that is certain, or of one that is not known (None)."""
        return cls(np.array(1.0 - (outcome is True)), np.array(1.0 - (outcome is False)))

    @property
    def outcome(self) -> Floats:
        """1 where the claim holds, -1 where it fails, 0 where neither is known."""
        decided: Floats = np.where(self.fails <= LEVEL, -1.0, np.where(self.holds <= LEVEL, 1.0, 0.0))
        return decided


@dataclass(frozen=True)
class Sample:
    """Mean and spread of one comparison's values, and the bounds that are claimed.

    Attributes
    ----------
    mean, std
        Mean and sample standard deviation over the values.
    n
        Number of values.
    low, high
        Bounds of the claim, in the values' unit.
    """

    mean: ArrayLike
    std: ArrayLike
    n: ArrayLike
    low: float
    high: float

    @property
    def tails(self) -> Tails:
        """Tails by Student's t; nothing is known where there are fewer than two values."""
        mean, std, n = np.broadcast_arrays(*(np.asarray(part, np.float64) for part in (self.mean, self.std, self.n)))
        known = np.isfinite(std) & (n >= 2)
        error, freedom = std / np.sqrt(np.maximum(n, 1)), np.maximum(n - 1, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            above = (mean - self.low + _ROUNDING) / error
            below = (self.high + _ROUNDING - mean) / error
        holds = np.maximum(student_tail(above, freedom), student_tail(below, freedom))
        fails = np.minimum(student_tail(-above, freedom), student_tail(-below, freedom))
        return Tails(np.where(known, holds, 1.0), np.where(known, fails, 1.0))


@dataclass(frozen=True)
class Structure(Generic[Leaf]):
    """Comparisons of a claim: setting by setting, in each candidate by candidate, in each rival by rival.

    Attributes
    ----------
    settings
        A setting holds if one of its candidates does, a candidate if it does against all rivals.
    needed
        Settings in which the claim has to hold.
    """

    settings: Sequence[Sequence[Sequence[Leaf]]]
    needed: int

    def leaves(self) -> list[Leaf]:
        """All comparisons."""
        return [leaf for candidates in self.settings for rivals in candidates for leaf in rivals]

    def map(self, change: Callable[[Leaf], Leaf]) -> "Structure[Leaf]":
        """The same structure of changed comparisons."""
        changed = [[[change(leaf) for leaf in rivals] for rivals in candidates] for candidates in self.settings]
        return Structure(changed, self.needed)

    def of_settings(self, tails_of: Callable[[Leaf], Tails]) -> list[Tails]:
        """Tails of each setting by itself."""
        return [
            at_least(1, [at_least(len(rivals), [tails_of(leaf) for leaf in rivals]) for rivals in candidates])
            for candidates in self.settings
        ]

    def tails(self, tails_of: Callable[[Leaf], Tails]) -> Tails:
        """Tails of the claim."""
        of_settings = self.of_settings(tails_of)
        return at_least(self.needed, of_settings) if self.needed <= len(of_settings) else Tails.nothing()


def at_least(needed: int, parts: Sequence[Tails]) -> Tails:
    """Tails of what has to hold in at least ``needed`` of the parts, from 1 to all."""
    holds = np.sort(np.stack(np.broadcast_arrays(*(part.holds for part in parts))), axis=0)
    fails = np.sort(np.stack(np.broadcast_arrays(*(part.fails for part in parts))), axis=0)
    spare = len(parts) - needed
    return Tails(np.minimum(1.0, (spare + 1) * holds[needed - 1]), np.minimum(1.0, needed * fails[spare]))


def size_outcome(
    sample: Sample, printed: ArrayLike, published_std: ArrayLike | None, published_n: int
) -> tuple[Floats, Floats]:
    """Outcome of a printed size, as :attr:`Tails.outcome`, and half the width of the 95 % prediction interval.

    The size holds if the printed value lies in the interval and the direction, the sample's bounds, holds; otherwise
    an interval so wide that it contains every value would count as agreement. It fails if the printed value is outside.
    """
    half = prediction_half_width(sample.std, sample.n, published_std, published_n)
    inside = np.abs(np.asarray(sample.mean) - np.asarray(printed)) <= half + _ROUNDING
    known = np.isfinite(half)
    outcome = np.where(~known, 0.0, np.where(~inside, -1.0, np.where(sample.tails.outcome > 0, 1.0, 0.0)))
    return outcome, half


def seeds_to_decide(outcome_at: Callable[[Floats], Floats], least: int) -> float:
    """The least number of seeds that decides, if mean and spread stay as they were seen; NaN if none up to 1,000 does.

    Parameters
    ----------
    outcome_at : callable
        Numbers of seeds, float64 ``(N,)``, to outcomes of the same shape.
    least : int
        Seeds that there are.
    """
    numbers = np.arange(max(least, 1) + 1, MOST_SEEDS + 1, dtype=np.float64)
    outcomes = np.broadcast_to(outcome_at(numbers), numbers.shape)
    deciding = np.flatnonzero(outcomes != 0)
    return float(numbers[deciding[0]]) if len(deciding) else float("nan")


def drawn(sample: Sample, mean: float, n_draws: int, generator: np.random.Generator) -> Sample:
    """Means and deviations ``(n_draws,)`` of as many normal values as the sample has, of its spread and this mean."""
    n = int(np.asarray(sample.n))
    means = generator.normal(mean, np.asarray(sample.std) / np.sqrt(n), n_draws)
    spreads = np.asarray(sample.std) * np.sqrt(generator.chisquare(max(n - 1, 1), n_draws) / max(n - 1, 1))
    return Sample(means, spreads, np.full(n_draws, n), sample.low, sample.high)
