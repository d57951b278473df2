"""The claims of each study with their marks."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import pandas as pd

from phasebench.claims.marks import (
    MARKS,
    NOT_REPRODUCED,
    NOT_TESTED,
    OTHER_WAY,
    REPRODUCED,
    SAME_WAY,
    count_marks,
    worded,
)
from phasebench.reporting.experiments import display_names_of
from phasebench.reporting.labels import MINUS, decimal, per_cent, slug
from phasebench.tables.read import ReportTables

# Units of fractions that are printed a hundredfold -> what stands behind the number.
_HUNDREDFOLD = {"points": "points", "percent": "%"}
_SHAPES = dict(zip(MARKS, ("yes", "no", "open", "built", "none"), strict=True))
_WEAK_SHAPES = {SAME_WAY: "same", OTHER_WAY: "other"}
_NUMBER = re.compile(rf"[-{MINUS}]?\d+(?:\.\d+)?")
_WEAK_MEANING = "The direction alone, on stand-in data or after shortened training: no test of the claim."
_EXTREMES: tuple[dict[str, str], ...] = (
    {"Strongest agreements": REPRODUCED, "Strongest disagreements": NOT_REPRODUCED},
    {"Not tested, but points the same way": SAME_WAY, "Not tested, and points the other way": OTHER_WAY},
)
_RANKS = {mark: rank for rank, mark in enumerate(MARKS)}


@dataclass(frozen=True)
class Counted:
    """Number of claims with a mark, what it means, and its CSS class, by which its symbol is named too."""

    mark: str
    meaning: str
    shape: str
    number: int

    @property
    def words(self) -> str:
        """The mark as it stands behind the number."""
        return worded(self.mark, self.number)


@dataclass(frozen=True)
class ClaimRow:
    """A claim as the page shows it; ``runs`` are the ids of those that it was judged by."""

    suite: str
    claim: str
    part: str
    kind: str
    experiment: str
    text: str
    where: str
    published: str
    unit: str
    threshold: str
    mean: float
    std: float
    low: float
    high: float
    n: int
    mark: str
    direction: str
    reason: str
    detail: str
    power: float
    paper_agrees: str
    runs: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """Id of the claim's part on the page."""
        return slug("claim", self.suite, self.claim, *filter(None, [self.part]))

    @property
    def shape(self) -> str:
        """CSS class and symbol: the mark's, or that of a weak direction on other data than the study's."""
        return _WEAK_SHAPES.get(self.direction, _SHAPES[self.mark]) if self.mark == NOT_TESTED else _SHAPES[self.mark]

    @property
    def verdict(self) -> str:
        """The mark in words, with the direction seen on other data than the study's."""
        return f"{self.mark}; {self.direction}" if self.mark == NOT_TESTED and self.direction else self.mark

    @property
    def is_decided(self) -> bool:
        """True if something was found out; what was not tested is folded away."""
        return self.mark != NOT_TESTED

    @property
    def measured(self) -> str:
        """The mean with its standard deviation over seeds and its unit; '' if nothing was measured."""
        if math.isnan(self.mean):
            return ""
        spread = "" if math.isnan(self.std) else f" ± {self._printed(self.std)}"
        return f"{self._printed(self.mean)}{spread} {_HUNDREDFOLD.get(self.unit, '')}".strip()

    @property
    def interval(self) -> str:
        """The 95 % interval of the mean: '6.20 to 7.80', or ''."""
        return "" if math.isnan(self.low) else f"{self._printed(self.low)} to {self._printed(self.high)}"

    @property
    def strength(self) -> float:
        """Distance of the mean from the nearest number of the threshold, in half-widths of its interval.

        NaN where there is no interval, infinite where it has no width.
        """
        half = (self.high - self.low) / 2
        numbers = [float(text.replace(MINUS, "-")) for text in _NUMBER.findall(self.threshold)]
        if math.isnan(half) or not numbers:
            return math.nan
        factor = 0.01 if self.unit in _HUNDREDFOLD else 1.0
        distance = min(abs(self.mean - factor * number) for number in numbers)
        return distance / half if half > 0 else math.inf

    def _printed(self, value: float) -> str:
        if self.unit in _HUNDREDFOLD:
            return per_cent(value)
        whole = self.unit == "count" and float(value).is_integer()
        return f"{value:,.0f}".replace("-", MINUS) if whole else decimal(value)


@dataclass(frozen=True)
class Claim:
    """A claim with its parts, such as direction and size, the one that says most first."""

    parts: tuple[ClaimRow, ...]

    @property
    def first(self) -> ClaimRow:
        """The part that says most."""
        return self.parts[0]


