"""Submission of jobs through submitit: an array for each set of equal jobs, or processes of this machine."""

import shutil
import signal
import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from submitit import LocalExecutor, SlurmExecutor
from submitit.core.utils import FailedJobError, FailedSubmissionError

from snakemake_executor_plugin_submitit.cluster import SlurmError, call_slurm
from snakemake_executor_plugin_submitit.job_parameters import JobParameters, ParameterError
from snakemake_executor_plugin_submitit.job_runner import SnakemakeCall
from snakemake_executor_plugin_submitit.settings import ExecutorSettings

_RETRY_SECONDS = (2, 5, 15)
# Messages of slurmctld when it is busy or restarting.
_PASSING = ("timed out", "unable to contact", "temporarily", "connection refused", "slurm_receive_msg")


class SubmissionError(RuntimeError):
    """Failure to submit jobs; the message is for people."""


def signal_delay(settings: ExecutorSettings, parameters: JobParameters) -> int:
    """Seconds before the time limit at which the job is told; at most a third of the limit."""
    return max(1, min(settings.signal_delay, parameters.runtime * 60 // 3))


def make_call(settings: ExecutorSettings, parameters: JobParameters, command: str, folder: Path) -> SnakemakeCall:
    """The callable of a job. It may use three quarters of the signal's delay to stop."""
    return SnakemakeCall(command, str(folder), 0.75 * signal_delay(settings, parameters), settings.max_requeues)


class _Submitter:
    """Settings and folder that both kinds of submission share.

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


class SlurmSubmitter(_Submitter):
    """Submission to SLURM."""

    def submit(
        self, submission: str, parameters: JobParameters, calls: Sequence[SnakemakeCall], after: Sequence[str] = ()
    ) -> list[str]:
        """Submit one job, or several as an array.

        Parameters
        ----------
        submission : str
            A token; the name of the folder and SLURM's comment.
        parameters : JobParameters
            Of all the jobs.
        calls : sequence of SnakemakeCall
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
            SLURM refuses, or does not answer for some time.
        """
        folder = self._folder / submission
        for pause in (*_RETRY_SECONDS, None):
            executor = SlurmExecutor(folder, max_num_timeout=self._settings.max_timeouts)
            executor.update_parameters(**self._sbatch_parameters(submission, parameters, len(calls), after))
            try:
                jobs = executor.submit_array(calls)
                break
            except (FailedJobError, FailedSubmissionError, OSError) as error:
                shutil.rmtree(folder, ignore_errors=True)
                message = _last_line(error)
                if pause is None or not any(word in message.lower() for word in _PASSING):
                    raise SubmissionError(message) from error
                time.sleep(pause)
                # An answer that got lost is no proof that nothing was submitted.
                _cancel_or_give_up(submission)
        for link in folder.glob(".submission_file_*"):
            link.unlink()
        return [job.job_id for job in jobs]

    def _sbatch_parameters(
        self, submission: str, parameters: JobParameters, count: int, after: Sequence[str]
    ) -> dict[str, Any]:
        options: dict[str, Any] = {
            "job_name": parameters.name,
            "time": parameters.runtime,
            "nodes": parameters.nodes,
            "cpus_per_task": parameters.threads,
            "mem": f"{parameters.mem_mb}MB" if parameters.mem_mb else None,
            "gpus_per_node": parameters.gpus_per_node,
            "gres": parameters.gres,
            "partition": parameters.slurm_partition,
            "account": parameters.slurm_account,
            "qos": parameters.slurm_qos,
            "constraint": parameters.constraint,
            "dependency": "afterany:" + ":".join(after) if after else None,
            "comment": submission,
            "signal_delay_s": signal_delay(self._settings, parameters),
            "array_parallelism": count,
            "stderr_to_stdout": True,
            # One task runs Snakemake, on the first node; the rule's own srun or mpirun may use the same resources.
            # Since SLURM 22.05 srun does not take over the number of cores from sbatch.
            "srun_args": ["--nodes=1", "--ntasks=1", "--overlap", f"--cpus-per-task={parameters.threads}"],
            "additional_parameters": {
                "ntasks": parameters.tasks,
                "requeue": True,
                **dict(parameters.slurm_extra),
            },
        }
        return {name: value for name, value in options.items() if value is not None}


class LocalSubmitter(_Submitter):
    """Submission as processes of this machine. GPUs are dealt out evenly."""

    def __init__(self, settings: ExecutorSettings, folder: Path) -> None:
        super().__init__(settings, folder)
        self._uses = Counter(dict.fromkeys(settings.gpus(), 0))
        self._gpus_of: dict[str, list[int]] = {}

    def submit(
        self, submission: str, parameters: JobParameters, calls: Sequence[SnakemakeCall], after: Sequence[str] = ()
    ) -> list[str]:
        """Start one process for each call; see :meth:`SlurmSubmitter.submit`. ``after`` has to be gone already.

        Raises
        ------
        ParameterError
            A job asks for more GPUs than are visible.
        """
        if parameters.gpu > len(self._uses):
            raise ParameterError(
                f"rule {parameters.name}: resources: gpu: {parameters.gpu} asked for, and submitit-visible-gpus names "
                f"{len(self._uses)}"
            )
        job_ids = []
        # Ctrl-C reaches all processes of the terminal. Jobs are stopped by cancelling, if at all.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for call in calls:
                gpus = [gpu for gpu, _ in islice(reversed(self._uses.most_common()), parameters.gpu)]
                executor = LocalExecutor(self._folder / submission, max_num_timeout=self._settings.max_timeouts)
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


def cancel_submission(submission: str) -> None:
    """Cancel the jobs of a submission that may or may not have arrived.

    Raises
    ------
    SlurmError
        The queue cannot be read.
    """
    rows = call_slurm("squeue", "--noheader", "--me", "--format=%F|%k").split()
    found = sorted({row.split("|")[0] for row in rows if row.endswith(f"|{submission}")})
    if found:
        call_slurm("scancel", *found)


def _cancel_or_give_up(submission: str) -> None:
    try:
        cancel_submission(submission)
    except SlurmError as error:
        raise SubmissionError(str(error)) from error


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1].strip().removeprefix("sbatch: error: ") if lines else type(error).__name__
