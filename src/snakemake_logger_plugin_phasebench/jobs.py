"""Jobs of a workflow as they start and finish, and how long the rest will take."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean


@dataclass
class Jobs:
    """Count of a workflow's jobs.

    Attributes
    ----------
    planned
        Rule -> number of its jobs.
    running
        Number of a job -> its rule, the moment of its start in seconds, and what it does.
    durations
        Rule -> seconds that its finished jobs took.
    most_running
        Most jobs that ran at a time.
    failed
        Jobs that failed.
    """

    planned: Mapping[str, int] = field(default_factory=dict)
    running: dict[int, tuple[str, float, str]] = field(default_factory=dict)
    durations: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    most_running: int = 1
    failed: int = 0

    def start(self, number: int, rule: str, now: float, description: str = "") -> None:
        """Note the start of a job."""
        self.running[number] = (rule, now, description or rule)
        self.most_running = max(self.most_running, len(self.running))

    def finish(self, number: int, now: float) -> None:
        """Note the end of a job."""
        if job := self.running.pop(number, None):
            rule, started, _ = job
            self.durations[rule].append(now - started)

    def fail(self, number: int) -> str:
        """Note the failure of a job, which Snakemake may try again, and describe it."""
        job = self.running.pop(number, None)
        self.failed += 1
        return job[2] if job else f"job {number}"

    def seconds_left(self, now: float) -> float | None:
        """Estimate the time to the end.

        A job is expected to take as long as the finished ones of its rule, or of all rules where none has finished yet,
        and as many as ever to run side by side.

        Returns
        -------
        float or None
            Seconds; None while most of the planned jobs are of rules of which none has finished.
        """
        mean = {rule: fmean(durations) for rule, durations in self.durations.items()}
        counts = {rule: max(count - len(self.durations.get(rule, ())), 0) for rule, count in self.planned.items()}
        unknown = sum(count for rule, count in counts.items() if rule not in mean)
        if not mean or 2 * unknown > sum(self.planned.values()):
            return None
        anything = fmean(seconds for durations in self.durations.values() for seconds in durations)
        left = sum(mean.get(rule, anything) * count for rule, count in counts.items())
        spent = sum(min(now - started, mean.get(rule, anything)) for rule, started, _ in self.running.values())
        return max(left - spent, 0.0) / self.most_running
