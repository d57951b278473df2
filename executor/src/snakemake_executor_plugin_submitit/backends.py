"""Backends: SLURM and local processes, with the same methods."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from snakemake_executor_plugin_submitit.cancel import cancel_local, cancel_slurm
from snakemake_executor_plugin_submitit.cluster import Cluster
from snakemake_executor_plugin_submitit.job_parameters import JobParameters, ParameterError
from snakemake_executor_plugin_submitit.job_runner import JobCall
from snakemake_executor_plugin_submitit.job_states import JobState, LocalStatus, SlurmStatus, is_controller
from snakemake_executor_plugin_submitit.settings import ExecutorSettings
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError
from snakemake_executor_plugin_submitit.submission import (
    LocalSubmitter,
    SlurmSubmitter,
    find_submission,
    jobs_in_queue,
)

_LOCAL_STOP_SECONDS = 60
# A directory of NFS may be known from memory for a minute; the file is looked for somewhat longer.
_LEAST_LATENCY_SECONDS = 60
_PATIENCE = 1.5


class Backend(Protocol):
    """Methods that every backend has."""

    array_size: int
    """Most jobs in one submission."""
    warnings: list[str]
    """Lines on limits that the cluster does not tell."""
    patience: float
    """Seconds that a result may take to be seen after its job has ended."""

    def fit(self, parameters: JobParameters) -> JobParameters:
        """The parameters within the limits that a requeued job can live with."""

    def check(self, parameters: JobParameters) -> None:
        """Raise ParameterError for a job that can never run."""

    def submit(
        self, submission: str, parameters: JobParameters, calls: Sequence[JobCall], after: Sequence[str]
    ) -> list[str]:
        """Submit equal jobs, to start when those in ``after`` are gone; ids, SubmissionError or NotNowError."""

    def query(self, job_ids: Sequence[str]) -> dict[str, JobState] | None:
        """The state of each job, or None if nothing is known just now."""

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Cancel jobs, of which some may have ended; SlurmError where that is impossible."""

    def find_submission(self, submission: str) -> str | None:
        """Job number of a submission without an answer, if it arrived; SlurmError where the queue cannot be read."""

    def jobs_in_queue(self) -> bool:
        """True if SLURM counts any job of the user; SlurmError where the queue cannot be read."""

    def release(self, job_id: str) -> None:
        """Take note that a job has ended."""

    def leave_out(self, node: str) -> bool:
        """Send no more jobs to a node; True if that is news."""

    @property
    def queries(self) -> int:
        """Number of commands run to learn states."""

    @property
    def problem(self) -> str:
        """Reason why the last query had no answer."""


class SlurmBackend:
    """A SLURM cluster.

    Parameters
    ----------
    settings : ExecutorSettings
        The executor's settings.
    folder : Path
        Parent of the submissions' folders.
    latency : float
        Seconds that the file system may take to show a file, by Snakemake's ``--latency-wait``.

    Raises
    ------
    SlurmError
        The cluster does not answer.
    """

    def __init__(self, settings: ExecutorSettings, folder: Path, latency: float) -> None:
        cluster = Cluster()
        self._status = SlurmStatus()
        self.warnings = cluster.warnings
        self.patience = _PATIENCE * max(latency, _LEAST_LATENCY_SECONDS)
        self.array_size = min(settings.array_size, cluster.max_array_size or settings.array_size)
        self.fit = cluster.fit
        self.check = cluster.check
        self._submitter = SlurmSubmitter(settings, folder)
        self.submit = self._submitter.submit
        self.query = self._status.query
        self.cancel = cancel_slurm
        self.find_submission = find_submission
        self.jobs_in_queue = jobs_in_queue

    @property
    def queries(self) -> int:
        """Number of sacct and squeue commands run to learn states."""
        return self._status.queries

    @property
    def problem(self) -> str:
        """Reason why the last query had no answer."""
        return self._status.problem

    def release(self, job_id: str) -> None:
        """Do nothing, since SLURM keeps its own books."""

    def leave_out(self, node: str) -> bool:
        """Send no more jobs to a node."""
        news = node not in self._submitter.left_out
        self._submitter.left_out.add(node)
        return news


class LocalBackend:
    """Processes of this machine."""

    array_size = 1_000_000
    queries = 0
    problem = ""
    patience = 0.0

    def __init__(self, settings: ExecutorSettings, folder: Path) -> None:
        if "%" in str(folder):
            raise SlurmError(f"{folder}: local jobs cannot have a per cent sign in their path; use --submitit-folder")
        # An outer job's count of restarts is not that of the processes here.
        os.environ.pop("SLURM_RESTART_COUNT", None)
        self._gpus = len(settings.gpus())
        self._submitter = LocalSubmitter(settings, folder)
        self.warnings: list[str] = []
        self.query = LocalStatus().query
        self.cancel = cancel_local
        self.release = self._submitter.release

    def fit(self, parameters: JobParameters) -> JobParameters:
        """The parameters as they are."""
        return parameters

    def check(self, parameters: JobParameters) -> None:
        """Raise ParameterError for a job that asks for more GPUs than are visible; nothing else is limited here."""
        if parameters.gpu > self._gpus:
            raise ParameterError(
                f"rule {parameters.name}: resources: gpu: {parameters.gpu} asked for, and submitit-visible-gpus names "
                f"{self._gpus}"
            )

    def submit(
        self, submission: str, parameters: JobParameters, calls: Sequence[JobCall], after: Sequence[str]
    ) -> list[str]:
        """Wait until the jobs in ``after`` have stopped, then start the new ones."""
        end = time.monotonic() + _LOCAL_STOP_SECONDS
        while any(is_controller(int(job_id)) for job_id in after) and time.monotonic() < end:
            time.sleep(0.1)
        return self._submitter.submit(submission, parameters, calls)

    def leave_out(self, node: str) -> bool:
        """False: there is no other machine."""
        return False

    def find_submission(self, submission: str) -> str | None:
        """None: a process that was started and not yet recorded ends for lack of its job file."""
        return None

    def jobs_in_queue(self) -> bool:
        """False: there is no queue."""
        return False


def make_backend(settings: ExecutorSettings, folder: Path, latency: float) -> Backend:
    """The backend that the settings name.

    Raises
    ------
    SlurmError
        The cluster does not answer.
    """
    return SlurmBackend(settings, folder, latency) if settings.cluster == "slurm" else LocalBackend(settings, folder)
