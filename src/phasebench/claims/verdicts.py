"""Marks of the claims of the studies, by what was measured and by what the studies printed themselves.

A claim that has to hold in k of n settings, against every rival and for one of several models is decided by p-values
that are corrected for their number (:mod:`phasebench.claims.decision`). What is not the study's own measurement
(stand-in data, shortened training, one seed) decides nothing; it may point one way.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from phasebench.claims import comparison
from phasebench.claims.comparison import Comparison, compare
from phasebench.claims.decision import (
    LEVEL,
    N_DRAWS,
    Floats,
    Structure,
    Tails,
    drawn,
    seeds_to_decide,
    size_outcome,
)
from phasebench.claims.evidence import Evidence, Place, measured_evidence, published_evidence
from phasebench.claims.marks import (
    BY_CONSTRUCTION,
    NOT_REPRODUCED,
    NOT_TESTED,
    OPEN,
    OTHER_WAY,
    REPRODUCED,
    SAME_WAY,
)
from phasebench.claims.model import Claim, Measured, Rival, StudyClaims
from phasebench.common.statistics import holm

COLUMNS: Mapping[str, Literal["text", "number"]] = {
    **dict.fromkeys(("suite", "claim", "part", "kind", "experiment", "text", "where", "published"), "text"),
    **dict.fromkeys(("unit", "threshold"), "text"),
    **dict.fromkeys(("mean", "std", "low", "high", "n"), "number"),
    **dict.fromkeys(("mark", "direction", "reason"), "text"),
    **dict.fromkeys(("power", "seeds_to_decide"), "number"),
    **dict.fromkeys(("paper_agrees", "detail", "runs"), "text"),
}
"""Column of the claims' table -> its kind; ``published`` quotes what the study printed."""
_PAPER_AGREES = {True: "yes", False: "no", None: "no number printed"}
PAPER_AGREES = tuple(_PAPER_AGREES.values())
"""Answers of the study's own numbers to a claim."""
_MOST_NAMES = 6
_OUTCOMES = ("hold", "fail", OPEN, NOT_TESTED, "not measured")


@dataclass(frozen=True)
class Judged:
    """A claim with its comparisons, by one collection of values.

    Attributes
    ----------
    claim
        What is claimed.
    structure
        The comparisons.
    """

    claim: Claim
    structure: Structure[Comparison]

    @property
    def settings(self) -> list[Comparison]:
        """The comparison of each setting that stands for it: the worst of the best candidate."""
        return [
            max((min(rivals, key=_standing) for rivals in candidates), key=_standing)
            for candidates in self.structure.settings
        ]

    @property
    def shown(self) -> Comparison:
        """The comparison that the claim depends on most: of k settings that are needed, the k-th best."""
        ordered = sorted(self.settings, key=_standing)
        decisive = ordered[max(len(ordered) - self.structure.needed, 0)]
        measured = [one for one in ordered if one.measured]
        return decisive if decisive.measured or not measured else measured[0]

    @property
    def runs(self) -> frozenset[str]:
        """Ids of the runs behind all comparisons."""
        return frozenset().union(*(one.runs for one in self.structure.leaves()))

    @property
    def untested(self) -> str:
        """Reason why the claim is not tested, from the first comparison that is not; '' if all are."""
        if self.structure.needed > len(self.structure.settings):
            return f"{comparison.NOT_RUN}: {len(self.structure.settings)} of {self.structure.needed} settings"
        reasons = [one.untested for one in self.structure.leaves() if one.untested]
        return min(reasons, key=_rank_of_reason, default="")

    def exact(self) -> bool | None:
        """Outcome by every value itself, without an interval; None if it is open."""
        outcome = float(self.structure.tails(lambda one: one.each).outcome)
        return None if outcome == 0.0 else outcome > 0.0


