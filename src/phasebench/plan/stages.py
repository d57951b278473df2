"""Planned stages beside the runs: analyses of an experiment's runs, timings, baselines and properties of a study."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from phasebench.common.files import canonical_json
from phasebench.models.registry import REGISTRY
from phasebench.plan.config import Experiment, NetworkChoice, Resources, Scale, Suite, TimedModel
from phasebench.plan.external import external_model, networks_of
from phasebench.plan.runs import PlannedRun
from phasebench.specs.run import RunSpec, coordinates
from phasebench.specs.stage import datasets_of

# Keys that tell a network's rows in the tables from others.
_TIMED = set(coordinates("suite", "experiment", "seed"))
# Keys that decide the samples that a network reads, and how it reads them.
_INPUT = {
    *coordinates("suite", "experiment", "stands_in_for", "variant", "model"),
    *("test_encoding", "validation_fraction", "subset"),
}
# Keys that tell a cell of the tables from others.
_CELL = set(coordinates("suite", "model")) - _INPUT


@dataclass(frozen=True)
class PlannedAnalysis:
    """Analysis of all runs of an experiment, with their ids."""

    suite: str
    experiment: str
    name: str
    runs: tuple[str, ...]
    published: tuple[str, ...] = ()
    """Metrics of the study's own numbers that it reads."""

    @property
    def id(self) -> str:
        """``<suite>/<experiment>/<name>``."""
        return f"{self.suite}/{self.experiment}/{self.name}"


def plan_analyses(suites: Iterable[Suite], runs: Mapping[str, PlannedRun]) -> dict[str, PlannedAnalysis]:
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
                planned_analysis = PlannedAnalysis(suite.name, name, analysis, own, choice.published or ())
                found[planned_analysis.id] = planned_analysis
    return found


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


def plan_overheads(suites: Iterable[Suite], runs: Mapping[str, PlannedRun]) -> dict[str, PlannedOverhead]:
    """Timings of training steps, by id: each pair of models of which both are trained, as their first run trains them.

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
            networks = [(_timed(timed, own.spec, base.spec), own) for timed, own, base in pairs if own and base]
            if networks:
                of_training = networks[0][1].resources
                # A single process, whatever the training has.
                resources = of_training.model_copy(update={"gpu": min(of_training.gpu, 1)})
                overhead = PlannedOverhead(suite.name, name, tuple(settings for settings, _ in networks), resources)
                found[overhead.id] = overhead
    return found


def _timed(timed: TimedModel, spec: RunSpec, baseline: RunSpec) -> dict[str, Any]:
    """A network and its baseline as the stage reads them."""
    return {
        **spec.model_dump(mode="json", include=_TIMED),
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


@dataclass(frozen=True)
class PlannedBaselines:
    """The inputs of a study's networks, each with the cells of the tables that have it, as settings of the stage."""

    suite: str
    inputs: tuple[dict[str, Any], ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets, each once."""
        return datasets_of(self.inputs)


def plan_baselines(specs: Iterable[RunSpec]) -> dict[str, PlannedBaselines]:
    """The inputs of each study's runs, by the study, in an order that does not follow that of the runs.

    Models and recipes are no part of an input: where they change, no baseline is measured again.
    """
    cells: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    inputs: dict[str, dict[str, Any]] = {}
    for spec in specs:
        read, cell = (spec.model_dump(mode="json", include=keys) for keys in (_INPUT, _CELL))
        key = canonical_json(read)
        inputs[key] = read
        cells.setdefault(spec.suite, {}).setdefault(key, {})[canonical_json(cell)] = cell
    return {
        suite: PlannedBaselines(
            suite,
            tuple({**inputs[key], "cells": [found[key][cell] for cell in sorted(found[key])]} for key in sorted(found)),
        )
        for suite, found in cells.items()
    }


@dataclass(frozen=True)
class PlannedProperties:
    """The laws and the untrained networks of a study whose properties are measured, as settings of the stage."""

    suite: str
    laws: tuple[str, ...]
    networks: tuple[dict[str, Any], ...]


def plan_properties(
    suites: Iterable[Suite], scale: Scale, networks: Mapping[str, NetworkChoice]
) -> dict[str, PlannedProperties]:
    """Properties of each study that has any, by the study: of all networks of its grids, whatever the scale runs.

    Networks of the configuration follow those of the study for which they are named.
    """
    return {
        suite.name: PlannedProperties(suite.name, suite.properties, (*_untrained(suite), *_external(suite, networks)))
        for suite in suites
        if suite.properties is not None and scale.suites[suite.name].properties
    }


def _untrained(suite: Suite) -> tuple[dict[str, Any], ...]:
    """Every network of the study's grids once, as the stage reads it."""
    models = sorted({model for experiment in suite.experiments.values() for model in experiment.grid.models})
    return tuple(
        {
            "model": model,
            "input_shape": list(REGISTRY.find(model).input_shape),
            "real": REGISTRY.find(model).real,
            "published_parameters": REGISTRY.find(model).published_parameters,
            "invariant_to": list(REGISTRY.find(model).invariant_to),
        }
        for model in models
    )


def _external(suite: Suite, networks: Mapping[str, NetworkChoice]) -> Iterator[dict[str, Any]]:
    """Every external network of the study's grids once, as the stage reads it."""
    first: dict[str, tuple[NetworkChoice, Experiment]] = {}
    for experiment_name, experiment in suite.experiments.items():
        for name, choice in networks_of(networks, suite.name, experiment_name).items():
            first.setdefault(name, (choice, experiment))
    for name, (choice, experiment) in first.items():
        external = external_model(name, choice, experiment)
        yield {
            "model": name,
            "input_shape": list(external.input_shape),
            "real": choice.domain == "real",
            "published_parameters": None,
            "invariant_to": None if choice.invariant_to is None else list(choice.invariant_to),
            "options": dict(choice.options),
            "external": external.model_dump(mode="json"),
        }
