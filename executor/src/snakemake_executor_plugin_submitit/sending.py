"""Sending of jobs: packs and arrays of equal ones, kept while SLURM does not answer or takes no more."""

import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from snakemake_interface_executor_plugins.logging import LoggerExecutorInterface

from snakemake_executor_plugin_submitit.backends import Backend
from snakemake_executor_plugin_submitit.job_parameters import JobParameters, ParameterError
from snakemake_executor_plugin_submitit.job_runner import JobCall, PackedCall
from snakemake_executor_plugin_submitit.ledger import Entry, Ledger
from snakemake_executor_plugin_submitit.outbox import Outbox, Outgoing
from snakemake_executor_plugin_submitit.settings import ExecutorSettings
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError
from snakemake_executor_plugin_submitit.submission import (
    NotNowError,
    SubmissionError,
    remove_submission,
    task_ids,
)
from snakemake_executor_plugin_submitit.taking_up import EarlierJobs

_CLOSE_SECONDS = 90.0
# A request that timed out may still be worked off; what arrives of it so late is looked for, and cancelled.
_STRAY_SECONDS = 600.0
_STRAY_INTERVAL = 60.0
_TRIES_WITH_EMPTY_QUEUE = 2

Unit = list[Outgoing]
"""Jobs that share one job of SLURM's."""


@dataclass
class _Unclear:
    """A submission whose answer was lost."""

    submission: str
    parameters: JobParameters
    units: list[Unit]


