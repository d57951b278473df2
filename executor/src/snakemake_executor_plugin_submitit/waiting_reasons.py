"""Reasons for which jobs wait in the queue: those that time alone may not mend are said once."""

import time
from collections import defaultdict
from collections.abc import Sequence

from snakemake_interface_executor_plugins.logging import LoggerExecutorInterface

from snakemake_executor_plugin_submitit.job_outcomes import Tracked

# Waiting for one's turn. All other reasons, of whichever version of SLURM, are worth a line.
_USUAL = {"", "None", "(null)", "Priority", "Resources", "BeginTime", "Dependency", "Cleaning", "JobArrayTaskLimit"}
_SECONDS = 60.0
_NAMED = 3


class WaitingReasons:
    """Reasons that were said, and since when jobs wait for others.

    Parameters
    ----------
    logger : LoggerExecutorInterface
        Told each reason once.
    """

    def __init__(self, logger: LoggerExecutorInterface) -> None:
        self._logger = logger
        self._since: dict[tuple[str, str], float] = {}
        self._said: set[str] = set()

    def note(self, jobs: Sequence[Tracked]) -> None:
        """Look at the states of all jobs, and say what keeps some of them from starting for a minute or more."""
        now = time.monotonic()
        held = {(job.slurm_id, reason): job for job in jobs if (reason := _reason(job)) is not None}
        self._since = {key: self._since.get(key, now) for key in held}
        waiting: dict[str, list[Tracked]] = defaultdict(list)
        for (job_id, reason), job in held.items():
            if reason not in self._said and now - self._since[job_id, reason] >= _SECONDS:
                waiting[reason].append(job)
        for reason, found in waiting.items():
            self._said.add(reason)
            names = ", ".join(f"{job.slurm_id} ({job.entry.description})" for job in found[:_NAMED])
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            self._logger.warning(
                f"Waiting in the queue because of {reason}: job {names}{more}.{_advice(reason, found)}"
            )


def _reason(job: Tracked) -> str | None:
    state = job.state
    held = state.state in ("REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
    if state.state != "PENDING" and not held:
        return None
    # "(ReqNodeNotAvail, Reserved for maintenance)"
    reason = state.detail.strip("()") or (state.state if held else "")
    return None if reason in _USUAL else reason


def _advice(reason: str, jobs: Sequence[Tracked]) -> str:
    if "held" in reason.lower() or "hold" in reason.lower():
        return f" To let it start: scontrol release {jobs[0].slurm_id}"
    if "QOS" in reason or "Assoc" in reason:
        return " It is a limit of your account or QOS: sacctmgr show assoc user=$USER, sacctmgr show qos"
    if reason.startswith("Partition"):
        return " The partition does not take it: change runtime, threads, gpu or slurm_partition"
    return ""
