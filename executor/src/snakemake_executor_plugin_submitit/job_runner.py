"""Job runner: the part inside the allocation, which runs one Snakemake command, stops it in time and requeues it."""

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from submitit.core.job_environment import JobEnvironment
from submitit.core.utils import DelayedSubmission

from snakemake_executor_plugin_submitit.job_attempts import Attempt
from snakemake_executor_plugin_submitit.process_group import ProcessGroup

_POLL_SECONDS = 0.25
_CHECK_SECONDS = 10.0


class JobFailedError(RuntimeError):
    """Failure of the command; the message says how."""


class SnakemakeCall:
    """The callable that submitit pickles, runs in the job, and asks for a checkpoint before the time limit.

    Parameters
    ----------
    command : str
        The shell command that makes the job's output.
    folder : str
        The working directory of the workflow.
    grace_seconds : float
        Time that the command has after SIGTERM to write its checkpoint.
    max_requeues : int
        Largest number of requeues.
    """

    def __init__(self, command: str, folder: str, grace_seconds: float, max_requeues: int) -> None:
        self.command = command
        self.folder = folder
        self.grace_seconds = grace_seconds
        self.max_requeues = max_requeues
        self.requeues = 0
        """Requeues after a signal; SLURM itself may have added others."""
        self._group: ProcessGroup | None = None
        self._told_to_end = False

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_group": None, "_told_to_end": False}

    def __call__(self) -> int:
        """Run the command; returns its status, 0.

        Raises
        ------
        JobFailedError
            The command ended with another status, or the job was requeued too often.
        """
        environment = JobEnvironment()
        attempt = Attempt.begin(environment.paths.folder, environment.job_id, self.requeues)
        if attempt.requeues > self.max_requeues:
            raise JobFailedError(
                f"requeued {attempt.requeues} times, more than the {self.max_requeues} of max-requeues"
            )
        signal.signal(signal.SIGTERM, self._end)
        parent = os.getppid()
        deaf_to = {signal.Signals[f"SIG{environment.USR_SIG}"]}
        self._group = ProcessGroup(self.command, Path(self.folder), deaf_to, self.grace_seconds)
        try:
            status = self._wait(attempt, parent)
        finally:
            self._group.stop()
        if self._told_to_end:
            self._wait_for_the_end(environment)
        if status:
            raise JobFailedError(_describe(status))
        return status

    def checkpoint(self) -> DelayedSubmission:
        """Stop the command, which writes its checkpoint, and have the job requeued; called at submitit's signal.

        Raises
        ------
        JobFailedError
            It was requeued too often already.
        """
        if self._group is not None:
            self._group.stop()
        self.requeues += 1
        if self.requeues > self.max_requeues:
            raise JobFailedError(
                f"interrupted {self.requeues} times, more than the {self.max_requeues} of max-requeues"
            )
        print(f"[submitit] stopped before the end of the allocation; requeue {self.requeues}", flush=True)
        return DelayedSubmission(self)

    def _wait(self, attempt: Attempt, parent: int) -> int:
        next_check = time.monotonic()
        # Not Popen.wait(): the signal handler runs inside it, and could not ask for the command's status any more.
        while (status := self._poll()) is None and not self._told_to_end:
            time.sleep(_POLL_SECONDS)
            if time.monotonic() < next_check:
                continue
            next_check = time.monotonic() + _CHECK_SECONDS
            if os.getppid() != parent:
                self._abandon("the process that supervised it is gone")
            if attempt.superseded():
                self._abandon("the job was started again elsewhere")
        return status or 0

    def _poll(self) -> int | None:
        assert self._group is not None
        return self._group.poll()

    def _abandon(self, reason: str) -> None:
        """Leave no process and no result behind: SLURM's own record decides what becomes of the job."""
        print(f"[submitit] stopping: {reason}", flush=True)
        assert self._group is not None
        self._group.stop()
        sys.stdout.flush()
        os._exit(1)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._told_to_end = True

    def _wait_for_the_end(self, environment: JobEnvironment) -> None:
        """Wait after SIGTERM: a cancelled job may end; a preempted one would count as failed, and has to be killed."""
        print("[submitit] stopped at SIGTERM", flush=True)
        if environment.name() == "slurm":
            while True:
                time.sleep(1)
        sys.exit(128 + signal.SIGTERM)


def _describe(status: int) -> str:
    if status < 0:
        return f"the job's command was killed by {signal.Signals(-status).name}"
    return f"the job's command ended with status {status}"
