"""Submission of jobs: an array for each set of equal jobs, or processes of this machine."""

import os
import re
import shlex
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from submitit import LocalExecutor
from submitit.core.utils import DelayedSubmission

from snakemake_executor_plugin_submitit.job_main import call_path
from snakemake_executor_plugin_submitit.job_parameters import JobParameters
from snakemake_executor_plugin_submitit.job_runner import JobCall, SnakemakeCall, Target
from snakemake_executor_plugin_submitit.settings import ExecutorSettings
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError, call_slurm

_NO_LIMIT = 1_000_000
_FOLDER_MODE = 0o700
# Messages of a slurmctld, munge or network that is busy, restarting or away.
_PASSING = (
    "timed out", "no answer within", "unable to contact", "temporarily", "connection re", "slurm_receive_msg",
    "unexpected message", "zero bytes", "invalid authentication credential", "protocol authentication", "rate limit",
    "communication", "standby", "not connected", "no route to host", "retry later", "try again",
)  # fmt: skip
# Name of a limit: one with "Submit" is on the number of jobs, the others are on what one job may ask for.
_LIMIT_NAME = re.compile(r"(QOS|Assoc)\w+")
_POLICY = "violates accounting/qos policy"
_ARRAY_TOO_LARGE = "invalid job array"


class SubmissionError(RuntimeError):
    """Refusal of jobs; the message is for people."""


class NotNowError(RuntimeError):
    """Failure to submit that will pass; the message is for people.

    Attributes
    ----------
    limit : bool
        There are too many jobs for now, rather than no answer.
    certain : bool
        Whether SLURM named a limit on the number of jobs; one on their size has the same words otherwise.
    unanswered : bool
        The jobs may have arrived all the same.
    """

    def __init__(self, message: str, *, limit: bool = False, certain: bool = True, unanswered: bool = False) -> None:
        super().__init__(message)
        self.limit = limit
        self.certain = certain
        self.unanswered = unanswered


