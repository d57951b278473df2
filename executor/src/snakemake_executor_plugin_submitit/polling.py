"""Poll of all jobs: result files every time, the scheduler less and less often while nothing changes."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from snakemake_interface_executor_plugins.logging import LoggerExecutorInterface

from snakemake_executor_plugin_submitit.job_attempts import read_attempt
from snakemake_executor_plugin_submitit.job_outcomes import Tracked, finished_jobs, read_result
from snakemake_executor_plugin_submitit.waiting_reasons import WaitingReasons

if TYPE_CHECKING:
    from snakemake_executor_plugin_submitit.backends import Backend

_LEAST_SECONDS = 0.5
_MOST_SECONDS = 60.0
_GROWTH = 1.5
_QUEUED_AGAIN = {"EXPEDITING", "PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"}


class Poller:
    """Poll that finds the jobs that have ended.

    Successes show as files, so that the scheduler is asked for nothing but deaths: at first after every pause, less and
    less often while nothing changes, at least once a minute.

    Parameters
    ----------
    backend : Backend
        Backend that is asked.
    seconds : float
        The shortest time between two queries.
    max_requeues : int
        Shown beside the number of requeues.
    logger : LoggerExecutorInterface
        Told about requeues, and about jobs that cannot start.
    patience : float
        Seconds that a result may take to be seen after its job has ended.
    """

    def __init__(
        self,
        backend: "Backend",
        seconds: float,
        max_requeues: int,
        logger: LoggerExecutorInterface,
        patience: float = 0.0,
    ) -> None:
        self._backend = backend
        self._patience = patience
        self._waiting = WaitingReasons(logger)
        self._least = max(_LEAST_SECONDS, seconds)
        self._max_requeues = max_requeues
        self._logger = logger
        self._interval = self._least
        self._next = 0.0
        self._silent = False
        self.seen_live: set[str] = set()
        """Jobs of an earlier Snakemake that are known to be in the queue."""
        self.had_jobs = False

    def hurry(self) -> None:
        """Go back to the shortest interval, since something has changed."""
        self._interval = self._least
        self._next = min(self._next, time.monotonic() + self._interval)

    def poll(self, jobs: Sequence[Tracked]) -> dict[str, str | None]:
        """The jobs that have ended: None for a success, otherwise what went wrong."""
        if not jobs:
            return {}
        self.had_jobs = True
        finished = finished_jobs(jobs)
        ended = {job.job_id: read_result(job) for job in jobs if job.job_id in finished}
        waiting = [job for job in jobs if job.job_id not in finished]
        if finished:
            self.hurry()
        for job in jobs:
            if job.job_id in finished:
                self._note_requeues(job)
        if waiting and time.monotonic() >= self._next:
            ended |= self._ask(waiting)
        return ended

    def _ask(self, jobs: Sequence[Tracked]) -> dict[str, str | None]:
        states = self._backend.query(list(dict.fromkeys(job.slurm_id for job in jobs)))
        if states is None:
            if not self._silent:
                why = f" ({self._backend.problem})" if self._backend.problem else ""
                self._logger.warning(f"SLURM does not answer{why}; the jobs are kept, and it is asked again.")
            self._silent = True
            self._wait(growing=True)
            return {}
        self._silent = False
        news = False
        for job in jobs:
            was = job.state.state
            if job.see(states[job.slurm_id]):
                news = True
                if was == "RUNNING" and job.state.state in _QUEUED_AGAIN:
                    self._logger.info(f"Job {job.job_id} ({job.entry.description}) was interrupted and is requeued.")
                self._note_requeues(job)
        self._waiting.note(jobs)
        self._wait(growing=not news and all(job.state.live for job in jobs))
        return {job.job_id: problem for job in jobs if (problem := job.failure(self._patience)) is not None}

    def _wait(self, growing: bool) -> None:
        longest = max(self._least, _MOST_SECONDS)
        self._interval = min(self._interval * _GROWTH, longest) if growing else self._least
        self._next = time.monotonic() + self._interval

    def _note_requeues(self, job: Tracked) -> None:
        attempt = read_attempt(job.folder, job.job_id)
        count = int(str(attempt["requeues"])) if attempt else 0
        if attempt and count > job.requeues:
            job.requeues = count
            self._logger.info(
                f"Job {job.job_id} ({job.entry.description}) runs after requeue {count} of at most "
                f"{self._max_requeues}, on {attempt['host']}."
            )
