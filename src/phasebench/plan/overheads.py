"""Which networks are timed beside which, and as they are trained."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phasebench.plan.config import Resources, Suite, TimedModel
from phasebench.specs.run import RunSpec

if TYPE_CHECKING:
    from phasebench.plan.plan import PlannedRun

# What tells a network's rows in the tables from others.
_KEYS = {"dataset", "stands_in_for", "encoding", "variant", "train_fraction", "model"}


@dataclass(frozen=True)
class PlannedOverhead:
    """The networks of an experiment that are timed, as settings of the stage, and what the job needs."""

    suite: str
    experiment: str
    networks: tuple[dict[str, Any], ...]
    resources: Resources

    @property
    def id(self) -> str:
        """``<suite>/<experiment>``."""
        return f"{self.suite}/{self.experiment}"


def plan_overheads(suites: Iterable[Suite], runs: Mapping[str, "PlannedRun"]) -> dict[str, PlannedOverhead]:
    """What is timed, by its id: each pair of models of which both are trained, as their first run trains them.

    Parameters
    ----------
    suites
        The studies.
    runs
        Everything that is trained.
    """
    first: dict[tuple[str, str, str], PlannedRun] = {}
    for planned in runs.values():
        first.setdefault((planned.spec.suite, planned.spec.experiment, planned.spec.model), planned)
    found = {}
    for suite in suites:
        for name, experiment in suite.experiments.items():
            pairs = [
                (timed, first.get((suite.name, name, timed.model)), first.get((suite.name, name, timed.baseline)))
                for timed in experiment.overhead
            ]
            networks = [(_settings(timed, own.spec, base.spec), own) for timed, own, base in pairs if own and base]
            if networks:
                of_training = networks[0][1].resources
                # A single process, whatever the training has.
                resources = of_training.model_copy(update={"gpu": min(of_training.gpu, 1)})
                overhead = PlannedOverhead(suite.name, name, tuple(settings for settings, _ in networks), resources)
                found[overhead.id] = overhead
    return found


def _settings(timed: TimedModel, spec: RunSpec, baseline: RunSpec) -> dict[str, Any]:
    """A network and its baseline as the stage reads them."""
    return {
        **spec.model_dump(mode="json", include=_KEYS),
        "item": timed.item,
        "size": timed.size,
        "options": {**spec.model_options, **timed.options},
        "recipe": spec.recipe.model_dump(mode="json"),
        "baseline": {
            "model": baseline.model,
            "options": baseline.model_options,
            "recipe": baseline.recipe.model_dump(mode="json"),
        },
    }
