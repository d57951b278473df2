"""Attempts of a job: a file beside its log that counts the starts and belongs to the latest of them."""

import json
import os
import socket
import time
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from snakemake_executor_plugin_submitit.atomic_write import write_atomically


@dataclass(frozen=True)
class Attempt:
    """One start of a job."""

    requeues: int
    """Number of times that the job was put back into the queue before."""
    host: str
    token: str
    path: Path
    first_start: float
    """Time of the first start, in seconds since 1970."""

    @classmethod
    def begin(cls, folder: Path, job_id: str, requeues: int) -> Self:
        """Register a start of the job, which supersedes all earlier ones.

        Parameters
        ----------
        folder : Path
            The job's folder.
        job_id : str
            As the executor writes it: ``12``, or ``12_3`` in an array.
        requeues : int
            Requeues that the job itself knows of; SLURM counts its own too.
        """
        earlier = read_attempt(folder, job_id) or {}
        first = earlier.get("first_start")
        attempt = cls(
            max(requeues, int(os.environ.get("SLURM_RESTART_COUNT", "0"))),
            os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
            uuid.uuid4().hex,
            attempt_path(folder, job_id),
            float(first) if isinstance(first, int | float) else time.time(),
        )
        content = asdict(replace(attempt, path=Path(attempt.path.name)))
        write_atomically(attempt.path, json.dumps(content, default=str))
        return attempt

    def superseded(self) -> bool:
        """True if the job was started again since, as after the failure of a node that lives on."""
        found = read_attempt(self.path.parent, self.path.name.removesuffix(".attempt"))
        return found is not None and found["token"] != self.token


def attempt_path(folder: Path, job_id: str) -> Path:
    """Path of the file that registers a job's latest start."""
    return folder / f"{job_id}.attempt"


def read_attempt(folder: Path, job_id: str) -> dict[str, object] | None:
    """The latest start of a job; None before the first, or where the file cannot be read just now."""
    try:
        return dict(json.loads(attempt_path(folder, job_id).read_text()))
    except (OSError, ValueError):
        return None
