"""Checks of configuration, suites and scales beyond their types: names exist, and what is measured can work."""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence

from phasebench.analysis.requirements import analysis_refusal
from phasebench.common.errors import PhasebenchError
from phasebench.common.validation import require
from phasebench.data.encodings.registry import ENCODINGS
from phasebench.evaluation.requirements import encoding_refusal, model_refusal, source_refusal
from phasebench.models.registry import REGISTRY
from phasebench.plan.config import Config, Experiment, Grid, GridPart, Scale, Suite
from phasebench.plan.datasets import DatasetSpec
from phasebench.plan.external import networks_of
from phasebench.plan.settings import Settings
from phasebench.properties.registry import LAWS
from phasebench.specs.paths import STUDY_SUITE
from phasebench.specs.run import RunSpec


def check_suite(suite: Suite, file: str, evaluations: Collection[str], analyses: Collection[str]) -> None:
    """Raise a PhasebenchError unless all that the suite names exists and its evaluations and analyses can work."""
    _check_name(suite.name, file)
    require(suite.properties or (), LAWS, f"{file}: properties", "is not a law")
    for name, experiment in suite.experiments.items():
        place = f"{file}: experiments.{name}"
        require([experiment.recipe], suite.recipes, f"{place}.recipe", "is not one of the suite's recipes")
        require(experiment.grid.models, REGISTRY, f"{place}.grid.models", "is not a registered model")
        require(experiment.models, experiment.grid.models, f"{place}.models", "is not in the experiment's grid")
        for model, choice in experiment.models.items():
            recipes = [choice.recipe] if choice.recipe else []
            require(recipes, suite.recipes, f"{place}.models.{model}.recipe", "is not one of the suite's recipes")
        require(experiment.recipes, experiment.grid.datasets, f"{place}.recipes", "is not in the experiment's grid")
        for dataset, recipe in experiment.recipes.items():
            require([recipe], suite.recipes, f"{place}.recipes.{dataset}", "is not one of the suite's recipes")
        for index, timed in enumerate(experiment.overhead):
            pair = [timed.model, timed.baseline]
            require(pair, experiment.grid.models, f"{place}.overhead.{index}", "is not in the experiment's grid")
        require(experiment.grid.encodings, ENCODINGS, f"{place}.grid.encodings", "is not an encoding")
        require(filter(None, [experiment.test_encoding]), ENCODINGS, f"{place}.test_encoding", "is not an encoding")
        for index, part in enumerate(experiment.parts):
            _require_part(part, experiment.grid, f"{place}.parts.{index}")
        require(experiment.evaluations, evaluations, f"{place}.evaluations", "is not an evaluation")
        for evaluation, part in experiment.evaluations.items():
            _require_part(part, experiment.grid, f"{place}.evaluations.{evaluation}")
            _check_evaluation(evaluation, part, experiment, f"{place}.evaluations.{evaluation}")
        require(experiment.analyses, analyses, f"{place}.analyses", "is not an analysis")
        _check_analyses(suite, experiment, f"{place}.analyses")
        sorting = filter(None, [experiment.sorted_by])
        require(sorting, experiment.grid.models, f"{place}.sorted_by", "is not in the experiment's grid")


def check_scale(scale: Scale, suite: Suite, file: str, study_file: str | None = None) -> None:
    """Raise a PhasebenchError unless the scale names the suite, and in it only what the suite has.

    A study in a folder of its own says in its own file, ``study_file``, what a scale has of it.
    """
    _check_name(scale.name, file)
    if suite.name not in scale.suites:
        raise PhasebenchError(
            f"{file}: suites: '{suite.name}' is missing; add it, or take it out of suites in config.yaml"
        )
    scaled = scale.suites[suite.name]
    place = f"{study_file}: scales.{scale.name}" if study_file else f"{file}: suites.{suite.name}"
    require(scaled.recipes, suite.recipes, f"{place}.recipes", "is not one of the suite's recipes")
    experiments = scaled.experiments or {}
    require(experiments, suite.experiments, f"{place}.experiments", "is not one of the suite's experiments")
    for name, experiment in experiments.items():
        grid = suite.experiments[name].grid
        require(
            experiment.datasets,
            grid.datasets,
            f"{place}.experiments.{name}.datasets",
            "is not in the experiment's grid",
        )
        for index, part in enumerate(experiment.grid):
            _require_part(part, grid, f"{place}.experiments.{name}.grid.{index}")
        require(experiment.models, grid.models, f"{place}.experiments.{name}.models", "is not in the experiment's grid")
        evaluations, known = experiment.evaluations or {}, suite.experiments[name].evaluations
        require(
            evaluations, known, f"{place}.experiments.{name}.evaluations", "is not one of the experiment's evaluations"
        )
        for evaluation, part in evaluations.items():
            _require_part(part, grid, f"{place}.experiments.{name}.evaluations.{evaluation}")


