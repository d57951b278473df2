"""Expansion of suites: each cell of an experiment's grid becomes a resolved run."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from phasebench.common.validation import as_model
from phasebench.evaluation.requirements import reads_registry
from phasebench.plan.config import (
    EvaluationChoice,
    Experiment,
    Grid,
    GridPart,
    ModelChoice,
    NetworkChoice,
    Resources,
    Scale,
    ScaledExperiment,
    ScaledSuite,
    Suite,
)
from phasebench.plan.datasets import DatasetChoices
from phasebench.plan.external import are_replaced, external_model, networks_of
from phasebench.specs.run import FullBatchRecipe, Recipe, RunSpec, Scalar
from phasebench.specs.stage import evaluation_key

Changed = TypeVar("Changed", bound=BaseModel)
Cell = tuple[str, str, str, float, int]
"""Data set, encoding, model, training fraction and seed."""


@dataclass(frozen=True)
class PlannedRun:
    """A run, what it needs and what is measured on it.

    Attributes
    ----------
    samples
        Evaluation -> number of test samples that it works on, where these are not all.
    shortened
        Whether the scale shortens the training or shrinks the network.
    """

    spec: RunSpec
    resources: Resources
    evaluations: tuple[str, ...]
    shortened: bool = False
    samples: Mapping[str, int] = field(default_factory=dict)

    @property
    def evaluation_specs(self) -> dict[str, str]:
        """Evaluation -> name of its spec file."""
        return {name: evaluation_key(name, self.samples.get(name)) for name in self.evaluations}


def expand(
    suite: Suite,
    scale: Scale,
    scale_file: str,
    choices: DatasetChoices,
    networks: Mapping[str, NetworkChoice],
    only: Mapping[str, GridPart],
) -> Iterator[PlannedRun]:
    """Resolve a suite's runs at a scale; parts of a grid may overlap.

    Parameters
    ----------
    suite
        The study.
    scale
        The scale, which names the suite.
    scale_file
        Its file in messages.
    choices
        Which data set is used for each of the study's.
    networks
        Those of the configuration; each is trained on the inputs of its experiment's own networks, with their seeds.
    only
        Experiment, as ``<suite>/<experiment>`` -> the part of it that is run; all experiments, whole, if empty.

    Yields
    ------
    PlannedRun
        The runs in the order of the experiments; a cell that two parts of a grid share comes once in its experiment.

    Raises
    ------
    PhasebenchError
        What the scale changes in a recipe or in the resources does not fit.
    """
    scaled = scale.suites[suite.name]
    for name, experiment in suite.experiments.items():
        if scaled.experiments is not None and name not in scaled.experiments:
            continue
        asked = only.get(f"{suite.name}/{name}") if only else GridPart()
        if asked is None:
            continue
        here = ScaledExperiment() if scaled.experiments is None else scaled.experiments[name]
        external = networks_of(networks, suite.name, name)
        described = {model: external_model(model, choice, experiment) for model, choice in external.items()}
        recipes = {
            recipe: _scaled_recipe(suite, scaled, recipe, scale_file)
            for recipe in dict.fromkeys(
                _recipe_name(experiment, external, dataset, model)
                for dataset, model in itertools.product(experiment.grid.datasets, (*experiment.grid.models, *external))
            )
        }
        resources = _changed(experiment.resources, scale.resources, f"{scale_file}: resources")
        cells = (cell for part in here.grid or (GridPart(),) for cell in _cells(experiment.grid, part, scale.seeds))
        own = [
            cell
            for cell in dict.fromkeys(cells)
            if not experiment.parts or any(_is_in(part, cell) for part in experiment.parts)
        ]
        kept = [] if are_replaced(networks, suite.name, name) else own
        for cell in (*kept, *_external_cells(own, external)):
            if not _is_in(asked, cell):
                continue
            dataset, encoding, model, fraction, seed = cell
            used = choices.name(suite.name, name, dataset)
            network = external.get(model)
            recipe = _recipe_name(experiment, external, dataset, model)
            spec = RunSpec(
                scale=scale.name,
                suite=suite.name,
                experiment=name,
                dataset=used,
                stands_in_for=None if used == dataset else dataset,
                encoding=encoding,
                test_encoding=None if experiment.test_encoding == encoding else experiment.test_encoding,
                variant=_variant(experiment, fraction),
                model=model,
                model_options=dict(network.options) if network else _model_options(experiment, here, model),
                external=described.get(model),
                train_fraction=fraction,
                validation_fraction=experiment.validation_fraction,
                subset=experiment.subset,
                recipe=_unprobed(recipes[recipe]) if network else recipes[recipe],
                seed=seed,
            )
            evaluations = {
                evaluation: count
                for evaluation, count in _evaluations(experiment, here, cell)
                if network is None or not reads_registry(evaluation)
            }
            samples = {evaluation: count for evaluation, count in evaluations.items() if count is not None}
            shortened = spec.recipe.length != suite.recipes[recipe].length or model in here.models
            # A process takes a card of its own.
            cards = spec.recipe.processes if resources.gpu else 0
            needed = resources.model_copy(update={"gpu": max(resources.gpu, cards)})
            yield PlannedRun(spec, needed, tuple(evaluations), shortened, samples)


def _external_cells(own: Iterable[Cell], external: Iterable[str]) -> Iterator[Cell]:
    """The cells of external networks: each input of the experiment's own networks at the scale, with its seeds."""
    inputs = dict.fromkeys((dataset, encoding, fraction, seed) for dataset, encoding, _, fraction, seed in own)
    for model, (dataset, encoding, fraction, seed) in itertools.product(external, inputs):
        yield dataset, encoding, model, fraction, seed


