"""The table of everything to run: suites, restricted by a scale and repeated with its seeds, as resolved run specs."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from phasebench.codehash.closure import SourceTree
from phasebench.common.errors import PhasebenchError
from phasebench.plan.baselines import PlannedControls, plan_controls
from phasebench.plan.checks import (
    check_config,
    check_display_names,
    check_evaluated_data,
    check_scale,
    check_suite,
)
from phasebench.plan.config import (
    Config,
    Experiment,
    Grid,
    GridPart,
    ModelChoice,
    Resources,
    Scale,
    ScaledSuite,
    Suite,
)
from phasebench.plan.datasets import CONFIG_FILE, DatasetChoices, DatasetSpec
from phasebench.plan.overheads import PlannedOverhead, plan_overheads
from phasebench.plan.stages import PlannedAnalysis, plan_analyses
from phasebench.plan.yaml_files import as_model, joined, read_model
from phasebench.provenance.stage_code import ANALYSES_TABLE, EVALUATIONS_TABLE
from phasebench.specs.run import FullBatchRecipe, Recipe, RunSpec

SCALES_FOLDER = "workflow/scales"
SUITES_FOLDER = "workflow/suites"
Changed = TypeVar("Changed", bound=BaseModel)
Planned = TypeVar("Planned")
Cell = tuple[str, str, str, float, int]
"""Data set, encoding, model, training fraction and seed."""


@dataclass(frozen=True)
class PlannedRun:
    """A run, what it needs, what is measured on it, and whether the scale shortens its training."""

    spec: RunSpec
    resources: Resources
    evaluations: tuple[str, ...]
    shortened: bool = False


@dataclass(frozen=True)
class BenchmarkPlan:
    """Everything that a configuration asks for.

    Attributes
    ----------
    config, scale, suites
        What was read.
    runs
        Run id to run, in the order of the suites.
    datasets
        The data sets of these runs by name.
    """

    config: Config
    scale: Scale
    suites: tuple[Suite, ...]
    runs: dict[str, PlannedRun]
    datasets: dict[str, DatasetSpec]

    def planned(self, run_id: str) -> PlannedRun:
        """A run with what it needs.

        Raises
        ------
        PhasebenchError
            There is no such run; somebody asked Snakemake for its files by name.
        """
        try:
            return self.runs[run_id]
        except KeyError as error:
            suites = ", ".join(suite.name for suite in self.suites)
            raise PhasebenchError(
                f"'{run_id}' is no run of {suites} at scale '{self.scale.name}'; 'phasebench status' lists them"
            ) from error

    def run(self, run_id: str) -> RunSpec:
        """The run's spec."""
        return self.planned(run_id).spec

    def dataset_of(self, run_id: str) -> str:
        """Name of the run's data set."""
        return self.planned(run_id).spec.dataset

    def resources_of(self, run_id: str) -> Resources:
        """What the run's training needs."""
        return self.planned(run_id).resources

    def datasets_in_shards(self, sharded: bool) -> tuple[str, ...]:
        """Names of the data sets that are prepared as shards, or of the others."""
        return tuple(name for name, dataset in self.datasets.items() if dataset.is_sharded == sharded)

    @cached_property
    def analyses(self) -> dict[str, PlannedAnalysis]:
        """Every analysis of an experiment that has runs, by its id."""
        return plan_analyses(self.suites, self.runs)

    @cached_property
    def overheads(self) -> dict[str, PlannedOverhead]:
        """What is timed, by ``<suite>/<experiment>``."""
        return plan_overheads(self.suites, self.runs)

    @cached_property
    def controls(self) -> dict[str, PlannedControls]:
        """What the networks' accuracies are read beside, by suite."""
        return plan_controls(planned.spec for planned in self.runs.values())

    @cached_property
    def display_names(self) -> dict[str, str]:
        """Names, and words of names, as the scale and the studies want them written."""
        parts = [*(suite.display_names for suite in self.suites), self.scale.display_names]
        return {name: text for part in parts for name, text in part.items()}

    @cached_property
    def evaluations(self) -> tuple[tuple[str, str], ...]:
        """Every pair of run id and evaluation."""
        return tuple((run_id, name) for run_id, planned in self.runs.items() for name in planned.evaluations)

    @cached_property
    def evaluation_names(self) -> tuple[str, ...]:
        """Every evaluation that is used, sorted."""
        return tuple(sorted({name for _, name in self.evaluations}))