def judge_claims(
    studies: Sequence[StudyClaims],
    metrics: pd.DataFrame,
    analyses: pd.DataFrame,
    runs: pd.DataFrame,
    published: pd.DataFrame,
    shortened: frozenset[str] = frozenset(),
) -> pd.DataFrame:
    """Judge all claims.

    Parameters
    ----------
    studies : sequence of StudyClaims
        What is claimed.
    metrics, analyses, runs, published : pandas.DataFrame
        The aggregated tables.
    shortened : frozenset of str
        Ids of the runs that were trained for fewer steps than in the study.

    Returns
    -------
    pandas.DataFrame
        One row per claim, or two of one with a printed size, in the order of the files, with :data:`COLUMNS`. ``mean``,
        ``std``, ``low`` and ``high`` are of the comparison that decides, in the tables' units (accuracies from 0 to 1);
        ``threshold`` is text in the claim's unit. ``power`` is the chance of 'reproduced' with our spreads and seeds if
        the study's numbers are true. ``paper_agrees`` (yes, no, no number printed) is the same claim judged by the
        study's printed numbers.
    """
    measured = measured_evidence(metrics, analyses, runs, shortened)
    printed = published_evidence(published, analyses)
    rows = [row for study in studies for claim in study.claims for row in _rows(study.suite, claim, measured, printed)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": "int64"})


def judge(claim: Claim, suite: str, evidence: Evidence) -> Judged:
    """Compare one claim with one collection of values."""
    groups = _settings(claim, suite, evidence)
    structure = [
        [[compare(claim, name, place, rival, evidence) for rival in _rivals(place, claim.rival)] for place in places]
        for name, places in zip(_names(groups), groups, strict=True)
    ]
    return Judged(claim, Structure(structure, claim.in_at_least or len(structure)))


def _rows(suite: str, claim: Claim, measured: Evidence, printed: Evidence) -> list[dict[str, object]]:
    """One row, or those of the direction and the size."""
    judged, paper = judge(claim, suite, measured), judge(claim, suite, printed)
    common = {
        "suite": suite,
        "claim": claim.id,
        "kind": claim.kind,
        "experiment": claim.measured.experiment,
        **{name: getattr(claim, name) for name in ("where", "published", "unit")},
        "runs": " ".join(sorted(judged.runs)),
    }
    if claim.printed is None:
        return [common | _whole(judged, paper)]
    return [common | _whole(judged, paper) | {"part": "direction"}, common | _size(judged, paper, claim.printed)]


def _whole(judged: Judged, paper: Judged) -> dict[str, object]:
    """Columns of a claim by its bounds."""
    claim, summary = judged.claim, judged.shown.summary
    structure = judged.structure
    tails = structure.tails((lambda one: one.each) if claim.by_construction else (lambda one: one.tails))
    mark = _mark(judged, float(tails.outcome))
    seeds = math.nan
    if mark == OPEN and all(math.isfinite(one.summary.std) and not one.timed for one in structure.leaves()):

        def outcome_at(numbers: Floats) -> Floats:
            return structure.tails(lambda one: replace(one.sample, n=numbers).tails).outcome

        seeds = seeds_to_decide(outcome_at, judged.shown.summary.n)
    return {
        "part": "",
        "text": claim.text,
        "threshold": claim.threshold,
        **{name: getattr(summary, name) for name in ("mean", "std", "low", "high", "n")},
        "mark": mark,
        "direction": _direction(judged) if mark == NOT_TESTED and not claim.by_construction else "",
        "reason": _reason(judged, mark, seeds),
        "power": math.nan if claim.by_construction else _power(structure, paper),
        "seeds_to_decide": seeds,
        "paper_agrees": _PAPER_AGREES[paper.exact()],
        "detail": _detail(judged, paper),
    }


def _size(judged: Judged, paper: Judged, printed_in_unit: float) -> dict[str, object]:
    """Columns of a printed size; ``low`` and ``high`` are the prediction interval."""
    claim = judged.claim
    (one,), (theirs,) = judged.structure.leaves(), paper.structure.leaves()
    printed, spread = printed_in_unit * claim.scale, (theirs.published_std, theirs.published_n)
    outcome, half = size_outcome(one.sample, printed, *spread)
    tested = not one.untested
    mark = _mark(judged, float(outcome) if tested else 0.0)
    seeds, power = math.nan, math.nan
    if tested and math.isfinite(float(half)):
        if mark == OPEN:
            seeds = seeds_to_decide(
                lambda numbers: size_outcome(replace(one.sample, n=numbers), printed, *spread)[0], one.summary.n
            )
        draws = drawn(one.sample, printed, N_DRAWS, np.random.default_rng(0))
        power = float((size_outcome(draws, printed, *spread)[0] > 0).mean())
    mean = one.summary.mean
    agrees = None
    if theirs.measured:
        # The printed sizes are of means before rounding.
        agrees = abs(theirs.summary.mean - printed) <= 1.5 * claim.scale * 10.0 ** -_decimals(printed_in_unit)
    return {
        "part": "size",
        "text": f"{claim.text.removesuffix('.')}, by {claim.size}.",
        "threshold": claim.size,
        "mean": mean,
        "std": one.summary.std,
        "low": mean - float(half),
        "high": mean + float(half),
        "n": one.summary.n,
        "mark": mark,
        "direction": "",
        "reason": _reason(judged, mark, seeds),
        "power": power,
        "seeds_to_decide": seeds,
        "paper_agrees": _PAPER_AGREES[agrees],
        "detail": f"the study's table gives {theirs.summary.mean / claim.scale:.4g}" if agrees is False else "",
    }


def _decimals(number: float) -> int:
    return len(f"{number:.9g}".partition(".")[2])


def _mark(judged: Judged, outcome: float) -> str:
    if outcome < 0.0:
        return NOT_REPRODUCED
    if outcome > 0.0:
        return BY_CONSTRUCTION if judged.claim.by_construction else REPRODUCED
    return NOT_TESTED if judged.untested else OPEN


def _reason(judged: Judged, mark: str, seeds: float) -> str:
    """Words on a claim that is not decided."""
    if mark == NOT_TESTED:
        return judged.untested
    if mark != OPEN:
        return ""
    if not all(math.isfinite(one.summary.std) for one in judged.structure.leaves()):
        return comparison.NO_INTERVAL
    if judged.shown.timed:
        return "the 95 % interval contains the bound"
    if math.isnan(seeds):
        return "no number of seeds up to 1,000 would decide it at this spread"
    return f"{seeds:,.0f} seeds would decide it at this spread"


def _direction(judged: Judged) -> str:
    """Weak mark by stand-in data or shortened training, from the settings that were measured."""
    weak = (comparison.STAND_IN, comparison.SHORTENED)
    structure = judged.structure
    settings = [
        candidates
        for candidates in structure.settings
        if all(one.measured and (not one.untested or one.untested.startswith(weak)) for one in _flat(candidates))
    ]
    if not any(one.untested for candidates in settings for one in _flat(candidates)):
        return ""
    needed = math.ceil(structure.needed * len(settings) / max(len(structure.settings), structure.needed))
    low, high = judged.claim.direction_bounds

    # Single values have no test and point by themselves, unless there is a test of another comparison.
    are_single = all(math.isnan(one.summary.std) for candidates in settings for one in _flat(candidates))

    def tails_of(one: Comparison) -> Tails:
        if are_single:
            return Tails.exact(low <= one.summary.mean <= high)
        return replace(one.sample, low=low, high=high).tails

    outcome = Structure(settings, needed).tails(tails_of).outcome
    return {1.0: SAME_WAY, -1.0: OTHER_WAY, 0.0: ""}[float(outcome)]


def _power(structure: Structure[Comparison], paper: Judged) -> float:
    """Chance that the claim comes out reproduced, with our spreads and seeds, if all of the study's numbers are true.

    NaN where a comparison was not measured as in the study, or the study did not print its numbers.
    """
    printed = {one.key: one.summary.mean for one in paper.structure.leaves() if one.measured}
    ready = [one.key in printed and not one.untested and math.isfinite(one.summary.std) for one in structure.leaves()]
    if not all(ready):
        return math.nan
    generator = np.random.default_rng(0)

    def tails_of(one: Comparison) -> Tails:
        return drawn(one.sample, printed[one.key], N_DRAWS, generator).tails

    return float((structure.tails(tails_of).outcome > 0).mean())


def _standing(one: Comparison) -> float:
    return one.standing


def _flat(candidates: Sequence[Sequence[Comparison]]) -> list[Comparison]:
    return [one for rivals in candidates for one in rivals]


def _rank_of_reason(reason: str) -> int:
    ranks = (comparison.AT_CHANCE, comparison.STAND_IN, comparison.SHORTENED, comparison.ONE_SEED)
    return [*(reason.startswith(rank) for rank in ranks), True].index(True)


def _settings(claim: Claim, suite: str, evidence: Evidence) -> list[list[Place]]:
    """The places of every setting, which differ in the models of which one has to fulfil the claim."""
    measured = claim.measured
    groups = [[model] for model in measured.models or ()] or [list(measured.one_of or ())]
    found: list[list[Place]] = []
    for dataset, encoding, fraction, group in itertools.product(
        measured.datasets or (None,), measured.encodings or (None,), measured.train_fractions or (None,), groups
    ):
        base = Place(suite, measured.experiment, measured.metric, "", dataset, encoding, fraction)
        places = [replace(base, model=model) for model in group]
        for condition in _conditions(measured, places, evidence):
            at_condition = [replace(place, condition=condition) for place in places]
            items = _items(measured, at_condition, evidence)
            found += ([replace(place, item=item) for place in at_condition] for item in items)
    return found


def _conditions(
    measured: Measured, places: list[Place], evidence: Evidence
) -> Sequence[float | Literal["mean"] | None]:
    if measured.conditions == "mean":
        return ("mean",)
    if measured.conditions != "each":
        return measured.conditions or (None,)
    item = measured.items[0] if isinstance(measured.items, tuple) else None
    there = {condition for place in places for condition in evidence.conditions(replace(place, item=item))}
    return sorted(there - {measured.change_from}) or (None,)


def _items(measured: Measured, places: list[Place], evidence: Evidence) -> Sequence[str | None]:
    if measured.items != "each":
        return measured.items or (None,)
    return sorted({item for place in places for item in evidence.items(place)}) or (None,)


def _names(groups: list[list[Place]]) -> list[str]:
    """Names that tell each setting from the others."""
    words: dict[str, Callable[[Any], str]] = {
        "dataset": str,
        "encoding": str,
        "train_fraction": lambda fraction: f"{100 * fraction:g} % of the samples",
        "condition": lambda condition: f"at {condition:g}",
        "item": str,
    }
    # Where a setting has several models, they do not tell it from others.
    axes = [*words, *(["model"] if all(len(places) == 1 for places in groups) else [])]
    varying = [axis for axis in axes if len({getattr(places[0], axis) for places in groups}) > 1]
    return [
        " ".join(words.get(axis, str)(value) for axis in varying if (value := getattr(places[0], axis)) is not None)
        for places in groups
    ]


def _rivals(place: Place, rival: Rival | None) -> list[Place | None]:
    """The places that a place is compared with; None where its own value counts."""
    if rival is None:
        return [None]
    changes = rival.model_dump(exclude={"models"}, exclude_none=True)
    return [replace(place, **changes, model=model) for model in rival.models or (place.model,)]


def _detail(judged: Judged, paper: Judged) -> str:
    """Settings that decide, in words."""
    settings, shown = judged.settings, judged.shown
    sentences = []
    if len(settings) > 1 and shown.measured:
        outcomes = _outcomes_of_settings(judged)
        counts = [f"{outcomes.count(word)} {word}" for word in _OUTCOMES if word in outcomes]
        sentences.append(f"of {len(settings)} settings {', '.join(counts)}")
        failing = zip(settings, outcomes, strict=True)
        sentences += _listed("fail: ", [one.name for one, outcome in failing if outcome == "fail"])
    if shown.measured and shown.name:
        sentences.append(f"shown: {shown.name}")
    contradicting = paper.structure.of_settings(lambda one: one.each)
    failures = [one.name for one, tails in zip(paper.settings, contradicting, strict=True) if tails.outcome < 0]
    sentences += _listed("in the study's own numbers fail: ", [name for name in failures if name])
    return "; ".join(sentences)


def _outcomes_of_settings(judged: Judged) -> list[str]:
    """Word on each setting by itself; failures are corrected for the number of settings by Holm's method."""
    exact = judged.claim.by_construction
    tails = judged.structure.of_settings((lambda one: one.each) if exact else (lambda one: one.tails))
    corrected = holm([float(one.fails) for one in tails])
    words = []
    for one, own, fails in zip(judged.settings, tails, corrected, strict=True):
        if not one.measured:
            words.append("not measured")
        elif fails <= LEVEL:
            words.append("fail")
        elif own.holds <= LEVEL:
            words.append("hold")
        else:
            words.append(NOT_TESTED if one.untested else OPEN)
    return words


def _listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return [what + ", ".join(names[:_MOST_NAMES]) + more]
