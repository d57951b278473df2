"""Clock of a run: its wall time, and the time since the last validation and checkpoint."""

import time

from phasebench.training.checkpoint import TrainingState


class Clock:
    """Time since the run began and since its last validation, both across resumptions, and since the last save."""

    def __init__(self, state: TrainingState) -> None:
        now = time.perf_counter()
        self._run, self._interval, self._save = now - state.wall_seconds, now - state.interval_seconds, now

    @property
    def wall(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self._run

    @property
    def interval(self) -> float:
        """Seconds since its last validation."""
        return time.perf_counter() - self._interval

    @property
    def since_save(self) -> float:
        """Seconds since the last checkpoint of this process."""
        return time.perf_counter() - self._save

    def restart_interval(self) -> None:
        """Start the next interval, after a validation."""
        self._interval = time.perf_counter()

    def saved(self) -> None:
        """Note that a checkpoint was written."""
        self._save = time.perf_counter()
