"""States of all jobs from sacct, squeue or the process table, by one query."""

import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil

from snakemake_executor_plugin_submitit.slurm_commands import SlurmError, call_slurm

# Every other word, of whichever version of SLURM, is that of a job that will, or may, still run.
_FINISHED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
}  # fmt: skip
UNKNOWN = "UNKNOWN"
# When slurmctld is asked although sacct calls all jobs live: for why they wait, and for what the database never heard.
_FIRST_CHECK_SECONDS = 60.0
_CHECK_SECONDS = 600.0
_JOB_ID = re.compile(r"\d+(_\d+)?")
_TASK_RANGE = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?(?:%\d+)?")


@dataclass(frozen=True)
class JobState:
    """State of a job by the scheduler."""

    state: str
    """SLURM's word, such as ``RUNNING``, or ``UNKNOWN`` for a job that it does not know."""
    detail: str = ""

    @property
    def live(self) -> bool:
        """True if the job is in the queue or on a node."""
        return self.state != UNKNOWN and self.state not in _FINISHED


class SlurmStatus:
    """States by sacct where accounting answers, and by squeue otherwise.

    Attributes
    ----------
    queries : int
        Commands that were run.
    problem : str
        Reason why the last query had no answer.
    """

    def __init__(self) -> None:
        self.queries = 0
        self.problem = ""
        self._accounting: bool | None = None
        self._next_check = time.monotonic() + _FIRST_CHECK_SECONDS

    def query(self, job_ids: Sequence[str]) -> dict[str, JobState] | None:
        """The state of every job, or None if nothing is known just now.

        The death of a job is believed only if squeue does not contradict it: for a while after a node failed, sacct
        shows a requeued job as it was on that node, and it lags behind after a submission. Now and then squeue is asked
        in any case: the database calls a job running for ever if it never heard of its end.
        """
        found = _Listing()
        try:
            if self._accounting is None:
                self._accounting = self._accounting_answers()
            if self._accounting:
                found = self._ask_sacct(job_ids)
        except SlurmError:
            # The database may be away for a while; slurmctld still knows.
            pass
        by_accounting = {job_id: found.state(job_id) for job_id in job_ids}
        all_live = all(state is not None and state.live for state in by_accounting.values())
        if all_live and time.monotonic() < self._next_check:
            return {job_id: state for job_id, state in by_accounting.items() if state is not None}
        try:
            current = self._ask_squeue()
        except SlurmError as error:
            self.problem = str(error)
            return None
        states = {job_id: _agreed(by_accounting[job_id], current.state(job_id)) for job_id in job_ids}
        if all(state.live for state in states.values()):
            self._next_check = time.monotonic() + _CHECK_SECONDS
        return states

    def _accounting_answers(self) -> bool:
        try:
            self._call("sacct", "--noheader", "--allocations", "--starttime=now")
        except SlurmError:
            return False
        return True

    def _ask_sacct(self, job_ids: Iterable[str]) -> "_Listing":
        parents = sorted({job_id.split("_")[0] for job_id in job_ids})
        columns = "--format=JobID,State,ExitCode"
        text = self._call("sacct", "--noheader", "--allocations", "--parsable2", columns, "-j", ",".join(parents))
        listing = _Listing()
        for line in text.splitlines():
            job_id, state, exit_code = [*line.split("|"), "", "", ""][:3]
            # "CANCELLED by 1000"
            word, _, rest = state.partition(" ")
            if word:
                listing.add(job_id, JobState(word, rest or (f"exit code {exit_code}" if exit_code != "0:0" else "")))
        return listing

    def _ask_squeue(self) -> "_Listing":
        # Without --array, whose lists lack tasks; without --me, which SLURM before 20.02 does not know.
        user = f"--user={os.getuid()}"
        text = self._call("squeue", "--noheader", user, "--states=all", "--format=%i|%T|%r")
        listing = _Listing()
        for line in text.splitlines():
            job_id, state, reason = [*line.strip().split("|", 2), "", "", ""][:3]
            if state:
                listing.add(job_id, JobState(state, "" if reason == "None" else reason))
        return listing

    def _call(self, *command: str) -> str:
        self.queries += 1
        return call_slurm(*command)


class _Listing:
    """States by job id, and for arrays of which a list of tasks could not be read as a whole, by the array's number."""

    def __init__(self) -> None:
        self._states: dict[str, JobState] = {}
        self._arrays: dict[str, JobState] = {}

    def add(self, job_id: str, state: JobState) -> None:
        tasks, whole = read_tasks(job_id)
        self._states.update(dict.fromkeys(tasks, state))
        # Finished tasks have lines of their own: a list is of tasks that wait.
        if not whole and state.live:
            self._arrays[job_id.split("_")[0]] = state

    def state(self, job_id: str) -> JobState | None:
        return self._states.get(job_id) or self._arrays.get(job_id.split("_")[0])


def _agreed(by_accounting: JobState | None, by_controller: JobState | None) -> JobState:
    if by_controller is not None:
        return by_controller
    if by_accounting is None:
        return JobState(UNKNOWN)
    if by_accounting.live:
        return JobState(UNKNOWN, f"sacct calls it {by_accounting.state}, squeue does not know it")
    return by_accounting


class LocalStatus:
    """The states of submitit's local jobs, whose ids are process numbers.

    Attributes
    ----------
    queries : int
        Always 0; no scheduler is asked.
    """

    queries = 0

    def query(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        """``RUNNING`` or ``UNKNOWN`` for every job."""
        return {job_id: JobState("RUNNING" if is_controller(int(job_id)) else UNKNOWN) for job_id in job_ids}


def is_controller(pid: int) -> bool:
    """True if that process is alive and controls a local submitit job."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "submitit.local._local" in process.cmdline()
    except psutil.Error:
        return False


def read_tasks(job_id: str) -> tuple[list[str], bool]:
    """Jobs that an id stands for, as far as they can be read, and whether these are all.

    Examples
    --------
    >>> read_tasks("12_[0-4:2,7%2]")
    (['12_0', '12_2', '12_4', '12_7'], True)
    >>> read_tasks("12_[3,5,...]")
    (['12_3', '12_5'], False)
    """
    parent, bracket, listed = job_id.partition("_[")
    if not bracket:
        return ([job_id], True) if _JOB_ID.fullmatch(job_id) else ([], False)
    whole = listed.endswith("]")
    found: list[str] = []
    for part in listed.removesuffix("]").split(","):
        match = _TASK_RANGE.fullmatch(part)
        if match is None:
            whole = False
            continue
        first, last, step = match[1], match[2] or match[1], match[3] or "1"
        found += [f"{parent}_{index}" for index in range(int(first), int(last) + 1, max(1, int(step)))]
    return found, whole
