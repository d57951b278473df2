"""Snakemake's lock of a working directory, held by the executor so that it is known to be stale after a kill.

Snakemake's own lock outlives a process that was killed, and nobody can tell whether it is still meant. Started with
``--nolock``, the executor writes the same files: a Snakemake with any other executor sees them. They belong to whoever
holds the ledger; a start that gets the ledger knows that those of the ledger's folder are stale.
"""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError


class WorkflowLock:
    """Lock of the files that a workflow reads and makes.

    Parameters
    ----------
    workflow : WorkflowExecutorInterface
        The workflow. Where Snakemake holds its own lock, nothing is done.
    folder : Path
        The folder of the ledger, which has to be held.

    Raises
    ------
    WorkflowError
        Another Snakemake works on the same files.
    """

    def __init__(self, workflow: Any, folder: Path) -> None:
        self._paths: list[Path] = []
        self._record = folder / "locks.json"
        persistence = workflow.persistence
        directory = getattr(persistence, "_lockdir", None)
        if workflow.execution_settings.lock or directory is None:
            return
        self._directory = Path(directory)
        self._remove_stale()
        if persistence.locked:
            raise WorkflowError(
                "Another Snakemake works on the same files in this directory. Wait for it or stop it. If none runs, "
                "one was killed: snakemake --unlock"
            )
        self._directory.mkdir(parents=True, exist_ok=True)
        self._write("input", map(str, persistence.all_inputfiles()))
        self._write("output", map(str, persistence.all_outputfiles()))

    def release(self) -> None:
        """Remove the lock."""
        for path in self._paths:
            with contextlib.suppress(OSError):
                path.unlink()
        if self._paths:
            self._record.unlink(missing_ok=True)
        self._paths = []

    def alone(self) -> bool:
        """True if the lock is held and no other Snakemake has one in the directory."""
        return bool(self._paths) and set(self._directory.glob("*.lock")) <= set(self._paths)

    def _remove_stale(self) -> None:
        try:
            names = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return
        for name in names:
            with contextlib.suppress(OSError):
                (self._directory / Path(str(name)).name).unlink()

    def _write(self, kind: str, files: Iterable[str]) -> None:
        lines = list(files)
        number = 0
        while lines:
            path = self._directory / f"{number}.{kind}.lock"
            try:
                handle = path.open("x")
            except FileExistsError:
                number += 1
                continue
            self._paths.append(path)
            # Before the lock has content, so that no file is left that nobody knows to be stale.
            self._record.write_text(json.dumps([each.name for each in self._paths]))
            with handle:
                handle.write("\n".join(lines) + "\n")
            return
