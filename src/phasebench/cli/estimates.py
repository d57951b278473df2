"""Estimates as a reader sees them: rows by suite, experiment and data set, and totals."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from phasebench.provenance.estimate import Work

HEADINGS = ("suite", "experiment", "data set", "stage", "jobs", "hours", "disk", "basis of hours", "basis of disk")
_BYTES = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Cost:
    """Sums over some jobs.

    Attributes
    ----------
    jobs
        Number of jobs.
    card_hours, core_hours
        Sums over the jobs whose time is known.
    unknown_time
        Jobs whose time is not.
    disk_bytes
        Sum over the jobs whose disk is known.
    unknown_disk
        Jobs whose disk is not.
    """

    jobs: int
    card_hours: float
    core_hours: float
    unknown_time: int
    disk_bytes: float
    unknown_disk: int

    @classmethod
    def of(cls, work: Sequence[Work]) -> "Cost":
        """Sum over some jobs."""
        hours = {
            unit: sum(job.seconds or 0.0 for job in work if job.unit == unit) / 3600.0 for unit in ("card", "core")
        }
        return cls(
            len(work),
            hours["card"],
            hours["core"],
            sum(job.seconds is None for job in work),
            sum(job.disk or 0.0 for job in work),
            sum(job.disk is None for job in work),
        )

    @property
    def hours(self) -> str:
        """Hours in words, unknown ones included."""
        known = [f"{_number(value)} {unit} h" for value, unit in self._by_unit if value]
        if self.unknown_time == self.jobs > 0:
            return "unknown"
        rest = [f"{self.unknown_time} of {self.jobs} unknown"] if self.unknown_time else []
        return ", ".join([*(known or ["0 h"]), *rest])

    @property
    def disk(self) -> str:
        """Disk in words, unknown parts included."""
        if self.unknown_disk == self.jobs > 0:
            return "unknown"
        rest = f", {self.unknown_disk} of {self.jobs} unknown" if self.unknown_disk else ""
        return f"{size(self.disk_bytes)}{rest}"

    @property
    def _by_unit(self) -> tuple[tuple[float, str], ...]:
        return (self.card_hours, "card"), (self.core_hours, "core")


@dataclass(frozen=True)
class Row:
    """Jobs of one stage on one data set of an experiment."""

    suite: str
    experiment: str
    dataset: str
    stage: str
    cost: Cost
    time_from: tuple[str, ...]
    disk_from: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """Texts under :data:`HEADINGS`."""
        place = (self.suite or "-", self.experiment or "-", self.dataset or "-", self.stage)
        bases = ("; ".join(self.time_from), "; ".join(self.disk_from))
        return (*place, f"{self.cost.jobs:,}", self.cost.hours, self.cost.disk, *bases)

    def as_dict(self) -> dict[str, Any]:
        """Content for JSON."""
        place = {"suite": self.suite, "experiment": self.experiment, "dataset": self.dataset, "stage": self.stage}
        return {**place, **vars(self.cost), "time_from": self.time_from, "disk_from": self.disk_from}


def rows(work: Iterable[Work]) -> list[Row]:
    """Sum by suite, experiment, data set and stage, in the order of the plan."""

    def place(job: Work) -> tuple[str, str, str, str]:
        return job.suite, job.experiment, job.dataset, job.stage

    positions: dict[tuple[str, str, str, str], int] = {}
    for job in (jobs := list(work)):
        positions.setdefault(place(job), len(positions))
    found = []
    for key, group in groupby(sorted(jobs, key=lambda job: positions[place(job)]), key=place):
        own = list(group)
        bases = (tuple(dict.fromkeys(job.time_from for job in own)), tuple(dict.fromkeys(job.disk_from for job in own)))
        found.append(Row(*key, Cost.of(own), *bases))
    return found


def total(work: Sequence[Work]) -> str:
    """Totals in one line."""
    if not work:
        return "nothing is left to be done"
    counts: dict[str, int] = {}
    for job in work:
        counts[job.stage] = counts.get(job.stage, 0) + 1
    jobs = ", ".join(f"{number:,} {stage}" for stage, number in counts.items())
    cost = Cost.of(work)
    checkpoint = max(job.checkpoint for job in work)
    beside = f"; a checkpoint takes up to {size(checkpoint)} while a run trains" if checkpoint else ""
    return f"{len(work):,} jobs ({jobs}): {cost.hours}; disk {cost.disk}{beside}"


def as_json_object(work: Sequence[Work]) -> dict[str, Any]:
    """Rows and totals for JSON."""
    return {
        "rows": [row.as_dict() for row in rows(work)],
        "total": {**vars(Cost.of(work)), "checkpoint_bytes": max((job.checkpoint for job in work), default=0)},
    }


def show(work: Sequence[Work], notes: Sequence[str] = ()) -> None:
    """Print a table on a terminal, else aligned lines; then the notes and the total."""
    import sys

    found = rows(work)
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(*HEADINGS)
        for row in found:
            table.add_row(*row.cells)
        Console().print(table)
    else:
        lines = [HEADINGS, *(row.cells for row in found)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print("\n".join([*notes, total(work)]))


def size(number: float) -> str:
    """A number of bytes with its unit."""
    unit = 0
    while number >= 999.5 and unit + 1 < len(_BYTES):
        number, unit = number / 1000.0, unit + 1
    return f"{number:.0f} {_BYTES[unit]}" if unit == 0 or number >= 99.5 else f"{number:.2g} {_BYTES[unit]}"


def _number(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 99.5 else f"{hours:.2g}"
