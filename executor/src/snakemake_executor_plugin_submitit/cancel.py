"""Cancellation of the executor's own jobs, all with one command."""

import contextlib
import os
import re
import signal
from collections.abc import Iterable
from itertools import groupby

from snakemake_executor_plugin_submitit.job_states import is_controller
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError, call_slurm

# What scancel says of jobs that are no longer there to be cancelled.
_ENDED = ("invalid job id", "already completing", "already completed", "not found")


def cancel_slurm(job_ids: Iterable[str]) -> None:
    """One ``scancel``: SIGTERM first, and SIGKILL after the cluster's KillWait. Jobs that have ended are no error.

    Raises
    ------
    SlurmError
        The cluster does not answer.
    """
    if ids := compress_job_ids(job_ids):
        try:
            call_slurm("scancel", *ids)
        except SlurmError as error:
            if not any(word in error.text.lower() for word in _ENDED):
                raise


def cancel_local(job_ids: Iterable[str]) -> None:
    """SIGTERM to the processes that control the jobs, which pass it on."""
    for pid in map(int, job_ids):
        # A number that another process has by now is left alone.
        if is_controller(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def compress_job_ids(job_ids: Iterable[str]) -> list[str]:
    """Write ids of array jobs together, such as ``12_[0-2,5]``.

    Examples
    --------
    >>> compress_job_ids(["12_0", "7", "12_2", "12_1", "12_5"])
    ['7', '12_[0-2,5]']
    """
    parsed = sorted(tuple(map(int, re.findall(r"\d+", job_id))) for job_id in set(job_ids))
    compressed = []
    for parent, group in groupby(parsed, key=lambda numbers: numbers[0]):
        indices = [numbers[1] for numbers in group if len(numbers) > 1]
        compressed.append(f"{parent}_[{_ranges(indices)}]" if indices else str(parent))
    return compressed


def _ranges(indices: list[int]) -> str:
    parts = []
    # Along a run of consecutive numbers, the difference to their position stays the same.
    for _, run in groupby(enumerate(indices), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        parts.append(str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}")
    return ",".join(parts)
