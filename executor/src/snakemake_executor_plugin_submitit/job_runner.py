"""Job runner: the part inside the allocation, which runs Snakemake commands, stops them in time and requeues them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from submitit.core.job_environment import JobEnvironment
from submitit.core.utils import DelayedSubmission

from snakemake_executor_plugin_submitit.gpu_sharing import SharedGpu
from snakemake_executor_plugin_submitit.job_attempts import Attempt
from snakemake_executor_plugin_submitit.job_outcomes import log_path, result_path, write_result
from snakemake_executor_plugin_submitit.process_group import ProcessGroup

_POLL_SECONDS = 0.25
_CHECK_SECONDS = 10.0
PROGRESS_VARIABLE = "SUBMITIT_PROGRESS_FILE"
"""Name of a file into which a command may write how far it came, so that a time limit does not count against it."""


class JobFailedError(RuntimeError):
    """Failure of the command; the message says how."""


@dataclass(frozen=True)
class Target:
    """A member of a group: its argument of ``--target-jobs``, its outputs, and Snakemake's marks of unfinished ones."""

    argument: str
    outputs: tuple[str, ...]
    marks: tuple[str, ...]

    def finished(self, since: float) -> bool:
        """True if the member ended well since that time (seconds since 1970)."""
        try:
            return not any(os.path.lexists(mark) for mark in self.marks) and all(
                os.lstat(output).st_mtime >= since for output in self.outputs
            )
        except OSError:
            return False


