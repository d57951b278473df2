"""Evidence for claims: values of the tables of results, looked up by their places."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import pandas as pd

from phasebench.specs.run import coordinates, rounded

# A value that does not say its level of one of these holds for every level.
_AXES = coordinates("suite", "experiment", "stands_in_for", "variant", "model", "seed")
_SAID = coordinates("stands_in_for", "variant")
_PUBLISHED = "published_"
MAJORITY = "majority_accuracy"
REPLICATE = "_replicate"
"""Bootstrap replicates of a metric are metrics with this ending, whose condition is the number of the replicate."""
QUARTILES = ("_low", "_high")
"""Endings of the quartiles of a metric that is a median."""


@dataclass(frozen=True)
class Place:
    """Place of a value in the tables. ``dataset`` is the study's; None stands for any.

    A value without condition is not that of a condition, and one without item not that of an item.
    """

    suite: str
    experiment: str
    metric: str
    model: str | None
    dataset: str | None = None
    encoding: str | None = None
    train_fraction: float | None = None
    condition: float | Literal["mean"] | None = None
    item: str | None = None


@dataclass(frozen=True)
class Values:
    """Values at a place.

    Attributes
    ----------
    by_seed
        Seed -> value; the seed is None where a value belongs to all seeds together.
    stand_ins
        (data set used, the study's), sorted, where another was used.
    runs
        Ids of the runs that the values come from.
    shortened
        Whether a run was trained for fewer steps than in the study.
    ambiguous
        Whether the place has several different values for a seed; ``by_seed`` is empty then.
    error
        Standard error of the value that belongs to all seeds together; NaN if it is not known.
    n
        Networks, or rounds of a timing, behind that value.
    replicates
        Number of a bootstrap replicate -> value, of the value that belongs to all seeds together.
    std, n_published
        Deviation and number of values behind a printed value.
    """

    by_seed: Mapping[int | None, float]
    stand_ins: tuple[tuple[str, str], ...] = ()
    runs: frozenset[str] = frozenset()
    shortened: bool = False
    ambiguous: bool = False
    error: float = math.nan
    n: int = 0
    replicates: Mapping[float, float] = field(default_factory=dict)
    std: float | None = None
    n_published: int = 1


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of a table; what it does not say is None."""

    suite: str | None
    experiment: str | None
    metric: str | None
    model: str | None
    dataset: str | None
    stands_in_for: str | None
    encoding: str | None
    train_fraction: float | None
    condition: float | None
    seed: int | None
    item: str | None
    value: float | None
    n: int | None
    std: float | None
    runs: tuple[str, ...] = ()

    def at(self, axis: str) -> str | float | None:
        """Level of an axis; the data set is called as the study calls it."""
        level: str | float | None = getattr(self, axis)
        return self.stands_in_for or level if axis == "dataset" else level


class Evidence:
    """Values by their places.

    Parameters
    ----------
    entries : iterable
        Rows of the tables; those without value do not count.
    shortened : frozenset of str
        Ids of the runs that were trained for fewer steps than in the study.
    says_items : bool
        False if values do not say of which item they are, as printed ones; they are then of any.
    """

    def __init__(
        self, entries: Iterable[_Entry], shortened: frozenset[str] = frozenset(), *, says_items: bool = True
    ) -> None:
        self._shortened = shortened
        self._says_items = says_items
        self._groups = defaultdict[tuple[str | None, ...], list[_Entry]](list)
        for entry in entries:
            if entry.value is not None:
                self._groups[entry.suite, entry.experiment, entry.metric, entry.model].append(entry)

    def values(self, place: Place) -> Values:
        """The values at a place."""
        condition, item = _rounded(place.condition), place.item if self._says_items else None
        found = [entry for entry in self._around(place) if (entry.condition, entry.item) == (condition, item)]
        by_seed: dict[int | None, float] = {}
        for entry in found:
            if entry.value is not None and by_seed.setdefault(entry.seed, entry.value) != entry.value:
                return Values({}, ambiguous=True)
        runs = frozenset(run for entry in found for run in entry.runs)
        of_all = set(by_seed) == {None}
        replicates = self._replicates(place) if of_all else {}
        counts = [entry.n for entry in found if entry.n is not None]
        spreads = [entry.std for entry in found if entry.std is not None]
        n = min(counts, default=0)
        return Values(
            by_seed,
            tuple(sorted({(str(entry.dataset), entry.stands_in_for) for entry in found if entry.stands_in_for})),
            runs,
            not runs.isdisjoint(self._shortened),
            error=self._error(place, replicates, n) if of_all else math.nan,
            n=n,
            replicates=replicates,
            std=max(spreads, default=None),
            n_published=max(n, 1),
        )

    def has_learned(self, place: Place) -> bool | None:
        """True if the place's networks are more accurate on the test than the majority class; None if it is not known.

        Their mean accuracy has to be two standard errors of a share of the test samples above it.
        """
        tested = replace(place, metric="test_accuracy", condition=None, item=None)
        accuracies = self.values(tested).by_seed.values()
        baselines = list(self._around(replace(tested, metric=MAJORITY, model=None)))
        majorities = [(entry.value, entry.n) for entry in baselines if entry.value is not None and entry.n]
        if not accuracies or not majorities:
            return None
        majority, n_test = max(majorities)
        error = math.sqrt(majority * (1.0 - majority) / n_test)
        return bool(sum(accuracies) / len(accuracies) > majority + 2.0 * error)

    def models(self, place: Place) -> list[str]:
        """Names of the networks whose test accuracy in the place's experiment is known."""
        wanted = (place.suite, place.experiment, "test_accuracy")
        return sorted(key[3] for key in self._groups if key[:3] == wanted and key[3] is not None)

    def _replicates(self, place: Place) -> dict[float, float]:
        """Bootstrap replicates of a value, by their numbers."""
        around = self._around(replace(place, metric=place.metric + REPLICATE))
        return {
            entry.condition: entry.value
            for entry in around
            if entry.item == place.item and entry.condition is not None and entry.value is not None
        }

    def _error(self, place: Place, replicates: Mapping[float, float], n: int) -> float:
        """Standard error of a value of all seeds: by its replicates, or of a median by its quartiles."""
        if len(replicates) > 1:
            return statistics.stdev(replicates.values())
        quartiles = []
        for end in QUARTILES:
            around = self._around(replace(place, metric=place.metric + end))
            at_place = (entry for entry in around if (entry.condition, entry.item) == (place.condition, place.item))
            quartiles += [entry.value for entry in at_place if entry.value is not None][:1]
        if len(quartiles) < len(QUARTILES) or n < 2:
            return math.nan
        # The quartiles of a normal distribution, and the standard error of its median.
        return (quartiles[1] - quartiles[0]) / 1.349 * math.sqrt(math.pi / 2 / n)

    def conditions(self, place: Place) -> list[float]:
        """The conditions for which there are values, whatever condition the place has."""
        found = (entry.condition for entry in self._around(place) if entry.item == place.item)
        return sorted({condition for condition in found if condition is not None})

    def items(self, place: Place) -> list[str]:
        """The items for which there are values, whatever item the place has."""
        condition = _rounded(place.condition)
        found = (entry.item for entry in self._around(place) if entry.condition == condition)
        return sorted({item for item in found if item is not None})

    def _around(self, place: Place) -> Iterator[_Entry]:
        """The values at a place under any condition and of any item."""
        wanted = [(axis, level) for axis in _AXES if (level := _rounded(getattr(place, axis))) is not None]
        for entry in self._groups.get((place.suite, place.experiment, place.metric, place.model), ()):
            if all(entry.at(axis) in (None, level) for axis, level in wanted):
                yield entry


def measured_evidence(
    metrics: pd.DataFrame, analyses: pd.DataFrame, runs: pd.DataFrame, shortened: frozenset[str]
) -> Evidence:
    """Evidence that the benchmark measured; the counts of ``runs`` stand there as the metric ``parameters``."""
    counts = list(_entries(runs.assign(metric="parameters", value=runs["parameters"])))
    # Hundreds of replicates come from the same runs.
    behind: dict[tuple[object, ...], tuple[str, ...]] = {}
    computed = []
    for entry in _entries(analyses[~_is_published(analyses)]):
        said = _coordinates_of(entry)
        if said not in behind:
            behind[said] = _runs_behind(said, counts)
        computed.append(replace(entry, runs=behind[said]))
    return Evidence([*_entries(metrics), *counts, *computed], shortened)


def published_evidence(published: pd.DataFrame, analyses: pd.DataFrame) -> Evidence:
    """Evidence that the studies printed, and that analyses computed from it (metrics ``published_...``)."""
    computed = [
        replace(entry, metric=str(entry.metric).removeprefix(_PUBLISHED))
        for entry in _entries(analyses[_is_published(analyses)])
    ]
    return Evidence([*_entries(published), *computed], says_items=False)


def _is_published(analyses: pd.DataFrame) -> "pd.Series[bool]":
    """True for the rows that were computed from printed numbers."""
    metrics = analyses["metric"] if "metric" in analyses else pd.Series("", index=analyses.index)
    return metrics.astype("object").fillna("").astype(str).str.startswith(_PUBLISHED)


def _coordinates_of(entry: _Entry) -> tuple[tuple[str, object], ...]:
    """Coordinates that an entry says, with their levels."""
    levels = ((axis, getattr(entry, axis)) for axis in _SAID)
    return tuple((axis, level) for axis, level in levels if level is not None)


def _runs_behind(said: tuple[tuple[str, object], ...], runs: Iterable[_Entry]) -> tuple[str, ...]:
    """Ids of all runs that a value with these coordinates can have been computed from."""
    return tuple(
        run for entry in runs if all(getattr(entry, axis) == level for axis, level in said) for run in entry.runs
    )


def _entries(table: pd.DataFrame) -> Iterator[_Entry]:
    """The rows of a table; columns that it does not have are empty."""
    names = [column.name for column in fields(_Entry) if column.name != "runs"]
    columns = table.reindex(columns=[*names, "run"]).astype(object)
    for *levels, run in columns.where(columns.notna(), None).itertuples(index=False, name=None):
        row: dict[str, Any] = {name: None if level == "" else level for name, level in zip(names, levels, strict=True)}
        for name in ("train_fraction", "condition"):
            row[name] = _rounded(None if row[name] is None else float(row[name]))
        yield _Entry(**row, runs=() if run is None else (run,))


def _rounded(level: Any) -> Any:
    """A level as it is compared; fractions and conditions are rounded."""
    return rounded(level) if isinstance(level, float) else level
