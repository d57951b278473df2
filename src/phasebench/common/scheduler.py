"""SLURM job of this process, and what the executor of its workflow tells and asks, by the environment."""

import contextlib
import os
from pathlib import Path

_LONGEST_COUNT = 10


def scheduler_job() -> str | None:
    """The job's id as SLURM's commands write it, ``12`` or ``12_3`` in an array; None outside of SLURM."""
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array and index else os.environ.get("SLURM_JOB_ID")


def scheduler_restarts() -> int:
    """Number of times that SLURM has restarted this job."""
    return _number("SLURM_RESTART_COUNT", 0)


def gpu_share() -> int:
    """Number of jobs that share this process's graphics card."""
    return _number("SUBMITIT_GPU_SHARE", 1)


def _number(name: str, otherwise: int) -> int:
    """A count in a variable of the environment; what is no count is taken for not set."""
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _LONGEST_COUNT else otherwise


def nodes_and_tasks() -> tuple[int, int]:
    """Numbers of nodes and tasks that SLURM gave to this job; one of each outside of SLURM."""
    return _number("SLURM_NNODES", _number("SLURM_JOB_NUM_NODES", 1)), _number("SLURM_NTASKS", 1)


def report_progress(step: int) -> None:
    """Write down a step that a requeued job will not repeat; time limits between which it grows do not count."""
    path = os.environ.get("SUBMITIT_PROGRESS_FILE")
    if path:
        # A job whose folder is gone still trains.
        with contextlib.suppress(OSError, ValueError):
            Path(path).write_text(f"{step}\n")