class JobCall:
    """The callable that submitit pickles, runs in the job, and asks for a checkpoint before the time limit.

    Parameters
    ----------
    max_requeues : int
        Largest number of requeues.
    max_timeouts : int
        Largest number of time limits in a row between which no progress was written down.
    name : str
        Name of the job in the queue, once it runs.
    """

    def __init__(self, max_requeues: int, max_timeouts: int, name: str) -> None:
        self.max_requeues = max_requeues
        self.max_timeouts = max_timeouts
        self.name = name
        self.requeues = 0
        """Requeues after a signal; SLURM itself may have added others."""
        self.timeouts = 0
        """Time limits since the last progress."""
        self.limit_seconds = 0.0
        """Time limit of the job; 0 where none is known."""
        self._progress: dict[str, str] = {}
        self._started = time.monotonic()
        self._running: dict[str, _Running] = {}
        self._told_to_end = False

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_running": {}, "_told_to_end": False}

    def members(self) -> Sequence["SnakemakeCall"]:
        """The commands that run side by side."""
        raise NotImplementedError

    def __call__(self) -> int:
        """Run the commands; returns 0.

        Raises
        ------
        JobFailedError
            A command ended with another status, or the job was requeued too often.
        """
        self._started = time.monotonic()
        environment = JobEnvironment()
        folder = Path(os.environ["SUBMITIT_FOLDER"])
        problems: list[str] = []
        signal.signal(signal.SIGTERM, self._end)
        _restore_batch_variables()
        if environment.name() == "slurm":
            _show_name(environment.job_id, self.name)
        deaf_to = {signal.Signals[f"SIG{environment.USR_SIG}"]}
        try:
            with self._sharing():
                for index, member in enumerate(self.members()):
                    self._start(member, folder, self._member_id(environment.job_id, index), deaf_to, problems)
                problems += self._wait(os.getppid())
        except Exception as error:
            # Raised in the handler of submitit's signal too: no requeue, and the reason is in its message.
            for job_id, running in list(self._running.items()):
                running.group.stop()
                write_result(folder, job_id, str(error))
            raise
        finally:
            self._stop_all()
        if self._told_to_end:
            self._wait_for_the_end(environment)
        if problems:
            raise JobFailedError("; ".join(problems))
        return 0

    def checkpoint(self) -> DelayedSubmission:
        """Stop the commands, which write their checkpoints, and have the job requeued; called at submitit's signal.

        Raises
        ------
        JobFailedError
            It was requeued too often already, or met its time limit too often without progress.
        """
        self._stop_all()
        for job_id, running in self._running.items():
            # It ended well at the last moment.
            if running.group.poll() == 0:
                write_result(running.folder, job_id, None)
        self.requeues += 1
        if self.requeues > self.max_requeues:
            raise JobFailedError(
                f"interrupted {self.requeues} times, more than the {self.max_requeues} of max-requeues"
            )
        if self._timed_out():
            self.timeouts = 1 if self._has_progressed() else self.timeouts + 1
            if self.timeouts > self.max_timeouts:
                raise JobFailedError("Job not requeued because: timed-out too many times.")
        print(f"[submitit] stopped before the end of the allocation; requeue {self.requeues}", flush=True)
        return DelayedSubmission(self)

    def _sharing(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext()

    def _member_id(self, job_id: str, index: int) -> str:
        return job_id if len(self.members()) == 1 else f"{job_id}.{index}"

    def _start(
        self,
        member: "SnakemakeCall",
        folder: Path,
        job_id: str,
        deaf_to: set[signal.Signals],
        problems: list[str],
    ) -> None:
        # A requeue repeats no member that has ended.
        restarted = self.requeues or os.environ.get("SLURM_RESTART_COUNT", "0") != "0"
        if restarted and result_path(folder, job_id).exists():
            return
        attempt = Attempt.begin(folder, job_id, self.requeues)
        if attempt.requeues > self.max_requeues:
            problem = f"requeued {attempt.requeues} times, more than the {self.max_requeues} of max-requeues"
            write_result(folder, job_id, problem)
            problems.append(problem)
            return
        command = member.command_for(attempt)
        if command is None:
            write_result(folder, job_id, None)
            return
        alone = len(self.members()) == 1
        variables = {PROGRESS_VARIABLE: str(_progress_path(folder, job_id))}
        group = ProcessGroup(
            command,
            Path(member.folder),
            deaf_to,
            member.grace_seconds,
            log=None if alone else log_path(folder, job_id),
            variables=variables,
        )
        self._running[job_id] = _Running(group, attempt, folder)

    def _wait(self, parent: int) -> list[str]:
        """Wait until all have ended or the job has to; the failures."""
        problems = []
        next_check = time.monotonic()
        # Not Popen.wait(): the signal handler runs inside it, and could not ask for the command's status any more.
        while self._running and not self._told_to_end:
            for job_id, running in list(self._running.items()):
                status = running.group.poll()
                # The order to stop may be what ended it.
                if status is None or self._told_to_end:
                    continue
                running.group.stop()
                problem = _describe(status) if status else None
                write_result(running.folder, job_id, problem)
                problems += [problem] if problem else []
                self._running.pop(job_id, None)
            if self._running:
                time.sleep(_POLL_SECONDS)
            if time.monotonic() >= next_check:
                next_check = time.monotonic() + _CHECK_SECONDS
                self._check(parent)
        return problems

    def _check(self, parent: int) -> None:
        if os.getppid() != parent:
            self._abandon("the process that supervised it is gone")
        for job_id, running in list(self._running.items()):
            if running.attempt.superseded():
                self._abandon("the job was started again elsewhere")
            if stop_path(running.folder, job_id).exists():
                running.group.stop()
                write_result(running.folder, job_id, "it was cancelled")
                del self._running[job_id]

    def _stop_all(self) -> None:
        # All are told before one is waited for.
        for running in self._running.values():
            running.group.tell()
        for running in self._running.values():
            running.group.stop()

    def _timed_out(self) -> bool:
        # As submitit decides: the signal comes a while before the limit, and may come early.
        lasted = time.monotonic() - self._started
        return lasted >= min(0.8 * self.limit_seconds, self.limit_seconds - 600)

    def _has_progressed(self) -> bool:
        now = {}
        for job_id, running in self._running.items():
            with contextlib.suppress(OSError):
                now[job_id] = _progress_path(running.folder, job_id).read_text()
        before, self._progress = self._progress, now
        return any(text != before.get(job_id, "") for job_id, text in now.items())

    def _abandon(self, reason: str) -> None:
        """Leave no process and no result behind: SLURM's own record decides what becomes of the job."""
        print(f"[submitit] stopping: {reason}", flush=True)
        self._stop_all()
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


class SnakemakeCall(JobCall):
    """A job of one command.

    Parameters
    ----------
    command : str
        The shell command that makes the job's output.
    folder : str
        The working directory of the workflow.
    grace_seconds : float
        Time that the command has after SIGTERM to write its checkpoint.
    max_requeues, max_timeouts, name
        See :class:`JobCall`.
    targets : sequence of Target
        Members of a group; a requeue leaves out those that are finished.
    target_option : str
        The part of the command that names the targets.
    """

    def __init__(
        self,
        command: str,
        folder: str,
        grace_seconds: float,
        max_requeues: int,
        max_timeouts: int = 10,
        name: str = "",
        targets: Sequence[Target] = (),
        target_option: str = "",
    ) -> None:
        super().__init__(max_requeues, max_timeouts, name)
        self.command = command
        self.folder = folder
        self.grace_seconds = grace_seconds
        self.targets = tuple(targets)
        self.target_option = target_option

    def members(self) -> Sequence["SnakemakeCall"]:
        """Only itself."""
        return [self]

    def command_for(self, attempt: Attempt) -> str | None:
        """The command, without the members of a group that earlier starts finished; None if these are all."""
        if len(self.targets) < 2 or not attempt.requeues:
            return self.command
        os.chdir(self.folder)
        left = [target for target in self.targets if not target.finished(attempt.first_start)]
        if len(left) < len(self.targets):
            print(f"[submitit] {len(self.targets) - len(left)} members of the group are finished", flush=True)
        if not left:
            return None
        return self.command.replace(
            self.target_option, f"--target-jobs {' '.join(target.argument for target in left)}", 1
        )


class PackedCall(JobCall):
    """A job of several commands that share its GPU or its cores, each with a log, a result and attempts of its own.

    Parameters
    ----------
    calls : sequence of SnakemakeCall
        The commands.
    gpu : bool
        Whether they share a GPU.
    """

    def __init__(self, calls: Sequence[SnakemakeCall], gpu: bool) -> None:
        first = calls[0]
        super().__init__(first.max_requeues, first.max_timeouts, f"{len(calls)} x {first.name.split(' ')[0]}")
        self.calls = list(calls)
        self.gpu = gpu

    def members(self) -> Sequence[SnakemakeCall]:
        """All commands."""
        return self.calls

    def _sharing(self) -> contextlib.AbstractContextManager[object]:
        return SharedGpu(len(self.calls)) if self.gpu else contextlib.nullcontext()


@dataclass
class _Running:
    """A command that runs."""

    group: ProcessGroup
    attempt: Attempt
    folder: Path


def stop_path(folder: Path, job_id: str) -> Path:
    """Path of the file that tells one member of a pack to stop."""
    return folder / f"{job_id}.stop"


def _progress_path(folder: Path, job_id: str) -> Path:
    return folder / f"{job_id}.progress"


def _restore_batch_variables() -> None:
    """Have mpirun and srun of the rule see the whole allocation, not the one task that runs Snakemake."""
    prefix = "SUBMITIT_BATCH_"
    for name, value in list(os.environ.items()):
        if name.startswith(prefix) and value:
            os.environ[name.removeprefix(prefix)] = value


def _show_name(job: str, name: str) -> None:
    """Name the job in the queue after its rule and wildcards; tasks of an array are submitted under one name."""
    # Others were submitted under their name. An array's last task has the array's own number as SLURM_JOB_ID, which
    # stands for all of its tasks.
    if name and "_" in job:
        with contextlib.suppress(OSError):
            subprocess.Popen(
                ["scontrol", "update", f"JobId={job}", f"JobName={name}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )


def _describe(status: int) -> str:
    if status < 0:
        return f"the job's command was killed by {signal.Signals(-status).name}"
    return f"the job's command ended with status {status}"
