"""The claims of each study with their verdicts."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from phasebench.claims.marks import MARKS, count_marks
from phasebench.reporting.experiments import display_names_of
from phasebench.reporting.labels import MINUS, decimal, per_cent, slug, sortable
from phasebench.tables.read import ReportTables

# Units of fractions that are printed a hundredfold -> what stands behind the number.
_HUNDREDFOLD = {"points": "points", "percent": "%"}
_ORDER = tuple(MARKS)
_SIGNS = dict(zip(_ORDER, ("✓", "✗", "?", "≡", "·"), strict=True))
_CLASSES = dict(zip(_ORDER, ("yes", "no", "open", "property", "untested"), strict=True))


@dataclass(frozen=True)
class VerdictRow:
    """A claim as the page shows it; ``runs`` are the ids of those that it was judged by."""

    claim: str
    text: str
    where: str
    published: str
    threshold: str
    unit: str
    mean: float
    std: float
    low: float
    high: float
    n: int
    mark: str
    direction: str
    reason: str
    detail: str
    paper_agrees: str
    runs: tuple[str, ...]

    @property
    def sign_of_mark(self) -> str:
        """A sign before the mark's word."""
        return _SIGNS[self.mark]

    @property
    def css_class(self) -> str:
        """CSS class by which the page colours it."""
        return _CLASSES[self.mark]

    @property
    def order(self) -> str:
        """Rank of the mark, for sorting; the highest is that of a reproduced claim."""
        return str(-_ORDER.index(self.mark))

    @property
    def measured(self) -> str:
        """The mean; '' if nothing was measured."""
        return "" if math.isnan(self.mean) else self._printed(self.mean)

    @property
    def spread(self) -> str:
        """The standard deviation over seeds, or ''."""
        return "" if math.isnan(self.std) else self._printed(self.std)

    @property
    def sign(self) -> str:
        """Unit behind a measured number, or ''."""
        return _HUNDREDFOLD.get(self.unit, "")

    @property
    def basis(self) -> str:
        """The interval and the number of values: '6.20 to 7.80, n = 3'."""
        bounds = "" if math.isnan(self.low) else f"{self._printed(self.low)} to {self._printed(self.high)}, "
        return f"{bounds}n = {self.n}"

    @property
    def measured_order(self) -> str:
        """Measured value, for sorting."""
        return sortable(self.mean)

    def _printed(self, value: float) -> str:
        if self.unit in _HUNDREDFOLD:
            return per_cent(value)
        whole = self.unit == "count" and float(value).is_integer()
        return f"{value:,.0f}".replace("-", MINUS) if whole else decimal(value)


@dataclass(frozen=True)
class StudyVerdicts:
    """All claims of a suite; ``name`` is the suite's for reading."""

    suite: str
    name: str
    rows: tuple[VerdictRow, ...]

    @property
    def slug(self) -> str:
        """Name for anchors and files."""
        return slug(self.suite, "claims")

    @property
    def counts(self) -> list[tuple[str, str, str, int]]:
        """(mark, sign, CSS class, claims) of each mark, also where there are none."""
        counts = count_marks(row.mark for row in self.rows)
        return [(mark, _SIGNS[mark], _CLASSES[mark], count) for mark, count in counts.items()]

    @property
    def contradicted(self) -> int:
        """Claims that do not hold of the study's own numbers."""
        return sum(row.paper_agrees == "no" for row in self.rows)


def study_verdicts(tables: ReportTables) -> list[StudyVerdicts]:
    """The studies that have claims, with their rows in the order of the table."""
    names, display_name = _names(tables), display_names_of(tables)
    return [
        StudyVerdicts(
            str(suite), display_name(str(suite)), tuple(_row(record, names) for record in rows.to_dict("records"))
        )
        for suite, rows in tables.claims.groupby("suite", sort=False)
    ]


def all_verdicts(studies: Iterable[StudyVerdicts]) -> StudyVerdicts:
    """The claims of all studies, for counting."""
    return StudyVerdicts("all_studies", "All studies", tuple(row for study in studies for row in study.rows))


def study_frame(tables: ReportTables, study: StudyVerdicts) -> pd.DataFrame:
    """A study's claims as they came, for a file."""
    return tables.claims[tables.claims["suite"] == study.suite].reset_index(drop=True)


def _names(tables: ReportTables) -> dict[str, str]:
    """Identifier of a model, a data set or an encoding -> how a reader knows it."""
    columns = [table[name] for table in (tables.runs, tables.published) for name in ("dataset", "encoding")]
    identifiers = pd.concat([*columns, tables.runs["stands_in_for"]])
    display_name = display_names_of(tables)
    names = {name: display_name(name) for name in identifiers}
    # In the middle of a sentence, a word stays as it is.
    names = {name: shown for name, shown in names.items() if shown.lower() != name or shown.isupper()}
    return names | dict(zip(tables.models["model"], tables.models["label"], strict=True))


def _row(record: dict[Any, Any], names: Mapping[str, str]) -> VerdictRow:
    values = {field.name: record[field.name] for field in fields(VerdictRow)}
    for part in ("reason", "detail"):
        values[part] = re.sub(r"\w+", lambda word: names.get(word[0], word[0]), values[part])
    n = 0 if math.isnan(record["n"]) else int(record["n"])
    return VerdictRow(**{**values, "n": n, "runs": tuple(record["runs"].split())})
