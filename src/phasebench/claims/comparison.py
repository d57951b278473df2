"""One comparison of a claim: a quantity beside its bounds, in one setting and against one rival."""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from phasebench.claims.decision import Sample, Tails
from phasebench.claims.evidence import Evidence, Place, Values
from phasebench.claims.model import Claim
from phasebench.common.statistics import Summary, summarise, summary_of

STAND_IN = "stand-in data"
SHORTENED = "shortened training or a smaller network"
ONE_SEED = "one seed"
NOT_RUN = "not run"
AT_CHANCE = "networks at chance"
NO_INTERVAL = "a single value, without an interval"
# Metrics that say nothing of a network that has learned nothing.
_OF_LEARNING = re.compile(r"accuracy|overfitting|confidence|bias|variance|phase_advantage|phase_lead|trend_")
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Comparison:
    """A quantity beside the claim's bounds, in one setting and against one rival.

    Attributes
    ----------
    key
        The place and its rival, which are the same in our numbers and in the study's.
    values
        Seed -> value; the seed is None where a value belongs to all seeds together.
    summary
        Over the values; ``n`` is 0 where nothing was measured. A value of all seeds has the deviation and the interval
        that follow from its standard error, and the number of its networks.
    bounds
        What is claimed.
    untested
        Why this is not the study's own measurement, beginning with one of the reasons above; '' if it is.
    setting, label
        Name of the setting among the claim's, and of the comparison in the setting; '' if there is but one.
    published_std, published_n
        Deviation of the study's value, if it printed one, and the number of values behind it.
    runs
        Ids of the runs.
    timed
        True for the median of a timing, whose ``n`` are rounds.
    """

    key: tuple[Place, Place | None]
    values: Mapping[int | None, float]
    summary: Summary
    bounds: tuple[float, float]
    untested: str
    setting: str
    label: str
    published_std: float | None = None
    published_n: int = 1
    runs: frozenset[str] = frozenset()
    timed: bool = False

    @property
    def name(self) -> str:
        """Setting and label."""
        return " ".join(part for part in (self.setting, self.label) if part)

    @property
    def measured(self) -> bool:
        """True if there is a number."""
        return self.summary.n > 0

    @property
    def sample(self) -> Sample:
        """Mean and spread beside the bounds."""
        return Sample(self.summary.mean, self.summary.std, self.summary.n, *self.bounds)

    @property
    def tails(self) -> Tails:
        """Tails of a finding; nothing is known of what is not the study's own measurement."""
        return Tails.nothing() if self.untested else self.sample.tails

    @property
    def each(self) -> Tails:
        """Tails of a property, which every network has to have."""
        if not self.measured or self.untested.startswith(AT_CHANCE):
            return Tails.nothing()
        low, high = self.bounds[0] - _ROUNDING, self.bounds[1] + _ROUNDING
        return Tails.exact(all(low <= value <= high for value in self.values.values()))

    @property
    def standing(self) -> float:
        """Mean's distance to the nearest bound in standard errors, negative outside; -inf without a number."""
        if not self.measured:
            return -math.inf
        mean, (low, high) = self.summary.mean, self.bounds
        margin = min(mean - low, high - mean)
        error = self.summary.std / math.sqrt(self.summary.n)
        if math.isnan(error):
            return margin
        return margin / error if error > 0.0 else math.copysign(math.inf, margin + _ROUNDING)


def compare(claim: Claim, setting: str, place: Place, rival: Place | None, evidence: Evidence) -> Comparison:
    """Compare the value at a place, less or over that of a rival if there is one, with the claim's bounds.

    Values are paired by seed.
    """
    change_from = claim.measured.change_from
    if place.condition == "mean":
        values, absent = _mean_over_conditions(claim, place, rival, evidence)
    else:
        values, absent = _difference(claim, place, rival, change_from, evidence)
    summary = _summary(values)
    if claim.by_construction and summary.n > 1:
        summary = replace(summary, low=min(values.by_seed.values()), high=max(values.by_seed.values()))
    untested = "" if claim.by_construction and summary.n else _why_untested(values, summary, absent)
    if summary.n and _at_chance(place, rival, evidence):
        untested = f"{AT_CHANCE}; {untested}" if untested.startswith(STAND_IN) else AT_CHANCE
    return Comparison(
        (place, rival),
        values.by_seed,
        summary,
        claim.bounds,
        untested,
        setting,
        _label(place, rival, claim),
        values.std,
        values.n_published,
        values.runs if summary.n else frozenset(),
        None in values.by_seed and not values.replicates,
    )


def _difference(
    claim: Claim, place: Place, rival: Place | None, change_from: float | None, evidence: Evidence
) -> tuple[Values, list[Place]]:
    """The quantity, and the places at which there is nothing."""
    values = _quantity(place, change_from, evidence)
    absent = [] if values.runs or values.by_seed else [place]
    if rival is not None:
        of_rival = _quantity(rival, change_from, evidence)
        absent += [] if of_rival.runs or of_rival.by_seed else [rival]
        values = paired(values, of_rival, operator.truediv if claim.ratio_to else operator.sub)
    return values, absent


