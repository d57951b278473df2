"""Jobs of earlier starts: which are still in the queue, which of them are taken up, and which have to go."""

import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path

from snakemake_interface_executor_plugins.logging import LoggerExecutorInterface

from snakemake_executor_plugin_submitit.backends import Backend
from snakemake_executor_plugin_submitit.cancel import compress_job_ids
from snakemake_executor_plugin_submitit.job_identity import covers, parts_of
from snakemake_executor_plugin_submitit.job_outcomes import Tracked, explain, log_excerpt, read_result
from snakemake_executor_plugin_submitit.job_runner import stop_path
from snakemake_executor_plugin_submitit.job_states import JobState
from snakemake_executor_plugin_submitit.ledger import Entry, Ledger
from snakemake_executor_plugin_submitit.outbox import Outgoing


class EarlierJobs:
    """Jobs of the ledger that are not known to be gone.

    Parameters
    ----------
    ledger : Ledger
        The ledger, held.
    backend : Backend
        Backend that is asked.
    folder : Path
        Parent of the submissions' folders.
    logger : LoggerExecutorInterface
        Told what becomes of them.
    """

    def __init__(self, ledger: Ledger, backend: Backend, folder: Path, logger: LoggerExecutorInterface) -> None:
        self.entries = list(ledger.entries)
        self._ledger = ledger
        self._backend = backend
        self._folder = folder
        self._logger = logger
        self._seen_live: set[str] = set()
        self._taken: set[str] = set()
        # Jobs by the keys of what they may still be making, although they were told to stop.
        self._stopping: dict[str, list[str]] = {}

    def settle(self) -> None:
        """Cancel what arrived of submissions during which an earlier Snakemake died, and jobs without a description.

        Raises
        ------
        SlurmError
            SLURM does not answer.
        """
        for submission in self._ledger.unanswered:
            found = self._backend.find_submission(submission)
            if found is not None:
                self._backend.cancel([found])
                for key in self._ledger.keys_of(submission):
                    self._stopping.setdefault(key, []).append(found)
            self._ledger.refused(submission)
        if self._ledger.orphans:
            self._backend.cancel(self._ledger.orphans)
            for job_id in self._ledger.orphans:
                self._ledger.ended(job_id, "gone")

    def refresh(self, *, again: bool = False) -> bool:
        """Drop the jobs that are gone; False where SLURM does not say which.

        Parameters
        ----------
        again : bool
            Look also at those that were seen live before.
        """
        if again:
            self._seen_live.clear()
        unchecked = [entry for entry in self.entries if entry.slurm_id not in self._seen_live]
        if not unchecked:
            return True
        states = self._backend.query(list(dict.fromkeys(entry.slurm_id for entry in unchecked)))
        if states is None:
            return False
        for entry in unchecked:
            job = Tracked(entry, self._folder / entry.submission)
            if states[entry.slurm_id].live and not job.has_result():
                continue
            if not states[entry.slurm_id].live and not job.has_result() and states[entry.slurm_id].detail:
                # The records of SLURM disagree about it.
                self._backend.cancel([entry.slurm_id])
            self._drop(entry, job, states[entry.slurm_id])
        self._seen_live |= {entry.slurm_id for entry in self.entries}
        return True

    def _drop(self, entry: Entry, job: Tracked, state: JobState) -> None:
        problem = read_result(job) if job.has_result() else explain(job, state)
        if entry.cancelled or problem is None:
            job.remove_log()
        else:
            self._logger.warning(
                f"Job {entry.job_id} ({entry.description}) failed while no Snakemake watched: {problem}\n"
                f"The end of its log, {job.log}:\n{log_excerpt(job.log)}"
            )
        self._ledger.ended(entry.job_id, "gone")
        self.entries = [each for each in self.entries if each is not entry]

    def members_of(self, slurm_ids: Collection[str]) -> list[str]:
        """Ids of the jobs that are parts of these jobs of SLURM's."""
        return [entry.job_id for entry in self.entries if entry.slurm_id in slurm_ids]

    def take_up(self, item: Outgoing) -> Entry | None:
        """A job in the queue that makes what ``item`` asks for; its ``after`` names those that have to end before.

        Jobs that make part of it from something out of date, or beside something else that is not asked for and with
        parts missing, are cancelled.

        Raises
        ------
        SlurmError
            They cannot be cancelled just now.
        """
        wanted = {member.key: part for member, part in zip(item.members, parts_of(item.job), strict=True)}
        related = [entry for entry in self.entries if {member.key for member in entry.members} & wanted.keys()]
        item.after[:] = sorted({job_id for key in wanted for job_id in self._stopping.get(key, [])})
        found = next((each for each in reversed(related) if not each.cancelled and covers(each.members, wanted)), None)
        others = [entry for entry in related if entry is not found]
        self._stop([entry for entry in others if entry.job_id not in self._taken])
        if found is not None:
            self._taken.add(found.job_id)
            self._logger.info(f"Job {found.job_id} ({found.description}) is still in the queue: taken up again.")
            return found
        item.after[:] = sorted({*item.after, *(entry.slurm_id for entry in others)})
        return None

    def forget(self, job_id: str) -> None:
        """Take note that a job has ended."""
        self.entries = [entry for entry in self.entries if entry.job_id != job_id]

    def start_after(self, doubtful: dict[str, str]) -> None:
        """Have jobs with these keys wait for jobs that were called dead and may live."""
        for key, job_id in doubtful.items():
            for part in key.split("+"):
                self._stopping.setdefault(part, []).append(job_id)

    def in_folder(self, folder: Path) -> bool:
        """True if a job that was not taken up may still need a submission's folder."""
        return any(
            self._folder / entry.submission == folder for entry in self.entries if entry.job_id not in self._taken
        )

    def folders(self) -> set[Path]:
        """Folders that jobs may still need."""
        return {self._folder / entry.submission for entry in self.entries}

    def name_unneeded(self, keys: Collection[str]) -> None:
        """Say which jobs in the queue make nothing that is asked for now."""
        if not self.entries or not self.refresh():
            return
        unneeded = [
            entry
            for entry in self.entries
            if not entry.cancelled and not any(member.key in keys for member in entry.members)
        ]
        if unneeded:
            names = " ".join(compress_job_ids(entry.slurm_id for entry in unneeded))
            self._logger.warning(
                f"{len(unneeded)} jobs of an earlier start go on, and nothing that is asked for now needs them. To end "
                f"them: scancel {names}"
            )

    def _stop(self, entries: Sequence[Entry]) -> None:
        running = [entry for entry in entries if not entry.cancelled]
        if not running:
            return
        stopped = {entry.job_id for entry in running}
        whole: list[Entry] = []
        part: list[Entry] = []
        for entry in running:
            mates = {each.job_id for each in self.entries if each.slurm_id == entry.slurm_id}
            (whole if mates <= stopped else part).append(entry)
        self._backend.cancel(sorted({entry.slurm_id for entry in whole}))
        for entry in part:
            # Without its folder it has nothing to write into.
            with contextlib.suppress(FileNotFoundError):
                stop_path(self._folder / entry.submission, entry.job_id).touch()
        for entry in running:
            self._logger.info(f"Job {entry.job_id} ({entry.description}) works on an earlier version: cancelled.")
            self._ledger.ended(entry.job_id, "cancelled")
            for member in entry.members:
                self._stopping.setdefault(member.key, []).append(entry.slurm_id)
        self.entries = [entry for entry in self.entries if entry.job_id not in stopped]