def signal_delay(settings: ExecutorSettings, parameters: JobParameters) -> int:
    """Seconds before the time limit at which the job is told; at most a third of the limit."""
    return max(1, min(settings.signal_delay, parameters.runtime * 60 // 3))


def make_call(
    settings: ExecutorSettings,
    parameters: JobParameters,
    command: str,
    folder: Path,
    name: str = "",
    targets: Sequence[Target] = (),
    target_option: str = "",
) -> SnakemakeCall:
    """The callable of a job. It may use three quarters of the signal's delay to stop."""
    grace = 0.75 * signal_delay(settings, parameters)
    return SnakemakeCall(
        command, str(folder), grace, settings.max_requeues, settings.max_timeouts, name, targets, target_option
    )


class _Submitter:
    """Submission of jobs, each with a folder of its own.

    Parameters
    ----------
    settings : ExecutorSettings
        The executor's settings.
    folder : Path
        Parent of the submissions' folders.
    """

    def __init__(self, settings: ExecutorSettings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    def _begin(self, submission: str, parameters: JobParameters, calls: Sequence[JobCall]) -> Path:
        """Make the submission's folder, and tell the calls their time limit."""
        folder = self._folder / submission
        folder.mkdir(parents=True, mode=_FOLDER_MODE)
        for call in calls:
            call.limit_seconds = parameters.runtime * 60
        return folder


class SlurmSubmitter(_Submitter):
    """Submission to SLURM."""

    def __init__(self, settings: ExecutorSettings, folder: Path) -> None:
        super().__init__(settings, folder)
        self.left_out: set[str] = set()
        """Nodes to which no jobs are sent."""

    def submit(
        self, submission: str, parameters: JobParameters, calls: Sequence[JobCall], after: Sequence[str] = ()
    ) -> list[str]:
        """Submit one job, or several as an array.

        Parameters
        ----------
        submission : str
            A token; the name of the folder and SLURM's comment.
        parameters : JobParameters
            Of all the jobs.
        calls : sequence of JobCall
            One for each job.
        after : sequence of str
            Jobs that have to be gone before these may start.

        Returns
        -------
        list of str
            The job ids, in the order of ``calls``.

        Raises
        ------
        SubmissionError
            SLURM refuses.
        NotNowError
            SLURM does not answer, or takes no more jobs for now.
        """
        folder = self._begin(submission, parameters, calls)
        for task, call in enumerate(calls):
            delayed = DelayedSubmission(call)
            delayed.set_timeout(parameters.runtime, _NO_LIMIT)
            delayed.dump(call_path(folder, task))
        script = folder / "submission.sh"
        script.write_text(self._script(submission, parameters, calls, after))
        try:
            answer = call_slurm("sbatch", "--parsable", str(script))
        except SlurmError as error:
            raise self._failure(error, len(calls)) from error
        found = re.search(r"^(\d+)(;\S+)?\s*$", answer, re.MULTILINE)
        if found is None:
            raise NotNowError(f"sbatch answered {answer.strip()[:200]!r}, no job id", unanswered=True)
        return task_ids(found[1], len(calls))

    def _failure(self, error: SlurmError, count: int) -> Exception:
        message = str(error).removeprefix("sbatch: ").removeprefix("error: ")
        text = error.text.lower()
        if _POLICY in text:
            named = _LIMIT_NAME.search(error.text)
            if named is None:
                return NotNowError(message, limit=True, certain=False)
            if "Submit" in named[0]:
                return NotNowError(f"{message} ({named[0]})", limit=True)
            return SubmissionError(f"{message} ({named[0]})")
        if _ARRAY_TOO_LARGE in text and count > 1:
            return NotNowError(message, limit=True)
        if any(word in text for word in _PASSING):
            return NotNowError(message, unanswered=True)
        if "not found" in text or "may not run" in text:
            return SubmissionError(message)
        try:
            # Words that nobody foresaw: a controller that answers has refused, one that does not is away.
            call_slurm("squeue", "--noheader", f"--user={os.getuid()}", "--format=%i", "--states=PENDING")
        except SlurmError:
            return NotNowError(message, unanswered=True)
        return SubmissionError(message)

    def _script(
        self, submission: str, parameters: JobParameters, calls: Sequence[JobCall], after: Sequence[str]
    ) -> str:
        """The batch script. In patterns of file names a per cent sign is written twice."""
        folder = self._folder / submission
        pattern = f"{str(folder).replace('%', '%%')}/{'%A_%a' if len(calls) > 1 else '%j'}_0_log.out"
        members = max(len(call.members()) for call in calls)
        options = self._sbatch_parameters(submission, parameters, len(calls), after, members)
        if len(calls) == 1 and calls[0].name:
            options["job-name"] = calls[0].name
        lines = ["#!/bin/bash", *(_flag(name, value) for name, value in sorted(options.items()))]
        lines += [_flag("output", pattern), "#SBATCH --open-mode=append", "export SUBMITIT_EXECUTOR=slurm"]
        if parameters.tasks > 1 or parameters.nodes > 1 or parameters.tasks_per_node:
            names = ("SLURM_NTASKS", "SLURM_NPROCS", "SLURM_NNODES", "SLURM_TASKS_PER_NODE", "SLURM_NTASKS_PER_NODE")
            lines += [f"export SUBMITIT_BATCH_{name}=${{{name}:-}}" for name in names]
        lines += self._settings.setup.splitlines() if self._settings.setup else []
        # One task runs Snakemake, on the first node; the rule's own srun or mpirun may use the same resources.
        # Since SLURM 22.05 srun does not take over the number of cores from sbatch.
        step = ["srun", "--unbuffered", f"--output={pattern}", "--open-mode=append", "--export=ALL", "--nodes=1"]
        step += ["--ntasks=1", "--overlap", f"--cpus-per-task={parameters.threads * members}"]
        program = [sys.executable, "-u", "-m", "snakemake_executor_plugin_submitit.job_main", str(folder)]
        return "\n".join([*lines, shlex.join([*step, *program]), ""])

    def _sbatch_parameters(
        self, submission: str, parameters: JobParameters, count: int, after: Sequence[str], members: int = 1
    ) -> dict[str, Any]:
        memory = parameters.mem_mb * members if parameters.mem_mb else None
        extra = dict(parameters.slurm_extra)
        options: dict[str, Any] = {
            "job-name": parameters.name,
            "time": parameters.runtime,
            "nodes": parameters.nodes,
            "ntasks": parameters.tasks,
            "ntasks-per-node": parameters.tasks_per_node,
            "cpus-per-task": parameters.threads * members,
            "mem": f"{memory}M" if memory and "mem-per-gpu" not in extra else None,
            "mem-per-cpu": f"{parameters.mem_mb_per_cpu}M" if parameters.mem_mb_per_cpu else None,
            "gpus-per-node": parameters.gpus_per_node,
            "gres": parameters.gres,
            "partition": parameters.partition,
            "account": parameters.slurm_account,
            "qos": parameters.slurm_qos,
            "constraint": parameters.constraint,
            "dependency": "afterany:" + ":".join(after) if after else None,
            "comment": submission,
            "signal": f"USR2@{signal_delay(self._settings, parameters)}",
            "array": f"0-{count - 1}" if count > 1 else None,
            "exclude": ",".join(sorted(self.left_out)) or None,
            "export": "ALL",
            "requeue": True,
            **extra,
        }
        return {name: value for name, value in options.items() if value is not None}


class LocalSubmitter(_Submitter):
    """Submission as processes of this machine. GPUs are dealt out evenly."""

    def __init__(self, settings: ExecutorSettings, folder: Path) -> None:
        super().__init__(settings, folder)
        self._uses = Counter(dict.fromkeys(settings.gpus(), 0))
        self._gpus_of: dict[str, list[int]] = {}

    def submit(
        self, submission: str, parameters: JobParameters, calls: Sequence[JobCall], after: Sequence[str] = ()
    ) -> list[str]:
        """Start one process for each call; see :meth:`SlurmSubmitter.submit`. ``after`` has to be gone already."""
        folder = self._begin(submission, parameters, calls)
        job_ids = []
        # Ctrl-C reaches all processes of the terminal. Jobs are stopped by cancelling, if at all.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for call in calls:
                gpus = [gpu for gpu, _ in islice(reversed(self._uses.most_common()), parameters.gpu)]
                executor = LocalExecutor(folder, max_num_timeout=_NO_LIMIT)
                executor.update_parameters(
                    timeout_min=parameters.runtime,
                    gpus_per_node=parameters.gpu,
                    visible_gpus=gpus,
                    signal_delay_s=signal_delay(self._settings, parameters),
                    stderr_to_stdout=True,
                )
                job_id = executor.submit(call).job_id
                self._uses.update(gpus)
                self._gpus_of[job_id] = gpus
                job_ids.append(job_id)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return job_ids

    def release(self, job_id: str) -> None:
        """Take back the GPUs of a job that has ended."""
        self._uses.subtract(self._gpus_of.pop(job_id, []))


def task_ids(parent: str, count: int) -> list[str]:
    """Ids of the jobs of a submission: of an array's tasks, or the job's own."""
    return [f"{parent}_{task}" for task in range(count)] if count > 1 else [parent]


def find_submission(submission: str) -> str | None:
    """Number of the job or array that a submission became, if it arrived and has not ended.

    Raises
    ------
    SlurmError
        The queue cannot be read.
    """
    rows = call_slurm("squeue", "--noheader", f"--user={os.getuid()}", "--format=%F|%k").split()
    found = sorted({row.split("|")[0] for row in rows if row.endswith(f"|{submission}")})
    return found[0] if found else None


def jobs_in_queue() -> bool:
    """True if the user has any job that SLURM still counts.

    Raises
    ------
    SlurmError
        The queue cannot be read.
    """
    return bool(call_slurm("squeue", "--noheader", f"--user={os.getuid()}", "--format=%i").strip())


def remove_submission(folder: Path) -> None:
    """Remove the folder of a submission that did not arrive; a job that arrives after all finds no call and ends."""
    shutil.rmtree(folder, ignore_errors=True)


def _flag(name: str, value: object) -> str:
    return f"#SBATCH --{name}" if value is True else f"#SBATCH --{name}={shlex.quote(str(value))}"
