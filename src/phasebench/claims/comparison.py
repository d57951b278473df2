"""One comparison of a claim: a quantity beside its bounds, in one setting and against one rival."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace

from phasebench.claims.evidence import Evidence, Place, Values
from phasebench.claims.model import Claim
from phasebench.common.statistics import Summary, summarise

# A bound that is met exactly may be missed by rounding: 0.695 - 0.611 is less than 0.084.
_ROUNDING = 1e-9
INTERVAL_CONTAINS_BOUND = "the 95 % interval contains the bound"


@dataclass(frozen=True)
class Comparison:
    """A quantity beside the claim's bounds, in one setting and against one rival.

    Attributes
    ----------
    outcome
        Whether it lies within the bounds; None if that is open.
    summary
        Over pairs of seeds; ``n`` is 0 where nothing was measured. What holds by construction has its extremes in place
        of the interval.
    margin
        How far the mean lies inside the bounds; negative outside, NaN where nothing was measured.
    setting, label
        Name of the setting among the claim's, and of the comparison in the setting; '' if there is but one.
    reason
        Why the outcome is open or, if need be, how it was found.
    runs
        Ids of the runs.
    """

    outcome: bool | None
    summary: Summary
    margin: float
    setting: str
    label: str
    reason: str
    runs: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Setting and label."""
        return " ".join(part for part in (self.setting, self.label) if part)

    @property
    def measured(self) -> bool:
        """True if there is a number."""
        return self.summary.n > 0


def compare(claim: Claim, setting: str, place: Place, rival: Place | None, evidence: Evidence) -> Comparison:
    """Compare the value at a place, less or over that of a rival if there is one, with the claim's bounds.

    Values are paired by seed. The outcome is that of the 95 % interval of their mean, unless the claim holds by
    construction: then every value counts by itself.
    """
    change_from = claim.measured.change_from
    values = _quantity(place, change_from, evidence)
    absent = [] if values.runs or values.by_seed else [place]
    if rival is not None:
        of_rival = _quantity(rival, change_from, evidence)
        absent += [] if of_rival.runs or of_rival.by_seed else [rival]
        values = _paired(values, of_rival, operator.truediv if claim.ratio_to else operator.sub)
    summary = summarise(list(values.by_seed.values()))
    outcome, reason = _outcome(claim, values, summary)
    if not summary.n:
        reason = _why_nothing(values, absent)
    elif claim.by_construction and summary.n > 1:
        summary = replace(summary, low=min(values.by_seed.values()), high=max(values.by_seed.values()))
    runs = values.runs if summary.n else frozenset()
    low, high = claim.bounds
    margin = min(summary.mean - low, high - summary.mean)
    return Comparison(outcome, summary, margin, setting, _label(place, rival, claim), reason, runs)


def _outcome(claim: Claim, values: Values, summary: Summary) -> tuple[bool | None, str]:
    """Outcome: True within the claim's bounds, None if it is open; and the reason for it."""
    low, high = claim.bounds[0] - _ROUNDING, claim.bounds[1] + _ROUNDING
    if summary.n == 0:
        return None, ""
    if claim.by_construction:
        return all(low <= value <= high for value in values.by_seed.values()), "by construction: each network by itself"
    if values.stand_ins:
        used = ", ".join(f"{own} stands in for {study}" for own, study in values.stand_ins)
        return None, f"other data: {used}"
    outcome, reason = _outcome_of_the_mean(values, summary, low, high)
    if values.shortened and outcome is not None:
        agrees = "agrees with the claim" if outcome else "disagrees with the claim"
        return None, f"shorter training or a smaller network than the study's; so far the measurement {agrees}"
    return outcome, reason


def _outcome_of_the_mean(values: Values, summary: Summary, low: float, high: float) -> tuple[bool | None, str]:
    if None in values.by_seed:
        return low <= summary.mean <= high, "a single value, without an interval"
    if summary.n < 2:
        return None, "too few seeds: one"
    if low <= summary.low and summary.high <= high:
        return True, ""
    if summary.high < low or summary.low > high:
        return False, ""
    return None, INTERVAL_CONTAINS_BOUND


def _why_nothing(values: Values, absent: list[Place]) -> str:
    if values.ambiguous:
        return "the claim does not say which of several values it means"
    if absent:
        return f"not measured: {', '.join(dict.fromkeys(place.model for place in absent))}"
    return "no seed in common"


def _quantity(place: Place, change_from: float | None, evidence: Evidence) -> Values:
    values = evidence.values(place)
    if change_from is None:
        return values
    return _paired(values, evidence.values(replace(place, condition=change_from)), operator.sub)


def _paired(first: Values, second: Values, combine: Callable[[float, float], float]) -> Values:
    """Combine seed by seed; a value for all seeds together goes with each of the other side's."""
    seeds = {*first.by_seed, *second.by_seed} - {None} or {None}
    pairs = {
        seed: (first.by_seed.get(seed, first.by_seed.get(None)), second.by_seed.get(seed, second.by_seed.get(None)))
        for seed in sorted(seeds, key=lambda seed: -1 if seed is None else seed)
    }
    return Values(
        {
            seed: combine(one, other)
            for seed, (one, other) in pairs.items()
            if one is not None and other is not None and (combine is operator.sub or other != 0.0)
        },
        tuple(sorted({*first.stand_ins, *second.stand_ins})),
        first.runs | second.runs,
        first.shortened or second.shortened,
        first.ambiguous or second.ambiguous,
    )


def _label(place: Place, rival: Place | None, claim: Claim) -> str:
    """Models that the setting does not name."""
    own = place.model if claim.measured.one_of and len(claim.measured.one_of) > 1 else ""
    several = rival is not None and claim.rival is not None and len(claim.rival.models or ()) > 1
    return " ".join(part for part in (own, f"against {rival.model}" if several and rival else "") if part)


def _rank(outcome: bool | None) -> int:
    return {False: 0, None: 1, True: 2}[outcome]


def worst_first(one: Comparison) -> tuple[int, bool, float]:
    """Sorting key; among open comparisons, those without numbers come after the others."""
    return _rank(one.outcome), not one.measured, one.margin if one.measured else 0.0


def best_last(one: Comparison) -> tuple[int, bool, float]:
    """Sorting key; among open comparisons, those without numbers come before the others."""
    return _rank(one.outcome), one.measured, one.margin if one.measured else 0.0
