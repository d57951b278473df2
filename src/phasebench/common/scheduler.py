"""What the environment says of the SLURM job that this process is part of."""

import os


def scheduler_job() -> str | None:
    """The job's id as SLURM's commands write it, ``12`` or ``12_3`` in an array; None outside of SLURM."""
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array and index else os.environ.get("SLURM_JOB_ID")


def scheduler_restarts() -> int:
    """How often SLURM has started this job again."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0"))
