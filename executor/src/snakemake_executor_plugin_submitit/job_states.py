"""States of all jobs from sacct, squeue or the process table, by one query."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil

from snakemake_executor_plugin_submitit.cluster import SlurmError, call_slurm

# States in which a job will, or may, still run.
_LIVE = {
    "COMPLETING", "CONFIGURING", "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESIZING", "RESV_DEL_HOLD",
    "RUNNING", "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED", "SUSPENDED",
}  # fmt: skip
UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class JobState:
    """State of a job by the scheduler."""

    state: str
    """SLURM's word, such as ``RUNNING``, or ``UNKNOWN`` for a job that it does not know."""
    detail: str = ""

    @property
    def live(self) -> bool:
        """True if the job is in the queue or on a node."""
        return self.state in _LIVE


class SlurmStatus:
    """States by sacct where accounting answers, and by squeue otherwise.

    Attributes
    ----------
    queries : int
        Commands that were run.
    """

    def __init__(self) -> None:
        self.queries = 0
        self._accounting: bool | None = None

    def query(self, job_ids: Sequence[str]) -> dict[str, JobState] | None:
        """The state of every job, or None if nothing is known just now.

        The death of a job is believed only if squeue does not contradict it: for a while after a node failed, sacct
        shows a requeued job as it was on that node, and it lags behind after a submission.
        """
        found: dict[str, JobState] = {}
        try:
            if self._accounting is None:
                self._accounting = self._accounting_answers()
            if self._accounting:
                found = {key: state for key, state in (self._ask_sacct(job_ids)).items() if key in set(job_ids)}
                if all(job_id in found and found[job_id].live for job_id in job_ids):
                    return found
        except SlurmError:
            # The database may be away for a while; slurmctld still knows.
            pass
        try:
            current = self._ask_squeue()
        except SlurmError:
            return None
        return {job_id: current.get(job_id) or found.get(job_id) or JobState(UNKNOWN) for job_id in job_ids}

    def _accounting_answers(self) -> bool:
        try:
            self._call("sacct", "--noheader", "--allocations", "--starttime=now")
        except SlurmError:
            return False
        return True

    def _ask_sacct(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        parents = sorted({job_id.split("_")[0] for job_id in job_ids})
        columns = "--format=JobID,State,ExitCode"
        text = self._call("sacct", "--noheader", "--allocations", "--parsable2", columns, "-j", ",".join(parents))
        states: dict[str, JobState] = {}
        for line in text.splitlines():
            job_id, state, exit_code = line.split("|")
            # "CANCELLED by 1000"
            word, _, rest = state.partition(" ")
            for expanded in expand_job_id(job_id):
                states[expanded] = JobState(word, rest or (f"exit code {exit_code}" if exit_code != "0:0" else ""))
        return states

    def _ask_squeue(self) -> dict[str, JobState]:
        text = self._call("squeue", "--noheader", "--me", "--array", "--states=all", "--format=%i|%T|%r")
        rows = (line.strip().split("|", 2) for line in text.splitlines())
        return {job_id: JobState(state, "" if reason == "None" else reason) for job_id, state, reason in rows}

    def _call(self, *command: str) -> str:
        self.queries += 1
        return call_slurm(*command)


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


def expand_job_id(job_id: str) -> list[str]:
    """All jobs that an id such as ``12_[3-5,7%2]`` stands for."""
    from submitit.slurm.slurm import read_job_id

    try:
        found: list[str] = []
        for main, *indices in read_job_id(job_id):
            if not indices:
                found.append(main)
            else:
                found += [f"{main}_{index}" for index in range(int(indices[0]), int(indices[-1]) + 1)]
        return found
    except ValueError:
        # SLURM cuts long lists short. The jobs in such a list are looked up in squeue.
        return []