def _mean_over_conditions(
    claim: Claim, place: Place, rival: Place | None, evidence: Evidence
) -> tuple[Values, list[Place]]:
    """The mean of the quantity over the conditions other than 0, of the seeds that have all of them."""
    found: list[Values] = []
    absent: list[Place] = []
    for condition in [one for one in evidence.conditions(replace(place, condition=None)) if one != 0.0]:
        other = None if rival is None else replace(rival, condition=condition)
        values, missing = _difference(
            claim, replace(place, condition=condition), other, claim.measured.change_from, evidence
        )
        found.append(values)
        absent += missing
    if not found:
        return Values({}), [place]
    seeds = set.intersection(*(set(values.by_seed) for values in found))
    means = {seed: float(np.mean([values.by_seed[seed] for values in found])) for seed in seeds}
    return replace(
        found[0],
        by_seed=means,
        runs=frozenset().union(*(values.runs for values in found)),
        shortened=any(values.shortened for values in found),
        ambiguous=any(values.ambiguous for values in found),
        error=math.nan,
        replicates={},
    ), absent if not means else []


def _summary(values: Values) -> Summary:
    """Summary over seeds, or of one value by its standard error over its networks."""
    if None not in values.by_seed:
        return summarise(list(values.by_seed.values()))
    n = max(values.n, 1)
    return summary_of(n, values.by_seed[None], values.error * math.sqrt(n))


def _why_untested(values: Values, summary: Summary, absent: list[Place]) -> str:
    if not summary.n:
        if values.ambiguous:
            return f"{NOT_RUN}: the claim does not say which of several values it means"
        if absent:
            return f"{NOT_RUN}: {', '.join(dict.fromkeys(str(place.model) for place in absent))}"
        return f"{NOT_RUN}: no seed in common"
    if values.stand_ins:
        return f"{STAND_IN}: {', '.join(f'{own} for {study}' for own, study in values.stand_ins)}"
    if values.shortened:
        return SHORTENED
    return ONE_SEED if summary.n < 2 and None not in values.by_seed else ""


def _at_chance(place: Place, rival: Place | None, evidence: Evidence) -> bool:
    """True if the metric is one of learning and none of the networks is more accurate than the majority class.

    A network that is compared with no other is excused by any network that has learned from the same samples.
    """
    if not _OF_LEARNING.search(place.metric):
        return False
    places = [place, rival] if rival is not None and rival.model != place.model else [place]
    learned = [evidence.has_learned(one) for one in places if one is not None]
    if learned == [False] and rival is None:
        learned += [evidence.has_learned(replace(place, model=model)) for model in evidence.models(place)]
    return bool(learned) and all(one is False for one in learned)


def _quantity(place: Place, change_from: float | None, evidence: Evidence) -> Values:
    values = evidence.values(place)
    if change_from is None:
        return values
    return paired(values, evidence.values(replace(place, condition=change_from)), operator.sub)


def paired(first: Values, second: Values, combine: Callable[[float, float], float]) -> Values:
    """Combine seed by seed; a value for all seeds together goes with each of the other side's."""
    seeds = {*first.by_seed, *second.by_seed} - {None} or {None}
    pairs = {
        seed: (first.by_seed.get(seed, first.by_seed.get(None)), second.by_seed.get(seed, second.by_seed.get(None)))
        for seed in sorted(seeds, key=lambda seed: -1 if seed is None else seed)
    }
    by_seed = {
        seed: combine(one, other)
        for seed, (one, other) in pairs.items()
        if one is not None and other is not None and (combine is operator.sub or other != 0.0)
    }
    replicates = {
        number: combine(first.replicates[number], second.replicates[number])
        for number in first.replicates.keys() & second.replicates.keys()
        if combine is operator.sub or second.replicates[number] != 0.0
    }
    error = math.hypot(first.error, second.error)
    if len(replicates) > 1:
        # Replicates share test images and seeds; other errors are independent.
        error = float(np.std(list(replicates.values()), ddof=1))
    std = None
    if combine is operator.sub and first.std is not None and second.std is not None:
        std = math.hypot(first.std, second.std)
    return Values(
        by_seed,
        tuple(sorted({*first.stand_ins, *second.stand_ins})),
        first.runs | second.runs,
        first.shortened or second.shortened,
        first.ambiguous or second.ambiguous,
        error,
        min(first.n, second.n),
        replicates,
        std,
        min(first.n_published, second.n_published),
    )


def _label(place: Place, rival: Place | None, claim: Claim) -> str:
    """Models that the setting does not name."""
    own = str(place.model) if claim.measured.one_of and len(claim.measured.one_of) > 1 else ""
    several = rival is not None and claim.rival is not None and len(claim.rival.models or ()) > 1
    return " ".join(part for part in (own, f"against {rival.model}" if several and rival else "") if part)
