"""Executor: takes ready jobs from Snakemake, submits and watches them, and reports how they ended."""

import asyncio
import atexit
import contextlib
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.logging import LoggerExecutorInterface
from snakemake_interface_executor_plugins.workflow import WorkflowExecutorInterface

from snakemake_executor_plugin_submitit.job_identity import describe_job, job_fingerprint, job_key
from snakemake_executor_plugin_submitit.job_outcomes import Tracked, log_tail, remove_folder
from snakemake_executor_plugin_submitit.job_parameters import JobParameters, ParameterError, job_parameters
from snakemake_executor_plugin_submitit.ledger import Entry, Ledger
from snakemake_executor_plugin_submitit.polling import Poller


class Executor(RemoteExecutor):
    """Executor of jobs on SLURM, or as processes of this machine, through submitit."""

    def __init__(self, workflow: WorkflowExecutorInterface, logger: LoggerExecutorInterface) -> None:
        from snakemake_executor_plugin_submitit.backends import make_backend
        from snakemake_executor_plugin_submitit.cluster import SlurmError

        settings = workflow.executor_settings
        settings.check()
        self._settings = settings
        self._folder = Path(settings.folder).absolute()
        self._ledger = Ledger(self._folder, settings.cluster)
        try:
            self._backend = make_backend(settings, self._folder)
            self._settle_unanswered()
        except SlurmError as error:
            self._ledger.close()
            raise WorkflowError(f"submitit-cluster is slurm, but {error}") from error
        # Snakemake empties its own list of jobs during each poll; cancelling needs one that is always whole.
        self._tracked: dict[str, Tracked] = {}
        self._guard = threading.Lock()
        seconds = workflow.remote_execution_settings.seconds_between_status_checks
        self._poller = Poller(self._backend, seconds, settings.max_requeues, logger)
        self._left_in_queue = False
        # The base class starts to poll in a thread of its own before it returns.
        super().__init__(workflow, logger)

    # Submitting

    def run_job(self, job: JobExecutorInterface) -> None:
        """Submit one job."""
        self.run_jobs([job])

    def run_jobs(self, jobs: list[JobExecutorInterface]) -> None:
        """Submit jobs at once: those with equal parameters as arrays, those still in the queue not again."""
        groups: dict[JobParameters, list[JobExecutorInterface]] = defaultdict(list)
        replaced: list[str] = []
        self._drop_dead_entries()
        for job in jobs:
            self.run_job_pre(job)
            if self._take_up(job, replaced):
                continue
            try:
                parameters = job_parameters(job)
                self._backend.check(parameters)
            except ParameterError as error:
                self.report_job_error(SubmittedJobInfo(job), msg=f"Not submitted: {error}\n")
                continue
            groups[parameters].append(job)
        size = self._backend.array_size
        for parameters, group in groups.items():
            for start in range(0, len(group), size):
                self._submit(parameters, group[start : start + size], replaced)

    def _submit(self, parameters: JobParameters, jobs: Sequence[JobExecutorInterface], after: Sequence[str]) -> None:
        from snakemake_executor_plugin_submitit.cluster import SlurmError
        from snakemake_executor_plugin_submitit.submission import SubmissionError, make_call

        submission = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
        records = [(job_key(job), job_fingerprint(job), describe_job(job)) for job in jobs]
        calls = [make_call(self._settings, parameters, self.format_job_exec(job), Path.cwd()) for job in jobs]
        self._ledger.announce(submission, records)
        try:
            job_ids = self._backend.submit(submission, parameters, calls, after)
        except (SubmissionError, ParameterError) as error:
            self._ledger.refused(submission)
            for job in jobs:
                self.report_job_error(SubmittedJobInfo(job), msg=f"Not submitted: {error}\n")
            return
        except BaseException:
            # Ctrl-C between sbatch and its answer: nobody else would cancel these jobs.
            with contextlib.suppress(SlurmError):
                self._backend.cancel_submission(submission)
                self._ledger.refused(submission)
            raise
        tracked = [
            self._track(job, Entry(job_id, submission, *record))
            for job, job_id, record in zip(jobs, job_ids, records, strict=True)
        ]
        self._ledger.queued(submission, job_ids)
        what = f"{len(jobs)} jobs as array {job_ids[0].split('_')[0]}" if "_" in job_ids[0] else f"job {job_ids[0]}"
        self.logger.info(f"Submitted {what}: {parameters.name} ({parameters.describe()})")
        for info in tracked:
            self.report_job_submission(info)

    def _track(self, job: JobExecutorInterface, entry: Entry) -> SubmittedJobInfo:
        folders = frozenset(Path(path).absolute().parent for path in job.output)
        with self._guard:
            self._tracked[entry.job_id] = Tracked(entry, self._folder / entry.submission, folders)
        self._poller.hurry()
        return SubmittedJobInfo(job, external_jobid=entry.job_id)

    # Taking up the jobs of an earlier Snakemake

    def _settle_unanswered(self) -> None:
        """Submissions during which an earlier Snakemake died; whatever arrived of them is submitted anew."""
        for submission in self._ledger.unanswered:
            self._backend.cancel_submission(submission)
            self._ledger.refused(submission)

    def _drop_dead_entries(self) -> None:
        entries = self._ledger.open_entries
        unchecked = [entry.job_id for entry in entries.values() if entry.job_id not in self._poller.seen_live]
        if not unchecked:
            return
        states = self._backend.query(unchecked)
        if states is None:
            raise WorkflowError("SLURM does not answer; it is not known whether jobs of an earlier start still run.")
        for entry in list(entries.values()):
            if states[entry.job_id].live:
                self._poller.seen_live.add(entry.job_id)
            else:
                self._ledger.ended(entry.job_id, "gone")
                del entries[entry.key]

    def _take_up(self, job: JobExecutorInterface, replaced: list[str]) -> bool:
        """Attach to the job's earlier submission.

        One that computes something out of date is cancelled instead, and noted in ``replaced``, as are those that were
        cancelled and have not ended yet.
        """
        entry = self._ledger.open_entries.pop(job_key(job), None)
        if entry is None:
            return False
        if entry.cancelled:
            replaced.append(entry.job_id)
            return False
        if entry.fingerprint == job_fingerprint(job):
            self.logger.info(f"Job {entry.job_id} ({entry.description}) is still in the queue: taken up again.")
            self.report_job_submission(self._track(job, entry))
            return True
        self.logger.info(f"Job {entry.job_id} ({entry.description}) works on an earlier version: cancelled.")
        self._backend.cancel([entry.job_id])
        self._ledger.ended(entry.job_id, "cancelled")
        replaced.append(entry.job_id)
        return False

    # Watching

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report the jobs that have ended, yield the others."""
        with self._guard:
            tracked = {info.external_jobid: self._tracked[info.external_jobid] for info in active_jobs}
        try:
            ended = await asyncio.to_thread(self._poller.poll, list(tracked.values()))
        except Exception as error:  # an exception here would end all polling, and leave the jobs alone
            self.logger.warning(f"The jobs' states could not be read ({error}); trying again.")
            ended = {}
        for info in active_jobs:
            if info.external_jobid not in ended:
                yield info
                continue
            job, problem = tracked[info.external_jobid], ended[info.external_jobid]
            self._forget(job, "success" if problem is None else "failed")
            if problem is None:
                self.report_job_success(info)
            else:
                log = job.paths.stdout
                message = f"Job {job.job_id} has failed: {problem}\nThe end of its log, {log}:\n{log_tail(log)}\n"
                self.report_job_error(info, msg=message)

    def _forget(self, job: Tracked, outcome: str) -> None:
        with self._guard:
            self._tracked.pop(job.job_id, None)
            last = all(other.folder != job.folder for other in self._tracked.values())
        self._backend.release(job.job_id)
        self._ledger.ended(job.job_id, outcome)
        job.remove_pickles()
        if outcome == "success":
            job.remove_log()
        if last:
            remove_folder(job.folder)

    async def sleep(self) -> None:
        """Sleep between two polls; cut short when Snakemake ends."""
        end = time.monotonic() + self.next_seconds_between_status_checks
        while self.wait and (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.2))

    # Ending

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel our jobs, all with one command, or leave them in the queue."""
        from snakemake_executor_plugin_submitit.cancel import compress_job_ids
        from snakemake_executor_plugin_submitit.cluster import SlurmError

        with self._guard:
            job_ids = list(self._tracked)
        if not job_ids:
            return
        names = " ".join(compress_job_ids(job_ids))
        if self._settings.on_exit == "keep":
            self._leave_in_queue()
            self.logger.info(f"{len(job_ids)} jobs stay in the queue, and the next start takes them up: {names}")
            return
        self.logger.info(f"Cancelling {len(job_ids)} jobs: {names}")
        try:
            self._backend.cancel(job_ids)
        except SlurmError as error:
            self._leave_in_queue()
            self.logger.error(f"The jobs could not be cancelled ({error}). To do it by hand: scancel {names}")
            return
        for job_id in job_ids:
            self._ledger.ended(job_id, "cancelled")

    def _leave_in_queue(self) -> None:
        self._left_in_queue = True
        # At its end Snakemake removes the empty folders that these jobs are going to write into.
        for folder in {folder for job in self._tracked.values() for folder in job.output_folders}:
            atexit.register(folder.mkdir, parents=True, exist_ok=True)

    def shutdown(self) -> None:
        """End polling; the folder that jobs in the queue wait for stays where some are left."""
        if self._left_in_queue:
            with self.lock:
                self.wait = False
            self.wait_thread.join()
        else:
            super().shutdown()
            if self._poller.had_jobs:
                self.logger.info(f"{self._backend.queries} status queries to the scheduler.")
        self._ledger.close()
