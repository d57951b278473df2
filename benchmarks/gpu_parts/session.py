"""Rows of the table, and the time that a part has for them."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from phasebench.training.timing import interleaved_seconds

TIME_IS_UP = "skipped: the time is up"
NEEDS_A_CARD = "skipped: needs a CUDA card"
FEWEST_ROUNDS, MOST_ROUNDS = 3, 200


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    part: str
    what: str
    milliseconds: float | None = None
    rate: float | None = None
    unit: str = ""
    """Unit of the rate."""
    ratio: float | None = None
    ratio_to: str = ""
    """The row, of the same part, whose time divides this one's."""
    note: str = ""


class Session:
    """One part: it writes each row as soon as it is known, so that none is lost where the part is stopped.

    Parameters
    ----------
    part : str
        Title of the part, for the rows.
    device : {"cuda", "cpu"}
        The device to measure.
    seconds : float
        Time for the part from now on.
    rows : Path
        JSON lines; appended to.
    """

    def __init__(self, part: str, device: str, seconds: float, rows: Path) -> None:
        self.part, self.device, self.seconds, self._rows = part, device, seconds, rows
        self._end = time.monotonic() + seconds

    @property
    def on_card(self) -> bool:
        """The device is a CUDA card."""
        return self.device == "cuda"

    def left(self) -> float:
        """Seconds that remain, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def add(self, row: Row) -> None:
        """Write a row."""
        with self._rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")

    def note(self, what: str, note: str) -> None:
        """Write a row that has no figures."""
        self.add(Row(self.part, what, note=note))

    def has_time(self, what: str) -> bool:
        """Tell whether time remains; if not, a row says that this was skipped."""
        if self.left() > 0.0:
            return True
        self.note(what, TIME_IS_UP)
        return False

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Write a row with the reason if the block fails, and go on."""
        try:
            yield
        except Exception as error:
            self.note(what, f"failed: {type(error).__name__}: {first_line(str(error))}")

    def medians(self, computations: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
        """Median seconds of a call of each, in turns, in about as many seconds as given or the rest of the part's."""
        if not computations:
            return {}
        start = time.perf_counter()
        for compute in computations.values():
            compute()
        one_round = time.perf_counter() - start
        rounds = int(min(seconds, self.left()) / one_round)
        rounds = max(FEWEST_ROUNDS, min(MOST_ROUNDS, rounds))
        times = interleaved_seconds(computations, rounds, warm_up=1)
        return {name: median(values) for name, values in times.items()}


def first_line(text: str) -> str:
    """The first line that is not empty, cut to 160 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:160] if lines else "no message"