class Sender:
    """Sender of the jobs that Snakemake hands over.

    Parameters
    ----------
    settings : ExecutorSettings
        The executor's settings.
    ledger : Ledger
        Told about each submission before and after.
    backend : Backend
        Where jobs go.
    earlier : EarlierJobs
        Jobs of earlier starts, which may make what is asked for.
    folder : Path
        Parent of the submissions' folders.
    logger : LoggerExecutorInterface
        Told what was sent and what waits.
    """

    def __init__(
        self,
        settings: ExecutorSettings,
        ledger: Ledger,
        backend: Backend,
        earlier: EarlierJobs,
        folder: Path,
        logger: LoggerExecutorInterface,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._backend = backend
        self._earlier = earlier
        self._folder = folder
        self._logger = logger
        self._outbox = Outbox()
        self._sending = threading.Lock()
        self._guard = threading.Lock()
        self._arrived: list[Outgoing] = []
        self._sent: list[tuple[Outgoing, Entry]] = []
        self._refused: list[tuple[Outgoing, str]] = []
        self._unclear: list[_Unclear] = []
        self._strays: dict[str, tuple[float, float]] = {}
        self._alone: Counter[JobParameters] = Counter()
        self._away = False
        self._said_full: set[str] = set()
        self._closing = False

    @property
    def busy(self) -> bool:
        """True while there is anything to send or to look for."""
        return bool(self._arrived or len(self._outbox) or self._unclear or self._strays)

    def hand_over(self, jobs: Sequence[Outgoing]) -> None:
        """Take in jobs; from any thread."""
        with self._guard:
            self._arrived += jobs

    def job_ended(self) -> None:
        """Take note that a job has ended, which makes room for others."""
        self._outbox.ended()

    def start_after(self, doubtful: Mapping[str, str]) -> None:
        """Have jobs with these keys start when the given jobs are gone."""
        self._earlier.start_after(dict(doubtful))

    def sent(self) -> list[tuple[Outgoing, Entry]]:
        """Jobs that were sent or taken up since the last call."""
        with self._guard:
            found, self._sent = self._sent, []
        return found

    def refused(self) -> list[tuple[Outgoing, str]]:
        """Jobs that were refused since the last call, with the reason."""
        with self._guard:
            found, self._refused = self._refused, []
        return found

    def send(self) -> None:
        """Send what is due.

        Raises
        ------
        OSError
            The folder cannot be written; the jobs are kept.
        """
        with self._sending:
            if self._closing:
                return
            with self._guard:
                arrived, self._arrived = self._arrived, []
            self._outbox.add(arrived)
            if self._outbox.paused():
                return
            try:
                self._look_for_strays()
                self._clear_up()
                if self._outbox.jobs and self._earlier.entries and not self._earlier.refresh():
                    raise SlurmError(self._backend.problem or "SLURM does not answer")
                for jobs in self._outbox.due():
                    self._offer(self._not_taken_up(jobs))
                    if self._outbox.paused():
                        break
            except SlurmError as error:
                self._keep(str(error))

    def close(self) -> list[tuple[Outgoing, Entry]]:
        """Send nothing more; what arrived and is not known to the caller yet. Lost submissions are cancelled."""
        self._closing = True
        held = self._sending.acquire(timeout=_CLOSE_SECONDS)
        try:
            self._outbox.clear()
            for submission in [*(each.submission for each in self._unclear), *self._strays]:
                try:
                    found = self._backend.find_submission(submission)
                    if found is not None:
                        self._backend.cancel([found])
                    self._ledger.refused(submission)
                except SlurmError as error:
                    # The ledger leads the next start to it.
                    self._logger.warning(f"Submission {submission} may have arrived and cannot be cancelled ({error}).")
            self._unclear, self._strays = [], {}
        finally:
            if held:
                self._sending.release()
        return self.sent()

    def _not_taken_up(self, jobs: Sequence[Outgoing]) -> list[Outgoing]:
        left = []
        for item in jobs:
            entry = self._earlier.take_up(item)
            if entry is None:
                left.append(item)
                continue
            self._outbox.remove([item])
            with self._guard:
                self._sent.append((item, entry))
        return left

    def _offer(self, jobs: Sequence[Outgoing]) -> None:
        """Offer jobs with equal parameters, as many at once as SLURM is known to take."""
        for units in self._batches(jobs):
            while units and not self._closing:
                count = self._outbox.room(units[0][0].parameters, self._backend.array_size)
                outcome = self._submit(units[:count])
                if outcome == "stop":
                    return
                if outcome == "done":
                    units = units[count:]

    def _batches(self, jobs: Sequence[Outgoing]) -> list[list[Unit]]:
        """Units of the same size that may start after the same jobs."""
        batches: dict[tuple[int, tuple[str, ...]], list[Unit]] = defaultdict(list)
        by_start: dict[tuple[str, ...], list[Outgoing]] = defaultdict(list)
        for item in jobs:
            by_start[tuple(item.after)].append(item)
        for after, items in by_start.items():
            single = [item for item in items if len(item.members) > 1]
            packed = [item for item in items if len(item.members) == 1]
            size = self._pack_size(packed[0].parameters) if packed else 1
            units = [[item] for item in single]
            units += [packed[start : start + size] for start in range(0, len(packed), size)]
            for unit in units:
                batches[len(unit), after].append(unit)
        return list(batches.values())

    def _pack_size(self, parameters: JobParameters) -> int:
        """Most jobs that one node has room for."""
        size = parameters.gpu_share
        while size > 1:
            memory = parameters.mem_mb * size if parameters.mem_mb else None
            try:
                self._backend.check(replace(parameters, threads=parameters.threads * size, mem_mb=memory))
                break
            except ParameterError:
                size -= 1
        return size

    def _submit(self, units: list[Unit]) -> str:
        """Submit units as one array: ``done`` with them, ``again`` with fewer, or ``stop`` for now."""
        parameters = units[0][0].parameters
        items = [item for unit in units for item in unit]
        submission = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
        self._ledger.announce(submission, [_record(item) for item in items])
        try:
            job_ids = self._backend.submit(submission, parameters, [_call(unit) for unit in units], units[0][0].after)
        except SubmissionError as error:
            self._undo(submission)
            self._refuse(items, str(error))
            return "done"
        except NotNowError as error:
            if error.limit:
                self._undo(submission)
                return self._too_many(units, error)
            self._outbox.remove(items)
            self._unclear.append(_Unclear(submission, parameters, units))
            self._keep(str(error))
            return "stop"
        except BaseException:
            self._undo(submission)
            raise
        self._note_sent(submission, parameters, units, job_ids)
        return "done"

    def _undo(self, submission: str) -> None:
        remove_submission(self._folder / submission)
        self._ledger.refused(submission)

    def _note_sent(
        self, submission: str, parameters: JobParameters, units: Sequence[Unit], job_ids: Sequence[str]
    ) -> None:
        items, ids = [], []
        for unit, job_id in zip(units, job_ids, strict=True):
            items += unit
            ids += [job_id] if len(unit) == 1 else [f"{job_id}.{index}" for index in range(len(unit))]
        self._ledger.queued(submission, ids)
        self._outbox.remove(items)
        self._outbox.taken(parameters)
        if self._away:
            self._away = False
            self._logger.info("SLURM takes jobs again.")
        with self._guard:
            self._sent += [
                (
                    item,
                    Entry(job_id, submission, item.key, item.fingerprint, item.description, members=item.members),
                )
                for item, job_id in zip(items, ids, strict=True)
            ]
        number = job_ids[0].split("_")[0]
        what = f"{len(items)} jobs as array {number}" if len(units) > 1 else f"job {number}"
        if len(items) > len(units):
            where = f"{len(units)} packs as array" if len(units) > 1 else "one pack as job"
            what = f"{len(items)} jobs in {where} {number}"
        self._logger.info(f"Submitted {what}: {parameters.name} ({parameters.describe()})")

    def _too_many(self, units: Sequence[Unit], error: NotNowError) -> str:
        parameters = units[0][0].parameters
        if self._outbox.too_many(parameters, len(units)):
            return "again"
        if not error.certain and not self._backend.jobs_in_queue():
            # Nothing will end that could make room: the limit is on what the job asks for.
            self._alone[parameters] += 1
            if self._alone[parameters] >= _TRIES_WITH_EMPTY_QUEUE:
                self._refuse(units[0], str(error))
                return "done"
        if parameters.name not in self._said_full:
            self._said_full.add(parameters.name)
            self._logger.info(f"SLURM takes no more jobs of {parameters.name} for now ({error}); they wait for others.")
        return "stop"

    def _refuse(self, items: Sequence[Outgoing], problem: str) -> None:
        self._outbox.remove(items)
        with self._guard:
            self._refused += [(item, problem) for item in items]

    def _keep(self, problem: str) -> None:
        self._outbox.away()
        if not self._away:
            self._away = True
            count = len(self._outbox) + sum(len(unit) for each in self._unclear for unit in each.units)
            self._logger.warning(
                f"SLURM takes no jobs just now ({problem}); {count} jobs are kept, and sent when it answers."
            )

    def _clear_up(self) -> None:
        """Find out what became of submissions without an answer."""
        for each in list(self._unclear):
            found = self._backend.find_submission(each.submission)
            self._unclear.remove(each)
            if found is not None:
                self._note_sent(each.submission, each.parameters, each.units, task_ids(found, len(each.units)))
                continue
            self._undo(each.submission)
            now = time.monotonic()
            self._strays[each.submission] = (now + _STRAY_INTERVAL, now + _STRAY_SECONDS)
            self._outbox.add([item for unit in each.units for item in unit])

    def _look_for_strays(self) -> None:
        now = time.monotonic()
        for submission, (due, end) in list(self._strays.items()):
            if now < due:
                continue
            found = self._backend.find_submission(submission)
            if found is not None:
                self._backend.cancel([found])
            if now >= end:
                del self._strays[submission]
            else:
                self._strays[submission] = (now + _STRAY_INTERVAL, end)


def _record(item: Outgoing) -> list[Any]:
    members = [[member.key, member.fingerprint, list(member.internal)] for member in item.members]
    return [item.key, item.fingerprint, item.description, members]


def _call(unit: Unit) -> JobCall:
    calls = [item.call for item in unit]
    return calls[0] if len(calls) == 1 else PackedCall(calls, gpu=unit[0].parameters.gpu > 0)
