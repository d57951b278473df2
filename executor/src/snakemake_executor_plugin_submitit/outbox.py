"""Outbox: jobs that Snakemake has handed over and SLURM has not taken yet, and the pace at which they are offered."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

from snakemake_executor_plugin_submitit.job_identity import Member
from snakemake_executor_plugin_submitit.job_parameters import JobParameters
from snakemake_executor_plugin_submitit.job_runner import SnakemakeCall

_FIRST_PAUSE = 2.0
_GROWTH = 2.0
_LONGEST_PAUSE = 120.0
_LIMIT_PAUSE = 30.0


@dataclass(frozen=True, eq=False)
class Outgoing:
    """A job on its way to SLURM."""

    job: JobExecutorInterface
    parameters: JobParameters
    call: SnakemakeCall
    members: tuple[Member, ...]
    key: str
    fingerprint: str
    description: str
    output_folders: frozenset[Path]
    after: list[str] = field(default_factory=list)
    """Jobs that have to be gone before it starts."""


class Outbox:
    """Jobs to be sent, in the order in which they came.

    While SLURM does not answer, all wait for a pause that grows. Where it takes no more jobs of a kind, smaller and
    smaller parts are tried, then one again whenever a job has ended, and more as long as they are taken.
    """

    def __init__(self) -> None:
        self._jobs: list[Outgoing] = []
        self._pause = 0.0
        self._not_before = 0.0
        self._room: dict[JobParameters, int] = {}
        self._full_until: dict[JobParameters, float] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, jobs: Sequence[Outgoing]) -> None:
        """Take in jobs."""
        self._jobs += jobs

    def remove(self, jobs: Sequence[Outgoing]) -> None:
        """Forget jobs that were sent or refused."""
        gone = set(map(id, jobs))
        self._jobs = [job for job in self._jobs if id(job) not in gone]

    def clear(self) -> None:
        """Forget all jobs."""
        self._jobs = []

    @property
    def jobs(self) -> list[Outgoing]:
        """All jobs."""
        return list(self._jobs)

    def paused(self) -> bool:
        """True while SLURM is left alone, since it did not answer."""
        return time.monotonic() < self._not_before

    def due(self) -> Iterator[list[Outgoing]]:
        """Jobs with equal parameters that may be offered now, one such list after the other."""
        groups: dict[JobParameters, list[Outgoing]] = defaultdict(list)
        for job in self._jobs:
            groups[job.parameters].append(job)
        for parameters, jobs in groups.items():
            if time.monotonic() >= self._full_until.get(parameters, 0.0):
                yield jobs

    def room(self, parameters: JobParameters, most: int) -> int:
        """Number of jobs of a kind to offer at once."""
        return min(most, self._room.get(parameters, most))

    def taken(self, parameters: JobParameters) -> None:
        """Take note that SLURM took jobs."""
        self._pause = 0.0
        if parameters in self._room:
            self._room[parameters] *= 2

    def too_many(self, parameters: JobParameters, count: int) -> bool:
        """Take note that so many jobs of a kind were too many; True if fewer are worth a try at once."""
        self._room[parameters] = max(1, count // 2)
        if count > 1:
            return True
        self._full_until[parameters] = time.monotonic() + _LIMIT_PAUSE
        return False

    def ended(self) -> None:
        """Take note that a job has ended, which makes room for others."""
        self._full_until.clear()

    def away(self) -> float:
        """Take note that SLURM does not answer; seconds until the next try."""
        self._pause = min(self._pause * _GROWTH, _LONGEST_PAUSE) if self._pause else _FIRST_PAUSE
        self._not_before = time.monotonic() + self._pause
        return self._pause
