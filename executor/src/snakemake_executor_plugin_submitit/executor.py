"""Executor: takes ready jobs from Snakemake, submits and watches them, and reports how they ended."""

import asyncio
import atexit
import contextlib
import shutil
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.logging import LoggerExecutorInterface
from snakemake_interface_executor_plugins.workflow import WorkflowExecutorInterface

from snakemake_executor_plugin_submitit.job_attempts import read_attempt
from snakemake_executor_plugin_submitit.job_identity import describe_job, job_key, job_members
from snakemake_executor_plugin_submitit.job_outcomes import Tracked, clear_folder, log_excerpt, names_broken_card
from snakemake_executor_plugin_submitit.job_parameters import ParameterError, job_parameters
from snakemake_executor_plugin_submitit.ledger import Entry, Ledger
from snakemake_executor_plugin_submitit.polling import Poller
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError
from snakemake_executor_plugin_submitit.workflow_lock import WorkflowLock

if TYPE_CHECKING:
    from snakemake_executor_plugin_submitit.outbox import Outgoing

_DAY_SECONDS = 86_400


class Executor(RemoteExecutor):
    """Executor of jobs on SLURM, or as processes of this machine, through submitit."""

    def __init__(self, workflow: WorkflowExecutorInterface, logger: LoggerExecutorInterface) -> None:
        from snakemake_executor_plugin_submitit.backends import make_backend
        from snakemake_executor_plugin_submitit.sending import Sender
        from snakemake_executor_plugin_submitit.taking_up import EarlierJobs

        settings = workflow.executor_settings
        settings.check()
        if workflow.remote_execution_settings.immediate_submit:
            raise WorkflowError("The executor submitit does not work with --immediate-submit: it watches its jobs.")
        self._settings = settings
        self._folder = Path(settings.folder).absolute()
        self._ledger = Ledger(self._folder, settings.cluster)
        try:
            self._lock = WorkflowLock(workflow, self._folder)
            self._backend = make_backend(settings, self._folder, workflow.execution_settings.latency_wait)
            self._earlier = EarlierJobs(self._ledger, self._backend, self._folder, logger)
            self._earlier.settle()
        except SlurmError as error:
            self._give_up()
            raise WorkflowError(f"submitit-cluster is {settings.cluster}, but {error}") from error
        except BaseException:
            self._give_up()
            raise
        for warning in [*self._ledger.warnings, *self._backend.warnings]:
            logger.warning(warning)
        # Snakemake empties its own list of jobs during each poll; cancelling needs one that is always whole.
        self._tracked: dict[str, list[Tracked]] = {}
        self._guard = threading.RLock()
        seconds = workflow.remote_execution_settings.seconds_between_status_checks
        self._poller = Poller(self._backend, seconds, settings.max_requeues, logger, self._backend.patience)
        self._sender = Sender(self._settings, self._ledger, self._backend, self._earlier, self._folder, logger)
        self._awake = threading.Event()
        self._left_in_queue = False
        self._clamped: set[str] = set()
        self._rules: dict[str, str] = {}
        try:
            self._check_all(workflow)
        except BaseException:
            self._give_up()
            raise
        # The base class starts to poll in a thread of its own before it returns.
        super().__init__(workflow, logger)

    def _give_up(self) -> None:
        if hasattr(self, "_lock"):
            self._lock.release()
        self._ledger.close()

    # Submitting

    def _check_all(self, workflow: WorkflowExecutorInterface) -> None:
        """Refuse before anything is submitted what could not be submitted later, in whichever rule it is."""
        from snakemake_executor_plugin_submitit.dag_check import find_problems, refusal

        if problems := find_problems(workflow.dag, self._backend):
            raise WorkflowError(refusal(problems))
        keys = {job_key(job) for job in workflow.dag.needrun_jobs()} if self._earlier.entries else set()
        self._earlier.name_unneeded(keys)

    def run_job(self, job: JobExecutorInterface) -> None:
        """Submit one job."""
        self.run_jobs([job])

    def run_jobs(self, jobs: list[JobExecutorInterface]) -> None:
        """Take jobs over; they are sent in the thread that polls, which may have to wait for SLURM."""
        ready = []
        for job in jobs:
            self.run_job_pre(job)
            try:
                ready.append(self._prepare(job))
            except ParameterError as error:
                self._report_failure(SubmittedJobInfo(job), f"Not submitted: {error}\n")
        self._sender.hand_over(ready)
        self._awake.set()

    def _prepare(self, job: JobExecutorInterface) -> "Outgoing":
        from snakemake_executor_plugin_submitit.group_targets import group_targets
        from snakemake_executor_plugin_submitit.outbox import Outgoing
        from snakemake_executor_plugin_submitit.submission import make_call

        asked = job_parameters(job)
        parameters = self._backend.fit(asked)
        if parameters != asked and job.name not in self._clamped:
            self._clamped.add(job.name)
            self.logger.info(
                f"Rule {job.name}: runtime of {asked.runtime} min is cut to the {parameters.runtime} min of partition "
                f"{parameters.partition or 'by default'}; at the limit jobs are requeued, and go on from a checkpoint."
            )
        self._backend.check(parameters)
        members = job_members(job)
        description = describe_job(job)
        targets, option = group_targets(job, self.workflow)
        command = self.format_job_exec(job)
        call = make_call(self._settings, parameters, command, Path.cwd(), description, targets, option)
        key, fingerprint = (members[0].key, members[0].fingerprint) if len(members) == 1 else ("", "")
        if len(members) > 1:
            key = "+".join(sorted(member.key for member in members))
            fingerprint = "+".join(sorted(member.fingerprint for member in members))
        folders = frozenset(Path(path).absolute().parent for path in job.output)
        return Outgoing(job, parameters, call, members, key, fingerprint, description, folders)

    def _send(self) -> None:
        """Submit what is due; runs in the thread that polls."""
        try:
            self._sender.send()
        finally:
            # Whoever cancels finds a job either in the sender or among the tracked ones.
            with self._guard:
                taken = [self._track(item, entry) for item, entry in self._sender.sent()]
            for info in taken:
                self.report_job_submission(info)
            for item, problem in self._sender.refused():
                self._report_failure(SubmittedJobInfo(item.job), f"Not submitted: {problem}\n")

    def _track(self, item: "Outgoing", entry: Entry) -> SubmittedJobInfo:
        job = Tracked(entry, self._folder / entry.submission, item.output_folders)
        with self._guard:
            # A group of an earlier start may make what several jobs of this one ask for.
            self._tracked.setdefault(entry.job_id, []).append(job)
        self._rules[entry.slurm_id] = item.job.name
        self._poller.hurry()
        return SubmittedJobInfo(item.job, external_jobid=entry.job_id, aux={"tracked": job})

    # Watching

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report the jobs that have ended, yield the others, and send those that wait."""
        ended: dict[str, str | None] = {}
        tracked = [_tracked(info) for info in active_jobs]
        if tracked:
            try:
                ended = await asyncio.to_thread(self._poll, tracked)
            except Exception as error:  # an exception here would end all polling, and leave the jobs alone
                self.logger.warning(f"The jobs' states could not be read ({error}); trying again.")
        for info in active_jobs:
            job = _tracked(info)
            if job.job_id not in ended:
                yield info
                continue
            self._report(info, job, ended[job.job_id])
        if self._sender.busy:
            try:
                await asyncio.to_thread(self._send)
            except Exception as error:
                self.logger.warning(f"The jobs could not be sent ({error}); trying again.")

    def _poll(self, tracked: list[Tracked]) -> dict[str, str | None]:
        """Jobs that have ended; one that only SLURM calls dead is cancelled, lest it runs beside its successor."""
        ended = self._poller.poll(tracked)
        doubtful = [job for job in tracked if ended.get(job.job_id) is not None and not job.has_result()]
        if doubtful:
            try:
                self._backend.cancel([job.slurm_id for job in doubtful])
            except SlurmError as error:
                self.logger.warning(f"Jobs that seem to be dead cannot be cancelled yet ({error}).")
                return {key: value for key, value in ended.items() if key not in {job.job_id for job in doubtful}}
            self._sender.start_after({job.entry.key: job.slurm_id for job in doubtful})
        return ended

    def _report(self, info: SubmittedJobInfo, job: Tracked, problem: str | None) -> None:
        excerpt = log_excerpt(job.log) if problem is not None else ""
        if problem is not None:
            self._leave_out_broken_node(info, job)
        try:
            self._forget(job, "success" if problem is None else "failed")
        except OSError as error:
            self.logger.warning(f"Job {job.job_id} has ended, but its files cannot be put in order ({error}).")
        if problem is None:
            self.report_job_success(info)
            return
        message = f"Job {job.job_id} has failed: {problem}\nThe end of its log, {job.log}:\n{excerpt}\n"
        self._report_failure(info, message)

    def _leave_out_broken_node(self, info: SubmittedJobInfo, job: Tracked) -> None:
        attempt = read_attempt(job.folder, job.job_id)
        if attempt and names_broken_card([job.log, *map(Path, map(str, info.job.log))]):
            node = str(attempt["host"])
            if self._backend.leave_out(node):
                self.logger.warning(f"Node {node} seems to have a broken graphics card; no more jobs are sent there.")

    def _report_failure(self, info: SubmittedJobInfo, message: str) -> None:
        if info.job.is_group():
            # Snakemake leaves the message out of a group's error.
            self.logger.error(message)
        self.report_job_error(info, msg=message)

    def _forget(self, job: Tracked, outcome: str) -> None:
        with self._guard:
            others = [each for each in self._tracked.get(job.job_id, []) if each is not job]
            if others:
                self._tracked[job.job_id] = others
                return
            self._tracked.pop(job.job_id, None)
            last = all(each.folder != job.folder for jobs in self._tracked.values() for each in jobs)
        self._backend.release(job.job_id)
        self._sender.job_ended()
        self._earlier.forget(job.job_id)
        self._ledger.ended(job.job_id, outcome)
        if outcome == "success":
            job.remove_log()
        if last and not self._earlier.in_folder(job.folder):
            clear_folder(job.folder)

    async def sleep(self) -> None:
        """Sleep between two polls; cut short when Snakemake ends or hands over jobs."""
        end = time.monotonic() + self.next_seconds_between_status_checks
        while self.wait and not self._awake.is_set() and (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.2))
        self._awake.clear()

    # Ending

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel our jobs, all with one command, or leave them in the queue."""
        from snakemake_executor_plugin_submitit.cancel import compress_job_ids

        # What is just being submitted is tracked afterwards.
        for item, entry in self._sender.close():
            self._track(item, entry)
        with self._guard:
            tracked = [jobs[0] for jobs in self._tracked.values()]
        if not tracked:
            return
        job_ids = sorted({job.slurm_id for job in tracked})
        names = " ".join(compress_job_ids(job_ids))
        if self._settings.on_exit == "keep":
            self._leave_in_queue()
            self.logger.info(f"{len(tracked)} jobs stay in the queue, and the next start takes them up: {names}")
            return
        self.logger.info(f"Cancelling {len(tracked)} jobs: {names}")
        try:
            self._backend.cancel(job_ids)
        except SlurmError as error:
            self._leave_in_queue()
            self.logger.error(f"The jobs could not be cancelled ({error}). To do it by hand: scancel {names}")
            return
        # Members of their packs that this start did not ask for end as well.
        for job_id in {*(job.job_id for job in tracked), *self._earlier.members_of(job_ids)}:
            self._ledger.ended(job_id, "cancelled")

    def _leave_in_queue(self) -> None:
        self._left_in_queue = True
        # At its end Snakemake removes the empty folders that these jobs are going to write into.
        with self._guard:
            folders = {folder for jobs in self._tracked.values() for job in jobs for folder in job.output_folders}
        for folder in folders:
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
                self._say_efficiency()
                self.logger.info(f"{self._backend.queries} status queries to the scheduler.")
        with contextlib.suppress(OSError):
            self._clean_up()
        # With jobs in the queue the lock stays: only a start that finds the ledger free may know it to be stale.
        if not self._left_in_queue:
            self._lock.release()
        self._ledger.close()

    def _say_efficiency(self) -> None:
        from snakemake_executor_plugin_submitit.efficiency import write_efficiency

        path = self._folder / "efficiency.csv"
        with contextlib.suppress(OSError):
            if self._settings.cluster == "slurm" and write_efficiency(path, self._rules):
                self.logger.info(f"Time, memory and processor use by rule, beside what was asked for: {path}")

    def _clean_up(self) -> None:
        """Remove what earlier starts left of jobs that have ended, and logs of failures that are old."""
        if not self._folder.is_dir():
            return
        with contextlib.suppress(SlurmError):
            self._earlier.refresh(again=True)
        live = {jobs[0].folder for jobs in self._tracked.values()} | self._earlier.folders()
        oldest = time.time() - self._settings.keep_logs * _DAY_SECONDS
        for folder in self._folder.iterdir():
            if folder.is_dir() and folder not in live:
                clear_folder(folder, oldest)
        if not live and self._lock.alone():
            # Job scripts of starts that were killed; no job needs them any more.
            for folder in Path(".snakemake").glob("tmp.*"):
                shutil.rmtree(folder, ignore_errors=True)


def _tracked(info: SubmittedJobInfo) -> Tracked:
    found = (info.aux or {})["tracked"]
    assert isinstance(found, Tracked)
    return found
