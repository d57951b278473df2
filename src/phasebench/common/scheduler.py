"""SLURM job of this process, from the environment."""

import os


def scheduler_job() -> str | None:
    """The job's id as SLURM's commands write it, ``12`` or ``12_3`` in an array; None outside of SLURM."""
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array and index else os.environ.get("SLURM_JOB_ID")


def scheduler_restarts() -> int:
    """Number of times that SLURM has restarted this job."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0"))