def load_plan(settings: object, root: Path, tree: SourceTree) -> BenchmarkPlan:
    """Resolve a configuration.

    Parameters
    ----------
    settings
        The content of ``config.yaml``.
    root
        The repository, where ``workflow/`` is.
    tree
        The package's sources.

    Raises
    ------
    PhasebenchError
        The configuration, a suite or the scale has an unknown key, an unknown name or a wrong value; or two different
        runs or data sets would have the same name.
    """
    config = as_model(Config, settings, CONFIG_FILE)
    scale_file = _file(root, SCALES_FOLDER, config.scale, "scale")
    scale = read_model(Scale, root / scale_file, scale_file)
    suites = []
    for name in dict.fromkeys(config.suites):
        file = _file(root, SUITES_FOLDER, name, "suites")
        suite = read_model(Suite, root / file, file)
        check_suite(suite, file, tree.string_table(EVALUATIONS_TABLE), tree.string_table(ANALYSES_TABLE))
        check_scale(scale, suite, scale_file)
        suites.append(suite)
    check_config(config, suites, CONFIG_FILE)
    check_display_names(suites, scale, scale_file)
    choices = DatasetChoices(config, scale, scale_file)
    planned = [run for suite in suites for run in _expand(suite, scale, scale_file, choices)]
    runs = _by_name(((run.spec.id, run) for run in planned), f"{scale_file}: datasets: two different runs have the id")
    datasets = _by_name(
        ((run.spec.dataset, choices.spec(run.spec)) for run in planned),
        f"{scale_file}: datasets: two data sets have the name",
    )
    for run in planned:
        check_evaluated_data(run.spec, run.evaluations, datasets[run.spec.dataset])
    return BenchmarkPlan(config, scale, tuple(suites), runs, datasets)


def _file(root: Path, folder: str, name: str, key: str) -> str:
    """Path of a suite's or scale's file relative to the repository."""
    if not (root / folder / f"{name}.yaml").is_file():
        known = joined(path.stem for path in (root / folder).glob("*.yaml"))
        raise PhasebenchError(f"{CONFIG_FILE}: {key}: there is no {folder}/{name}.yaml; known: {known}")
    return f"{folder}/{name}.yaml"


def _expand(suite: Suite, scale: Scale, scale_file: str, choices: DatasetChoices) -> Iterator[PlannedRun]:
    """The suite's runs at a scale; parts of a grid may overlap."""
    scaled = scale.suites[suite.name]
    for name, experiment in suite.experiments.items():
        if scaled.experiments is not None and name not in scaled.experiments:
            continue
        parts = () if scaled.experiments is None else scaled.experiments[name].grid
        recipes = {
            recipe: _scaled_recipe(suite, scaled, recipe, scale_file)
            for recipe in dict.fromkeys(
                _recipe_name(experiment, dataset, model)
                for dataset, model in itertools.product(experiment.grid.datasets, experiment.grid.models)
            )
        }
        resources = _changed(experiment.resources, scale.resources, f"{scale_file}: resources")
        cells = (cell for part in parts or (GridPart(),) for cell in _cells(experiment.grid, part, scale.seeds))
        for cell in dict.fromkeys(cells):
            if experiment.parts and not any(_is_in(part, cell) for part in experiment.parts):
                continue
            dataset, encoding, model, fraction, seed = cell
            used = choices.name(suite.name, name, dataset)
            recipe = _recipe_name(experiment, dataset, model)
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
                model_options=_choice(experiment, model).options,
                train_fraction=fraction,
                validation_fraction=experiment.validation_fraction,
                subset=experiment.subset,
                recipe=recipes[recipe],
                seed=seed,
            )
            evaluations = [evaluation for evaluation, part in experiment.evaluations.items() if _is_in(part, cell)]
            shortened = spec.recipe.length != suite.recipes[recipe].length
            # A process takes a card of its own.
            cards = spec.recipe.processes if resources.gpu else 0
            needed = resources.model_copy(update={"gpu": max(resources.gpu, cards)})
            yield PlannedRun(spec, needed, tuple(evaluations), shortened)


def _choice(experiment: Experiment, model: str) -> ModelChoice:
    return experiment.models.get(model, ModelChoice())


def _recipe_name(experiment: Experiment, dataset: str, model: str) -> str:
    return experiment.recipe_of(dataset, model)


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


def _by_name(pairs: Iterable[tuple[str, Planned]], clash: str) -> dict[str, Planned]:
    found: dict[str, Planned] = {}
    for name, item in pairs:
        if found.setdefault(name, item) != item:
            raise PhasebenchError(f"{clash} '{name}'; give each, here or in {CONFIG_FILE}, a name of its own")
    return found
