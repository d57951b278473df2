"""Outcome of a job: success or the reason of its failure, from its result file and the scheduler's state."""

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from snakemake_executor_plugin_submitit.atomic_write import write_atomically
from snakemake_executor_plugin_submitit.job_states import UNKNOWN, JobState
from snakemake_executor_plugin_submitit.ledger import Entry

# A dead job has to be seen so often: the scheduler's records lag behind each other.
_TIMES_SEEN_DEAD = 2
_TAIL_LINES = 15
_MEMORY_WORDS = ("exceeded memory limit", "oom-kill", "oom_kill", "out of memory", "out-of-memory")
# States of jobs that may have succeeded, so that a result may still be on its way through a shared file system.
_PERHAPS_SUCCEEDED = ("COMPLETED", UNKNOWN)


# What drivers and libraries say of a card, or a bus, that is broken: no program can be the reason.
_BROKEN_CARD = re.compile(
    r"NVRM: Xid|\bXid [\d(]|uncorrectable ECC|ECC_?UNCORRECTABLE|fallen off the bus|GPU is lost|"
    r"CUDA-capable devices are busy or unavailable",
    re.IGNORECASE,
)


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
    dead_since: float = 0.0
    requeues: int = 0

    @property
    def job_id(self) -> str:
        """Job id as SLURM writes it; with the member's number after a dot where several jobs share one of SLURM's."""
        return self.entry.job_id

    @property
    def slurm_id(self) -> str:
        """Job id that SLURM knows."""
        return self.entry.slurm_id

    @property
    def log(self) -> Path:
        """The job's log."""
        return log_path(self.folder, self.job_id)

    @property
    def result(self) -> Path:
        """The job's result file."""
        return result_path(self.folder, self.job_id)

    def has_result(self) -> bool:
        """True if the job has left a result."""
        return self.result.exists()

    def see(self, state: JobState) -> bool:
        """Take note of the scheduler's word; True if it is news."""
        news = state != self.state
        self.state = state
        if not state.live and not self.times_seen_dead:
            self.dead_since = time.monotonic()
        self.times_seen_dead = 0 if state.live else self.times_seen_dead + 1
        return news

    def failure(self, patience: float = 0.0) -> str | None:
        """Reason why the job has failed, or None while that is not certain.

        Parameters
        ----------
        patience : float
            Seconds that the file system may take to show a result that another node wrote.
        """
        if self.times_seen_dead < _TIMES_SEEN_DEAD:
            return None
        if self.state.state in _PERHAPS_SUCCEEDED and time.monotonic() - self.dead_since < patience:
            return None
        return _explain(self.state, self.tail())

    def tail(self) -> str:
        """The end of the log, and of that around its pack."""
        # What kills all members of a pack is in the log around them.
        around = log_tail(log_path(self.folder, self.slurm_id), 50) if self.slurm_id != self.job_id else ""
        return log_tail(self.log, 50) + around

    def remove_log(self) -> None:
        """Remove the log of a job that succeeded."""
        self.log.unlink(missing_ok=True)


def log_path(folder: Path, job_id: str) -> Path:
    """Path of a job's log."""
    return folder / f"{job_id}_0_log.out"


def result_path(folder: Path, job_id: str) -> Path:
    """Path of a job's result, a JSON file."""
    return folder / f"{job_id}_result.json"


def write_result(folder: Path, job_id: str, problem: str | None) -> None:
    """Write a job's result: None for a success, otherwise what went wrong."""
    result = {"status": "success"} if problem is None else {"status": "error", "why": problem}
    write_atomically(result_path(folder, job_id), json.dumps(result))


def clear_folder(folder: Path, keep_logs_after: float | None = None) -> None:
    """Remove all files of a submission whose jobs have ended but the logs, and the folder if nothing is left.

    Parameters
    ----------
    folder : Path
        The submission's folder.
    keep_logs_after : float, optional
        Logs last written before that time (seconds since 1970) are removed too.
    """
    with contextlib.suppress(OSError):
        paths = list(folder.iterdir())
        names = {path.name for path in paths}
        # The log around a pack goes with the last of its members' logs.
        packs = {match[1] for name in names if (match := re.fullmatch(r"([\d_]+)\.\d+\.attempt", name))}
        needless = {
            log_path(folder, pack).name
            for pack in packs
            if not any(name.startswith(f"{pack}.") and name.endswith(".out") for name in names)
        }
        for path in paths:
            old = keep_logs_after is not None and path.stat().st_mtime < keep_logs_after
            if path.suffix != ".out" or old or path.name in needless:
                path.unlink(missing_ok=True)
        if not any(folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)


def finished_jobs(tracked: Iterable[Tracked]) -> set[str]:
    """Ids of the jobs that have left a result, with one look into each submission's folder."""
    jobs = list(tracked)
    names: dict[Path, set[str]] = {}
    for folder in {job.folder for job in jobs}:
        # A folder that somebody removed has no results; the scheduler knows what became of its jobs.
        with contextlib.suppress(OSError):
            names[folder] = {path.name for path in folder.iterdir()}
    return {job.job_id for job in jobs if job.result.name in names.get(job.folder, ())}


def read_result(job: Tracked) -> str | None:
    """None for a success, and otherwise the error's message."""
    try:
        result = json.loads(job.result.read_text())
        if result["status"] == "success":
            return None
        message = str(result["why"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its result file cannot be read ({error})"
    tail = log_tail(job.log, 50).lower()
    return message + (" (out of memory? Raise mem_mb)" if any(word in tail for word in _MEMORY_WORDS) else "")


def log_tail(path: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log; empty where there is none."""
    return "\n".join(_last_lines(path, lines)[-lines:])


def names_broken_card(logs: Iterable[Path]) -> bool:
    """True if one of the logs ends in what is said of a broken graphics card."""
    return any(_BROKEN_CARD.search(log_tail(log, 200)) for log in logs)


def log_excerpt(path: Path, lines: int = _TAIL_LINES) -> str:
    """The lines of a log that a person needs: what the rule said last, without the words of those who started it."""
    found = _last_lines(path, 20 * lines)
    for pattern in (r"\[submitit\] failed: |submitit ERROR ", r"(Rule)?Error in (rule|group) "):
        ends = [number for number, line in enumerate(found) if re.match(pattern, line)]
        # The first error is the cause of those after it.
        if ends and ends[0]:
            found = found[: ends[0]]
    while found and re.fullmatch(r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} .*\]|\s*", found[-1]):
        found.pop()
    return "\n".join(found[-lines:])


def _last_lines(path: Path, lines: int) -> list[str]:
    try:
        with path.open("rb") as handle:
            handle.seek(0, 2)
            handle.seek(max(0, handle.tell() - 200 * lines))
            return handle.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def explain(job: Tracked, state: JobState) -> str | None:
    """Reason why a job without a result has ended; None where it may have succeeded, or was cancelled."""
    if state.live or state.state in (*_PERHAPS_SUCCEEDED, "CANCELLED"):
        return None
    return _explain(state, job.tail())


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
            return f"the scheduler does not know it any more, and it left no result{detail}"
        case _:
            return f"its processes were killed or failed: {state.state}{detail}"
