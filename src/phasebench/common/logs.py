"""Last lines of logs, and the failures that they tell of."""

from pathlib import Path

_READ_BYTES = 1 << 16
_ERROR = "phasebench: error: "
_TRACEBACK = "Traceback (most recent call last):"


def last_line(log: Path) -> str:
    """The last line of a log that is not empty; '' where there is none."""
    lines = _last_lines(log)
    return lines[-1] if lines else ""


def logged_failure(log: Path) -> str:
    """The last line of a log that ends with an error or a traceback; '' where it does not, or is not there.

    A process that was killed leaves no such line.
    """
    lines = _last_lines(log)
    if lines and (lines[-1].startswith(_ERROR) or _TRACEBACK in lines):
        return lines[-1].removeprefix(_ERROR)
    return ""


def _last_lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, log.stat().st_size - _READ_BYTES))
            text = handle.read().decode(errors="replace")
    except OSError:
        return []
    # A progress bar returns to the beginning of its line.
    return [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
