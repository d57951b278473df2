"""Main program of a SLURM job: ``python -m snakemake_executor_plugin_submitit.job_main FOLDER``.

It reads the call of its task from the submission's folder and runs it under submitit's signal handlers, which requeue
the job. The call's file has the task's number and not the job's, so that it is there before sbatch is called.
"""

import os
import sys
from pathlib import Path

from submitit.core.job_environment import JobEnvironment
from submitit.core.logger import get_logger
from submitit.core.utils import DelayedSubmission, JobPaths

_NO_LIMIT = 1_000_000


class _TaskPaths(JobPaths):
    """The one path that submitit's signal handler asks for; its own would read a per cent sign as a pattern."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent)
        self._call = path

    @property
    def submitted_pickle(self) -> Path:
        """File of the call, written anew before a requeue."""
        return self._call


def call_path(folder: Path, task: int) -> Path:
    """Path of the call of a task; 0 is the first task, or the job where it is no array."""
    return folder / f"{task}.pkl"


def main(folder: Path) -> int:
    """Run the call of this task; the job's exit status."""
    os.environ["SUBMITIT_FOLDER"] = str(folder)
    environment = JobEnvironment()
    get_logger().info(f"Starting with {environment}")
    path = call_path(folder, int(environment.array_task_id or 0))
    delayed = DelayedSubmission.load(path)
    # The call counts its time limits itself.
    delayed.set_timeout(delayed._timeout_min, _NO_LIMIT)
    environment._handle_signals(_TaskPaths(path), delayed)
    try:
        delayed.result()
    except Exception as error:  # whatever it is, it is the job's failure, and its result file says so
        print(f"[submitit] failed: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
