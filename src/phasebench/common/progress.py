"""Progress of a long loop: a bar on a terminal, log messages elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")

_LOGGER = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 15.0


def track(iterable: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items of ``iterable`` and show how far the loop has come.

    A terminal gets a bar. Anything else, such as a log file, gets a message every 15 seconds and one at the end of a
    loop that took longer than that.

    Parameters
    ----------
    iterable
        What to loop over.
    description
        What the loop does, in a few words.
    total
        Number of items; taken from ``len(iterable)`` where that exists.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as rich_track

        console = Console(stderr=True)
        yield from rich_track(iterable, description, total=total, console=console, transient=True)
    else:
        yield from _track_in_lines(iterable, description, total)


def _track_in_lines(iterable: Iterable[Item], description: str, total: int | None) -> Iterator[Item]:
    start = last_line = time.monotonic()
    done = 0
    for item in iterable:
        yield item
        done += 1
        now = time.monotonic()
        if now - last_line >= _SECONDS_BETWEEN_LINES:
            last_line = now
            _log_line(description, done, total, now - start)
    if last_line > start:
        _log_line(description, done, total, time.monotonic() - start)


def _log_line(description: str, done: int, total: int | None, seconds: float) -> None:
    of_total = f"/{total} ({100 * done / total:.0f} %)" if total else ""
    _LOGGER.info("%s: %d%s, %.0f s", description, done, of_total, seconds)
