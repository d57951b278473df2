"""Ledger: the submitted jobs on disk, by which a later Snakemake finds them again.

``ledger.jsonl`` has one line per event and only grows. A submission is announced before sbatch is called and completed
with its job ids afterwards, so that no job can be in the queue without a line that leads to it.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from snakemake_interface_common.exceptions import WorkflowError


@dataclass(frozen=True)
class Entry:
    """A submitted job that is not known to be gone."""

    job_id: str
    submission: str
    """The submission's token: name of its folder, and its comment in SLURM."""
    key: str
    fingerprint: str
    description: str
    cancelled: bool = False
    """It was told to stop, and may take a while."""


class Ledger:
    """The ledger of one folder, held by one Snakemake at a time.

    Parameters
    ----------
    folder : Path
        The plugin's folder; it is made where it is missing.
    cluster : {"slurm", "local"}
        Jobs of the other kind are left alone.

    Raises
    ------
    WorkflowError
        Another Snakemake holds the ledger.
    """

    def __init__(self, folder: Path, cluster: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "ledger.jsonl"
        self._cluster = cluster
        self._lock = _hold(folder / "lock")
        _remove_torn_line(self.path)
        self.open_entries, self.unanswered = self._read()
        self._file = self.path.open("a", encoding="utf-8")

    def announce(self, submission: str, jobs: Sequence[tuple[str, str, str]]) -> None:
        """Record that jobs (key, fingerprint, description) are about to be submitted."""
        self._append({"event": "submit", "submission": submission, "cluster": self._cluster, "jobs": jobs}, sync=True)

    def queued(self, submission: str, job_ids: Sequence[str]) -> None:
        """Record the ids that the jobs got, in the order in which they were announced."""
        self._append({"event": "queued", "submission": submission, "ids": job_ids}, sync=True)

    def refused(self, submission: str) -> None:
        """Record that a submission failed; none of its jobs is in the queue."""
        self._append({"event": "refused", "submission": submission})

    def ended(self, job_id: str, outcome: str) -> None:
        """Record a job's end: ``success``, ``failed``, ``gone``; or ``cancelled``, which may take a while."""
        self._append({"event": "ended", "id": job_id, "outcome": outcome})

    def close(self) -> None:
        """Let another Snakemake have the ledger."""
        self._file.close()
        self._lock.close()

    def _append(self, event: dict[str, Any], sync: bool = False) -> None:
        self._file.write(json.dumps({**event, "time": round(time.time(), 3)}) + "\n")
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())

    def _read(self) -> tuple[dict[str, Entry], list[str]]:
        """The entries without an end by their key, and submissions of which it is not known whether they arrived."""
        announced: dict[str, list[list[str]]] = {}
        entries: dict[str, Entry] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []:
            event = json.loads(line)
            match event["event"]:
                case "submit" if event["cluster"] == self._cluster:
                    announced[event["submission"]] = event["jobs"]
                case "queued" if event["submission"] in announced:
                    jobs = announced.pop(event["submission"])
                    for job_id, (key, fingerprint, description) in zip(event["ids"], jobs, strict=True):
                        entries[job_id] = Entry(job_id, event["submission"], key, fingerprint, description)
                case "refused":
                    announced.pop(event["submission"], None)
                case "ended" if event["outcome"] == "cancelled" and event["id"] in entries:
                    entries[event["id"]] = replace(entries[event["id"]], cancelled=True)
                case "ended":
                    entries.pop(event["id"], None)
        return {entry.key: entry for entry in entries.values()}, list(announced)


def _hold(path: Path) -> IO[str]:
    """Lock a file until it is closed or the process dies, on shared file systems too."""
    handle = path.open("a+", encoding="utf-8")
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise WorkflowError(
            f"Another Snakemake ({holder}) is in charge of the jobs in {path.parent}. Wait for it or stop it; to run "
            "a second workflow in the same directory, give it another --submitit-folder."
        ) from error
    handle.truncate(0)
    handle.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    handle.flush()
    return handle


def _remove_torn_line(path: Path) -> None:
    """Remove half a line at the end, left by a process that was killed while it wrote."""
    if not path.exists():
        return
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with path.open("r+b") as handle:
            handle.truncate(end)
