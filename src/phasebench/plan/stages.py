"""What is computed from all runs of an experiment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phasebench.plan.config import Suite

if TYPE_CHECKING:
    from phasebench.plan.plan import PlannedRun


@dataclass(frozen=True)
class PlannedAnalysis:
    """What is computed from all runs of an experiment, and their ids."""

    suite: str
    experiment: str
    name: str
    runs: tuple[str, ...]
    published: str | None = None
    """Metric of the study's own numbers that it reads."""

    @property
    def id(self) -> str:
        """``<suite>/<experiment>/<name>``."""
        return f"{self.suite}/{self.experiment}/{self.name}"


def plan_analyses(suites: Iterable[Suite], runs: Mapping[str, "PlannedRun"]) -> dict[str, PlannedAnalysis]:
    """Every analysis of an experiment that has runs, by its id.

    Parameters
    ----------
    suites
        The studies.
    runs
        Everything that is trained.
    """
    members: dict[tuple[str, str], list[str]] = {}
    for run_id, planned in runs.items():
        members.setdefault((planned.spec.suite, planned.spec.experiment), []).append(run_id)
    found = {}
    for suite in suites:
        for name, experiment in suite.experiments.items():
            own = tuple(members.get((suite.name, name), ()))
            for analysis, choice in experiment.analyses.items() if own else ():
                planned_analysis = PlannedAnalysis(suite.name, name, analysis, own, choice.published)
                found[planned_analysis.id] = planned_analysis
    return found