def _recipe_name(experiment: Experiment, external: Mapping[str, NetworkChoice], dataset: str, model: str) -> str:
    own = external[model].recipe if model in external else None
    return own or experiment.recipe_of(dataset, model)


def _unprobed(recipe: Recipe | FullBatchRecipe) -> Recipe | FullBatchRecipe:
    """The recipe without modules to measure, which an external network does not name."""
    return recipe.model_copy(update={"probe_modules": ()}) if isinstance(recipe, Recipe) else recipe


def _model_options(experiment: Experiment, here: ScaledExperiment, model: str) -> dict[str, Scalar]:
    changes = here.models[model].options if model in here.models else {}
    return {**experiment.models.get(model, ModelChoice()).options, **changes}


def _evaluations(experiment: Experiment, here: ScaledExperiment, cell: Cell) -> Iterator[tuple[str, int | None]]:
    """The evaluations of a cell and their numbers of test samples; None is all."""
    for evaluation, choice in experiment.evaluations.items():
        if here.evaluations is not None and evaluation not in here.evaluations:
            continue
        scaled = (here.evaluations or {}).get(evaluation, EvaluationChoice())
        if _is_in(choice, cell) and _is_in(scaled, cell):
            yield evaluation, scaled.samples or choice.samples


def _cells(grid: Grid, part: GridPart, seeds: tuple[int, ...]) -> Iterator[Cell]:
    return itertools.product(
        part.datasets or grid.datasets,
        part.encodings or grid.encodings,
        part.models or grid.models,
        part.train_fractions or grid.train_fractions,
        part.seeds or seeds,
    )


def _is_in(part: GridPart, cell: Cell) -> bool:
    axes = (part.datasets, part.encodings, part.models, part.train_fractions, part.seeds)
    return all(axis is None or value in axis for axis, value in zip(axes, cell, strict=True))


def _variant(experiment: Experiment, fraction: float) -> str | None:
    """``fraction005`` for 5 %, where the study's grid has several fractions."""
    if len(experiment.grid.train_fractions) == 1:
        return None
    whole, _, rest = f"{100 * fraction:.6g}".partition(".")
    return f"fraction{whole:0>3}" + (f"p{rest}" if rest else "")


def _scaled_recipe(suite: Suite, scaled: ScaledSuite, name: str, scale_file: str) -> Recipe | FullBatchRecipe:
    recipe = suite.recipes[name]
    if name not in scaled.recipes:
        return recipe
    changes: BaseModel = scaled.recipes[name]
    lengths = {"steps", "epochs"}
    given = lengths & changes.model_fields_set
    if isinstance(recipe, Recipe) and len(given) == 1:
        # A recipe has one of the two lengths: the new one takes the place of the old.
        recipe = recipe.model_copy(update=dict.fromkeys(lengths))
    return _changed(recipe, changes, f"{scale_file}: suites.{suite.name}.recipes.{name}")


def _changed(model: Changed, changes: BaseModel, place: str) -> Changed:
    """The model with some keys changed, validated again."""
    values: Mapping[str, Any] = model.model_dump() | changes.model_dump(exclude_unset=True)
    return as_model(type(model), values, place)
