"""Ledger: the submitted jobs on disk, by which a later Snakemake finds them again.

``ledger.jsonl`` has one line per event and only grows. A submission is announced before sbatch is called and completed
with its job ids afterwards, so that no job can be in the queue without a line that leads to it.
"""

import errno
import fcntl
import json
import os
import re
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import psutil
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_submitit.job_identity import Member

_HELD = {errno.EACCES, errno.EAGAIN}
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_FOLDER_MODE = 0o700

# Key, fingerprint, description, and the members with their keys, fingerprints and internal files.
Announced = Sequence[Any]


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
    members: tuple[Member, ...] = ()

    @property
    def slurm_id(self) -> str:
        """Job id that SLURM knows; several members of a pack share one."""
        return self.job_id.split(".")[0]


class Ledger:
    """The ledger of one folder, held by one Snakemake at a time.

    Parameters
    ----------
    folder : Path
        The plugin's folder; it is made where it is missing.
    cluster : {"slurm", "local"}
        Jobs of the other kind are left alone.

    Attributes
    ----------
    entries : list of Entry
        Jobs without an end, in the order in which they were submitted.
    unanswered : list of str
        Submissions of which it is not known whether they arrived.
    orphans : list of str
        Ids of jobs of which only the number could be read.
    warnings : list of str
        Lines that could not be read, and locks that the file system does not have.

    Raises
    ------
    WorkflowError
        Another Snakemake holds the ledger, or the folder is somebody else's.
    """

    def __init__(self, folder: Path, cluster: str) -> None:
        self.path = folder / "ledger.jsonl"
        self.warnings: list[str] = []
        self.orphans: list[str] = []
        self.unanswered: list[str] = []
        self.entries: list[Entry] = []
        self._cluster = cluster
        self._writing = threading.Lock()
        try:
            _make_private(folder)
            self._lock = self._hold(folder / "lock")
            _remove_torn_line(self.path)
            self._read()
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise WorkflowError(_refusal(error, folder)) from error

    @property
    def open_entries(self) -> dict[str, Entry]:
        """The entries without an end by their key; of equal ones, the latest."""
        return {entry.key: entry for entry in self.entries}

    def keys_of(self, submission: str) -> list[str]:
        """Keys of all members of an unanswered submission."""
        return _keys(self._announced.get(submission, []))

    def announce(self, submission: str, jobs: Sequence[Announced]) -> None:
        """Record that jobs (key, fingerprint, description, members) are about to be submitted."""
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
        with self._writing:
            self._file.write(json.dumps({**event, "time": round(time.time(), 3)}) + "\n")
            self._file.flush()
            if sync:
                os.fsync(self._file.fileno())

    def _read(self) -> None:
        announced: dict[str, list[Announced]] = {}
        others: set[str] = set()
        entries: dict[str, Entry] = {}
        unclear: list[str] = []
        damaged: list[int] = []
        text = self.path.read_text(encoding="utf-8", errors="replace") if self.path.exists() else ""
        # Not splitlines(), which takes more characters than the end of a line for one.
        for number, line in enumerate(text.split("\n"), 1):
            # A power cut may leave a block of zeros before the next line.
            if not (line := line.strip("\0 ")):
                continue
            try:
                event = json.loads(line)
                match event["event"]:
                    case "submit" if event["cluster"] == self._cluster:
                        # Before it is believed: later calls rely on its form.
                        _keys(event["jobs"])
                        announced[event["submission"]] = event["jobs"]
                    case "submit":
                        others.add(event["submission"])
                    case "queued" if event["submission"] in announced:
                        for entry in _entries(event, announced.pop(event["submission"])):
                            entries[entry.job_id] = entry
                    case "queued" if event["submission"] not in others:
                        unclear += [str(job_id) for job_id in event["ids"]]
                    case "refused":
                        announced.pop(event["submission"], None)
                    case "ended" if event["outcome"] == "cancelled" and event["id"] in entries:
                        entries[event["id"]] = replace(entries[event["id"]], cancelled=True)
                    case "ended":
                        entries.pop(event["id"], None)
                        unclear = [job_id for job_id in unclear if job_id != event["id"]]
            except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
                damaged.append(number)
        self.entries = list(entries.values())
        self.unanswered = list(announced)
        self._announced = announced
        if damaged:
            self.orphans = unclear
            lines = ", ".join(map(str, damaged))
            self.warnings.append(f"{self.path}: cannot be read in line {lines}, which is skipped.")

    def _hold(self, path: Path) -> IO[str]:
        """Lock a file until it is closed or the process dies, on shared file systems too."""
        handle = path.open("a+", encoding="utf-8")
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _UNSUPPORTED and not _lives(holder):
                self.warnings.append(
                    f"{path}: the file system has no locks ({error.strerror}). Do not start a second Snakemake in this "
                    "folder from another machine while this one runs."
                )
            else:
                handle.close()
                if error.errno not in _HELD | _UNSUPPORTED:
                    raise
                raise WorkflowError(
                    f"Another Snakemake ({holder}) is in charge of the jobs in {path.parent}. Wait for it or stop it; "
                    "to run a second workflow in the same directory, give it another --submitit-folder."
                ) from error
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        handle.flush()
        return handle


def _entries(event: dict[str, Any], jobs: Sequence[Announced]) -> list[Entry]:
    found = []
    for job_id, (key, fingerprint, description, *rest) in zip(event["ids"], jobs, strict=True):
        parts = _members([key, fingerprint, description, *rest])
        members = tuple(Member(part[0], part[1], tuple(part[2])) for part in parts)
        found.append(Entry(str(job_id), event["submission"], key, fingerprint, description, members=members))
    return found


def _keys(jobs: Sequence[Announced]) -> list[str]:
    return [part[0] for job in jobs for part in _members(job)]


def _members(job: Announced) -> list[Any]:
    return list(job[3]) if len(job) > 3 else [[job[0], job[1], []]]


def _make_private(folder: Path) -> None:
    """Make the folder; only its owner may write what jobs will run, or read what they printed."""
    folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
    if folder.stat().st_uid == os.getuid():
        folder.chmod(_FOLDER_MODE)


def _refusal(error: OSError, folder: Path) -> str:
    path = Path(str(error.filename or folder))
    try:
        owner = f" (it belongs to {path.owner() if path.exists() else path.parent.owner()})"
    except (OSError, KeyError):
        owner = ""
    return (
        f"{path}: {error.strerror}{owner}. One user looks after the jobs of a folder; use a clone of your own, or "
        "another --submitit-folder."
    )


def _lives(holder: str) -> bool:
    """True if the Snakemake that signed a lock is known to run, where locks cannot tell."""
    found = re.fullmatch(r"process (\d+) on (.*)", holder)
    if found is None or found[2] != socket.gethostname() or int(found[1]) == os.getpid():
        return False
    try:
        return any("snakemake" in word for word in psutil.Process(int(found[1])).cmdline())
    except psutil.Error:
        return False


def _remove_torn_line(path: Path) -> None:
    """Remove half a line at the end, left by a process that was killed while it wrote."""
    if not path.exists():
        return
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with path.open("r+b") as handle:
            handle.truncate(end)
