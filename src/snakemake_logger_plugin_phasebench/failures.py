"""Failure of a job in one line."""

import re
from collections.abc import Iterable
from pathlib import Path
from signal import Signals

_TAIL_BYTES = 4096
_STATUS = re.compile(r"non-zero exit status (\d+)")


def failure(description: str, exception: str, reason: str | None, logs: Iterable[str]) -> str:
    """Word the failure of a job: what it did, why it failed, and where its log is.

    Parameters
    ----------
    description
        What the job did.
    exception
        Snakemake's account of the command that failed; it has the exit status. '' for none.
    reason
        What an executor says of the job.
    logs
        Log files of the job, which may be missing.

    Returns
    -------
    str
        One line; '' if neither a log nor a reason is there.
    """
    tails = ((path, _last_line(path)) for path in logs)
    log, last = next((tail for tail in tails if tail[1]), ("", ""))
    why = reason or _signal(exception) or last
    if not why:
        return ""
    return f"failed: {description}: {' '.join(why.split())}" + (f"; log: {log}" if log else "")


def _signal(exception: str) -> str:
    """Name the signal that ended a command of a shell, which adds 128 to its number."""
    found = _STATUS.search(exception)
    number = int(found[1]) - 128 if found else 0
    return f"ended by {Signals(number).name}" if number in set(Signals) else ""


def _last_line(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            file.seek(max(Path(path).stat().st_size - _TAIL_BYTES, 0))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    # A progress line is drawn over itself.
    return next((text for line in reversed(lines) if (text := line.split("\r")[-1].strip())), "")
