"""Verdicts on the claims of the studies, by what was measured and by what the studies printed themselves.

A comparison is True, False or open (None). A claim that has to hold in k of n settings is as true as the k-th best of
them; one that has to hold against every rival is as true as the worst, and one that has to hold for one of several
models as the best. Every comparison has its own 95 % interval; nothing is corrected for their number.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from phasebench.claims.comparison import INTERVAL_CONTAINS_BOUND, Comparison, best_last, compare, worst_first
from phasebench.claims.evidence import Evidence, Place, measured_evidence, published_evidence
from phasebench.claims.marks import BY_CONSTRUCTION, NOT_REPRODUCED, NOT_TESTED, OPEN, REPRODUCED
from phasebench.claims.model import Claim, Measured, Rival, StudyClaims

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


@dataclass(frozen=True)
class Judgement:
    """A claim's outcome and the comparisons behind it, one for each setting."""

    outcome: bool | None
    reason: str
    shown: Comparison
    settings: tuple[Comparison, ...]
    runs: frozenset[str]


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
        One row per claim, in the order of the files, with :data:`COLUMNS`. ``mean``, ``std``, ``low`` and ``high`` are
        of the comparison that decides, in the tables' units (accuracies from 0 to 1); ``threshold`` is text in the
        claim's unit. ``paper_agrees`` (yes, no, no number printed) is the same claim judged by the
        study's printed numbers.
    """
    measured = measured_evidence(metrics, analyses, runs, shortened)
    printed = published_evidence(published, analyses)
    rows = [_row(study.suite, claim, measured, printed) for study in studies for claim in study.claims]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": "int64"})


def judge(claim: Claim, suite: str, evidence: Evidence) -> Judgement:
    """Judge one claim by one collection of values."""
    comparisons = []
    runs: set[str] = set()
    groups = _settings(claim, suite, evidence)
    for name, places in zip(_names(groups), groups, strict=True):
        candidates = []
        for place in places:
            against = [compare(claim, name, place, rival, evidence) for rival in _rivals(place, claim.rival)]
            runs.update(*(comparison.runs for comparison in against))
            candidates.append(min(against, key=worst_first))
        comparisons.append(max(candidates, key=best_last))
    ordered = sorted(comparisons, key=worst_first)
    needed = claim.in_at_least or len(ordered)
    decisive = ordered[max(len(ordered) - needed, 0)]
    outcome, reason = decisive.outcome, decisive.reason
    if needed > len(ordered):
        outcome, reason = None, reason or f"only {len(ordered)} settings were measured"
    shown = decisive if decisive.measured else min(comparisons, key=lambda one: (not one.measured, one.margin))
    return Judgement(outcome, reason, shown, tuple(comparisons), frozenset(runs))


def _row(suite: str, claim: Claim, measured: Evidence, printed: Evidence) -> dict[str, object]:
    judgement, paper = judge(claim, suite, measured), judge(claim, suite, printed)
    summary = judgement.shown.summary
    texts = {name: getattr(claim, name) for name in ("text", "where", "published", "unit", "threshold")}
    numbers = {name: getattr(summary, name) for name in ("mean", "std", "low", "high", "n")}
    return {
        "suite": suite,
        "claim": claim.id,
        "part": "",
        "kind": "property" if claim.by_construction else "finding",
        "experiment": claim.measured.experiment,
        **texts,
        **numbers,
        "mark": _mark(claim, judgement),
        "direction": "",
        "reason": judgement.reason,
        "power": math.nan,
        "seeds_to_decide": math.nan,
        "paper_agrees": _PAPER_AGREES[paper.outcome],
        "detail": _detail(judgement, paper),
        "runs": " ".join(sorted(judgement.runs)),
    }


def _mark(claim: Claim, judgement: Judgement) -> str:
    if judgement.outcome is None:
        return OPEN if judgement.reason == INTERVAL_CONTAINS_BOUND else NOT_TESTED
    if not judgement.outcome:
        return NOT_REPRODUCED
    return BY_CONSTRUCTION if claim.by_construction else REPRODUCED


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


def _conditions(measured: Measured, places: list[Place], evidence: Evidence) -> Sequence[float | None]:
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


def _detail(judgement: Judgement, paper: Judgement) -> str:
    """Settings that decide, in words."""
    settings, shown = judgement.settings, judgement.shown
    sentences = []
    if len(settings) > 1 and shown.measured:
        outcomes = [one.outcome if one.measured else "not measured" for one in settings]
        words = {True: "hold", False: "fail", None: "open", "not measured": "not measured"}
        counts = [f"{outcomes.count(outcome)} {word}" for outcome, word in words.items() if outcome in outcomes]
        sentences.append(f"of {len(settings)} settings {', '.join(counts)}")
        sentences += _listed("fail: ", [one.name for one in settings if one.outcome is False])
    if shown.measured and shown.name:
        sentences.append(f"shown: {shown.name}")
    failures = [one.name for one in paper.settings if one.outcome is False and one.name]
    sentences += _listed("in the study's own numbers fail: ", failures)
    return "; ".join(sentences)


def _listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return [what + ", ".join(names[:_MOST_NAMES]) + more]