def check_config(config: Config, suites: Sequence[Suite], scale: Scale, settings: Settings) -> None:
    """Raise a PhasebenchError unless the data sets and experiments chosen in the configuration are some suite's."""
    experiments = {f"{suite.name}/{name}": one for suite in suites for name, one in suite.experiments.items()}
    known = {dataset for experiment in experiments.values() for dataset in experiment.grid.datasets}
    for name in config.datasets:
        place = f"{settings.place('datasets', name)}: datasets"
        require([name], known, place, "is not a data set of the chosen suites")
    for name, part in config.only.items():
        place = f"{settings.place('only', name)}: only"
        require([name], experiments, place, "is no experiment of the chosen suites")
        suite, _, experiment = name.partition("/")
        scaled = scale.suites[suite].experiments
        if scaled is not None:
            require([experiment], scaled, f"{place}: {suite}", f"is not run at scale '{scale.name}'")
        networks = networks_of(config.models, suite, experiment)
        grid = experiments[name].grid
        _require_part(part, grid.model_copy(update={"models": (*grid.models, *networks)}), f"{place}.{name}")


def check_only(config: Config, runs: Iterable[RunSpec], scale: Scale, settings: Settings) -> None:
    """Raise a PhasebenchError if of an experiment that the configuration names in ``only`` no run is left."""
    planned = {f"{run.suite}/{run.experiment}" for run in runs}
    for name in config.only:
        if name not in planned:
            raise PhasebenchError(
                f"{settings.place('only', name)}: only.{name}: scale '{scale.name}' has no such run; leave an axis "
                "out, or choose other seeds"
            )


def check_display_names(suites: Sequence[Suite], files: Mapping[str, str], scale: Scale, file: str) -> None:
    """Raise a PhasebenchError if suites, whose files are given by name, and scale want one name written in two ways."""
    given: dict[str, tuple[str, str]] = {}
    places = [(files[suite.name], suite.display_names) for suite in suites]
    for place, names in [*places, (file, scale.display_names)]:
        for name, text in names.items():
            first, other = given.setdefault(name, (text, place))
            if first != text:
                raise PhasebenchError(f"{place}: display_names.{name}: '{text}', but '{first}' in {other}; choose one")


def check_evaluated_data(run: RunSpec, file: str, evaluations: Iterable[str], dataset: DatasetSpec) -> None:
    """Raise a PhasebenchError if an evaluation of a run, by its suite's file, cannot work on the data that are used."""
    for evaluation in evaluations:
        complaint = source_refusal(evaluation, dataset.source, dataset.is_sharded)
        if complaint:
            place = f"{file}: experiments.{run.experiment}.evaluations.{evaluation}"
            left_out = run.stands_in_for or run.dataset
            raise PhasebenchError(
                f"{place}: data set '{run.dataset}' {complaint}; leave {left_out} out of the evaluation's datasets"
            )


def _check_evaluation(evaluation: str, part: GridPart, experiment: Experiment, place: str) -> None:
    """Refuse an evaluation of models or encodings on which it cannot work."""
    grid = experiment.grid
    for dataset, encoding, model in itertools.product(
        part.datasets or grid.datasets, part.encodings or grid.encodings, part.models or grid.models
    ):
        if experiment.parts and not any(_has(one, dataset, encoding, model) for one in experiment.parts):
            continue
        complaint = model_refusal(evaluation, model)
        if complaint:
            raise PhasebenchError(f"{place}: {complaint}; leave it out of the evaluation's models")
        complaint = encoding_refusal(evaluation, experiment.test_encoding or encoding)
        if complaint:
            raise PhasebenchError(f"{place}: {complaint}; leave it out of the evaluation's encodings")


def _has(part: GridPart, dataset: str, encoding: str, model: str) -> bool:
    axes = ((part.datasets, dataset), (part.encodings, encoding), (part.models, model))
    return all(axis is None or value in axis for axis, value in axes)


def _check_analyses(suite: Suite, experiment: Experiment, place: str) -> None:
    """Refuse an analysis that would find nothing in the runs of the experiment."""
    pairs = itertools.product(experiment.grid.datasets, experiment.grid.models)
    names = dict.fromkeys(experiment.recipe_of(dataset, model) for dataset, model in pairs)
    trained = {name: suite.recipes[name] for name in names}
    for analysis in experiment.analyses:
        complaint = analysis_refusal(analysis, trained, experiment.grid.train_fractions)
        if complaint:
            raise PhasebenchError(f"{place}.{analysis}: {complaint}; change that, or leave the analysis out")


def _check_name(name: str, file: str) -> None:
    if not f"/{file}".endswith((f"/{name}.yaml", f"/{name}/{STUDY_SUITE}")):
        owner = "folder" if f"/{file}".endswith(f"/{STUDY_SUITE}") else "file"
        raise PhasebenchError(f"{file}: name: '{name}' is not the {owner}'s name")


def _require_part(part: GridPart, grid: Grid, place: str) -> None:
    for axis in Grid.model_fields:
        require(getattr(part, axis) or (), getattr(grid, axis), f"{place}.{axis}", "is not in the experiment's grid")
