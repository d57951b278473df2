"""Outcome of a job: success or the reason of its failure, from its result file and the scheduler's state."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_executor_plugin_submitit.job_attempts import attempt_path
from snakemake_executor_plugin_submitit.job_states import UNKNOWN, JobState
from snakemake_executor_plugin_submitit.ledger import Entry

if TYPE_CHECKING:
    from submitit.core.utils import JobPaths

# A dead job has to be seen without a result so often; a shared file system may show the file late.
_TIMES_SEEN_DEAD = 2
_TAIL_LINES = 15
_MEMORY_WORDS = ("exceeded memory limit", "oom-kill", "oom_kill", "out of memory", "out-of-memory")


@dataclass
class Tracked:
    """A job in the queue, and what is known of it."""

    entry: Entry
    folder: Path
    """The submission's folder."""
    output_folders: frozenset[Path] = frozenset()
    """Folders of the job's output files."""
    state: JobState = field(default_factory=lambda: JobState(UNKNOWN))
    times_seen_dead: int = 0
    requeues: int = 0

    @property
    def job_id(self) -> str:
        """Job id as SLURM writes it."""
        return self.entry.job_id

    @property
    def paths(self) -> "JobPaths":
        """The files that submitit keeps of the job."""
        from submitit.core.utils import JobPaths

        return JobPaths(self.folder, job_id=self.job_id)

    def see(self, state: JobState) -> bool:
        """Take note of the scheduler's word; True if it is news."""
        news = state != self.state
        self.state = state
        self.times_seen_dead = 0 if state.live else self.times_seen_dead + 1
        return news

    def failure(self) -> str | None:
        """Reason why the job has failed, or None while that is not certain."""
        if self.times_seen_dead < _TIMES_SEEN_DEAD:
            return None
        return _explain(self.state, log_tail(self.paths.stdout, 50))

    def remove_pickles(self) -> None:
        """Remove what only the job itself reads; its log stays."""
        for path in (
            self.paths.submitted_pickle,
            self.paths.result_pickle,
            attempt_path(self.folder, self.job_id),
        ):
            path.unlink(missing_ok=True)

    def remove_log(self) -> None:
        """Remove the log of a job that succeeded."""
        self.paths.stdout.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a submission's folder unless a job that failed has left its log there."""
    if not any(path.suffix == ".out" for path in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)


def finished_jobs(tracked: Iterable[Tracked]) -> set[str]:
    """Ids of the jobs that have left a result, with one look into each submission's folder."""
    jobs = list(tracked)
    folders = {job.folder for job in jobs}
    results = {path for folder in folders if folder.is_dir() for path in folder.iterdir()}
    return {job.job_id for job in jobs if job.paths.result_pickle in results}


def read_result(job: Tracked) -> str | None:
    """None for a success, and otherwise the error's message."""
    from submitit.core.utils import pickle_load

    try:
        status, value = pickle_load(job.paths.result_pickle)
    except Exception as error:  # whatever unpickling half a file may raise
        return f"its result file cannot be read ({error})"
    if status == "success":
        return None
    lines = [line for line in str(value).splitlines() if line.strip()]
    # "package.module.JobFailed: the message"
    message = lines[-1].split(": ", 1)[-1] if lines else "unknown error"
    tail = log_tail(job.paths.stdout, 50).lower()
    return message + (" (out of memory? Raise mem_mb)" if any(word in tail for word in _MEMORY_WORDS) else "")


def log_tail(path: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log; empty where there is none."""
    try:
        with path.open("rb") as handle:
            handle.seek(0, 2)
            handle.seek(max(0, handle.tell() - 200 * lines))
            return "\n".join(handle.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _explain(state: JobState, tail: str) -> str:
    detail = f" ({state.detail})" if state.detail else ""
    if state.state == "OUT_OF_MEMORY" or any(word in tail.lower() for word in _MEMORY_WORDS):
        return "it ran out of memory; raise mem_mb"
    match state.state:
        case "TIMEOUT":
            return "it reached its time limit and did not stop in time; raise runtime or submitit-signal-delay"
        case "CANCELLED":
            return f"it was cancelled{detail}"
        case "COMPLETED":
            return "SLURM calls it completed, but it left no result: something killed it on its node"
        case "NODE_FAIL" | "BOOT_FAIL":
            return f"its node failed and SLURM did not requeue it{detail}"
        case _ if state.state == UNKNOWN:
            return "the scheduler does not know it any more, and it left no result"
        case _:
            return f"its processes were killed or failed: {state.state}{detail}"
