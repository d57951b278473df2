"""Heartbeat of processes that work together: each says when it gets on, and one that none of them does is noticed."""

import itertools
import threading
import time
from collections.abc import Callable

_beats = itertools.count(1)
_latest = 0


def beat() -> None:
    """Say that this process has got on: a step of training, a batch of a test, a file."""
    global _latest
    _latest = next(_beats)


class Watchdog:
    """Thread that notices when no process has got on for too long, as in a collective operation that hangs.

    Parameters
    ----------
    add : callable
        Adds a number to what all processes share, and returns the sum.
    on_silence : callable
        Called once, in the thread, with a reason for people.
    seconds : float
        Longest time without a beat of any process.
    interval : float
        Time between two looks in seconds.
    """

    def __init__(
        self, add: Callable[[int], int], on_silence: Callable[[str], None], seconds: float, interval: float = 5.0
    ) -> None:
        self._add, self._on_silence, self._seconds, self._interval = add, on_silence, seconds, interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._ended.set()

    def _watch(self) -> None:
        told, total, since = 0, -1, time.monotonic()
        while not self._ended.wait(self._interval):
            news = _latest - told
            try:
                found = self._add(news)
            except RuntimeError:  # the process that holds the sum has ended, and with it the run
                return
            told += news
            if found != total:
                total, since = found, time.monotonic()
            elif time.monotonic() - since > self._seconds:
                self._on_silence(
                    f"no process has got on for {self._seconds / 60:.0f} minutes, so they wait for each other in vain; "
                    "the run goes on from its checkpoint when it is started again"
                )
                return
