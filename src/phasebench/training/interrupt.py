"""Requests to stop: signals of a scheduler's time limit, a preemption or Ctrl-C."""

import signal
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)


class StopRequest:
    """Record of SIGTERM, SIGUSR2 or SIGINT that came while the ``with`` block ran, which do not end the process.

    A second SIGINT raises KeyboardInterrupt as usual.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        self._previous: dict[signal.Signals, signal._HANDLER] = {}

    def __bool__(self) -> bool:
        return self.signal is not None

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number).name