@dataclass(frozen=True)
class StudyVerdicts:
    """All claims of a suite, those that say most first; ``name`` is the suite's for reading."""

    suite: str
    name: str
    rows: tuple[ClaimRow, ...]

    @property
    def slug(self) -> str:
        """Name for files."""
        return slug(self.suite, "claims")

    @property
    def counts(self) -> list[Counted]:
        """Claims with each mark, also where there are none."""
        numbers = count_marks(row.mark for row in self.rows)
        return [Counted(mark, MARKS[mark], _SHAPES[mark], number) for mark, number in numbers.items()]

    @property
    def directions(self) -> list[Counted]:
        """Claims that were not tested and yet point some way on other data than the study's."""
        numbers = {way: sum(row.shape == shape for row in self.rows) for way, shape in _WEAK_SHAPES.items()}
        return [Counted(way, _WEAK_MEANING, _WEAK_SHAPES[way], number) for way, number in numbers.items()]

    @property
    def contradicted(self) -> int:
        """Claims that do not hold of the study's own numbers."""
        return sum(row.paper_agrees == "no" for row in self.rows)

    def of(self, experiment: str) -> "StudyVerdicts":
        """The claims about one experiment."""
        return replace(self, rows=tuple(row for row in self.rows if row.experiment == experiment))

    @property
    def decided(self) -> list[Claim]:
        """Claims of which something was found out."""
        return [claim for claim in self._claims() if claim.first.is_decided]

    @property
    def folded(self) -> list[Claim]:
        """Claims that were not tested."""
        return [claim for claim in self._claims() if not claim.first.is_decided]

    def _claims(self) -> list[Claim]:
        parts: dict[str, list[ClaimRow]] = {}
        for row in self.rows:
            parts.setdefault(row.claim, []).append(row)
        return [Claim(tuple(rows)) for rows in parts.values()]


def study_verdicts(tables: ReportTables) -> dict[str, StudyVerdicts]:
    """Suite -> its claims, for studies that have claims."""
    names, display_name = _names(tables), display_names_of(tables)
    studies = {}
    for suite, records in tables.claims.groupby("suite", sort=False):
        rows = sorted((_row(record, names) for record in records.to_dict("records")), key=_rank)
        studies[str(suite)] = StudyVerdicts(str(suite), display_name(str(suite)), tuple(rows))
    return studies


def all_verdicts(studies: Iterable[StudyVerdicts]) -> StudyVerdicts:
    """The claims of all studies, for counting."""
    return StudyVerdicts("all_studies", "All studies", tuple(row for study in studies for row in study.rows))


def study_frame(tables: ReportTables, study: StudyVerdicts) -> pd.DataFrame:
    """A study's claims as they came, for a file."""
    return tables.claims[tables.claims["suite"] == study.suite].reset_index(drop=True)


def strongest(rows: Iterable[ClaimRow], verdict: str, most: int) -> list[ClaimRow]:
    """Findings that lie farthest from what they were tested against; properties are no findings.

    Parameters
    ----------
    verdict
        A mark, or a direction of what was not tested.
    """
    chosen = [row for row in rows if verdict in (row.mark, row.direction) and row.kind == "finding"]
    return sorted(chosen, key=lambda row: (math.isnan(row.strength), -row.strength))[:most]


def extremes(rows: Sequence[ClaimRow], most: int) -> list[tuple[str, list[ClaimRow]]]:
    """Headings with the strongest agreements and disagreements; where nothing was decided, by direction alone."""
    for headings in _EXTREMES:
        found = [(heading, strongest(rows, verdict, most)) for heading, verdict in headings.items()]
        if any(chosen for _, chosen in found):
            return [(heading, chosen) for heading, chosen in found if chosen]
    return []


def _rank(row: ClaimRow) -> tuple[int, bool]:
    return _RANKS[row.mark], not row.direction


def _names(tables: ReportTables) -> dict[str, str]:
    """Identifier of a model, a data set or an encoding -> how a reader knows it."""
    columns = [table[name] for table in (tables.runs, tables.published) for name in ("dataset", "encoding")]
    identifiers = pd.concat([*columns, tables.runs["stands_in_for"]])
    display_name = display_names_of(tables)
    names = {name: display_name(name) for name in identifiers}
    # In the middle of a sentence, a word stays as it is.
    names = {name: shown for name, shown in names.items() if shown.lower() != name or shown.isupper()}
    return names | dict(zip(tables.models["model"], tables.models["label"], strict=True))


def _row(record: dict[Any, Any], names: Mapping[str, str]) -> ClaimRow:
    values = {field.name: record[field.name] for field in fields(ClaimRow)}
    for part in ("reason", "detail"):
        values[part] = re.sub(r"\w+", lambda word: names.get(word[0], word[0]), values[part])
    n = 0 if math.isnan(record["n"]) else int(record["n"])
    return ClaimRow(**{**values, "n": n, "runs": tuple(record["runs"].split())})
