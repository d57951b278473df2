"""Backends: SLURM and local processes, with the same methods."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from snakemake_executor_plugin_submitit.cancel import cancel_local, cancel_slurm
from snakemake_executor_plugin_submitit.cluster import Cluster
from snakemake_executor_plugin_submitit.job_parameters import JobParameters
from snakemake_executor_plugin_submitit.job_runner import SnakemakeCall
from snakemake_executor_plugin_submitit.job_states import JobState, LocalStatus, SlurmStatus, is_controller
from snakemake_executor_plugin_submitit.settings import ExecutorSettings
from snakemake_executor_plugin_submitit.submission import LocalSubmitter, SlurmSubmitter, cancel_submission

_LOCAL_STOP_SECONDS = 60


class Backend(Protocol):
    """Methods that every backend has."""

    array_size: int
    """Most jobs in one submission."""

    def check(self, parameters: JobParameters) -> None:
        """Raise ParameterError for a job that can never run."""

    def submit(
        self, submission: str, parameters: JobParameters, calls: Sequence[SnakemakeCall], after: Sequence[str]
    ) -> list[str]:
        """Submit equal jobs, to start when those in ``after`` are gone; their ids, or SubmissionError."""

    def query(self, job_ids: Sequence[str]) -> dict[str, JobState] | None:
        """The state of each job, or None if nothing is known just now."""

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Cancel jobs; SlurmError where that is impossible."""

    def cancel_submission(self, submission: str) -> None:
        """Cancel what has arrived of a submission that was cut off; SlurmError where that is impossible."""

    def release(self, job_id: str) -> None:
        """Take note that a job has ended."""

    @property
    def queries(self) -> int:
        """Number of commands run to learn states."""


class SlurmBackend:
    """A SLURM cluster.

    Raises
    ------
    SlurmError
        The cluster does not answer.
    """

    def __init__(self, settings: ExecutorSettings, folder: Path) -> None:
        self._cluster = Cluster()
        self._submitter = SlurmSubmitter(settings, folder)
        self._status = SlurmStatus()
        self.array_size = min(settings.array_size, self._cluster.max_array_size)
        self.check = self._cluster.check
        self.submit = self._submitter.submit
        self.query = self._status.query
        self.cancel = cancel_slurm
        self.cancel_submission = cancel_submission

    @property
    def queries(self) -> int:
        """Number of sacct and squeue commands run to learn states."""
        return self._status.queries

    def release(self, job_id: str) -> None:
        """Do nothing, since SLURM keeps its own books."""


class LocalBackend:
    """Processes of this machine."""

    array_size = 1_000_000
    queries = 0

    def __init__(self, settings: ExecutorSettings, folder: Path) -> None:
        self._submitter = LocalSubmitter(settings, folder)
        self.query = LocalStatus().query
        self.cancel = cancel_local
        self.release = self._submitter.release

    def check(self, parameters: JobParameters) -> None:
        """Check nothing: the submitter checks the GPUs, and nothing else is limited here."""

    def submit(
        self, submission: str, parameters: JobParameters, calls: Sequence[SnakemakeCall], after: Sequence[str]
    ) -> list[str]:
        """Wait until the jobs in ``after`` have stopped, then start the new ones."""
        end = time.monotonic() + _LOCAL_STOP_SECONDS
        while any(is_controller(int(job_id)) for job_id in after) and time.monotonic() < end:
            time.sleep(0.1)
        return self._submitter.submit(submission, parameters, calls)

    def cancel_submission(self, submission: str) -> None:
        """Do nothing: a process that was started and not yet recorded ends for lack of its job file."""


def make_backend(settings: ExecutorSettings, folder: Path) -> Backend:
    """The backend that the settings name.

    Raises
    ------
    SlurmError
        The cluster does not answer.
    """
    return SlurmBackend(settings, folder) if settings.cluster == "slurm" else LocalBackend(settings, folder)
