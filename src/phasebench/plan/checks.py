"""Checks of configuration, suites and scales beyond their types: names exist, and what is measured can work."""

from collections.abc import Collection, Iterable, Sequence

from phasebench.common.errors import PhasebenchError
from phasebench.data.encodings.registry import ENCODINGS
from phasebench.models.registry import REGISTRY
from phasebench.plan.config import Config, Grid, GridPart, Scale, Suite
from phasebench.plan.yaml_files import joined


def check_suite(suite: Suite, file: str, evaluations: Collection[str], analyses: Collection[str]) -> None:
    """Raise a PhasebenchError unless all that the suite names exists and its evaluations and analyses can work."""
    _check_name(suite.name, file)
    for name, experiment in suite.experiments.items():
        place = f"{file}: experiments.{name}"
        _require([experiment.recipe], suite.recipes, f"{place}.recipe", "is not one of the suite's recipes")
        _require(experiment.grid.models, REGISTRY, f"{place}.grid.models", "is not a registered model")
        _require(experiment.models, experiment.grid.models, f"{place}.models", "is not in the experiment's grid")
        for model, choice in experiment.models.items():
            recipes = [choice.recipe] if choice.recipe else []
            _require(recipes, suite.recipes, f"{place}.models.{model}.recipe", "is not one of the suite's recipes")
        _require(experiment.recipes, experiment.grid.datasets, f"{place}.recipes", "is not in the experiment's grid")
        for dataset, recipe in experiment.recipes.items():
            _require([recipe], suite.recipes, f"{place}.recipes.{dataset}", "is not one of the suite's recipes")
        for index, timed in enumerate(experiment.overhead):
            pair = [timed.model, timed.baseline]
            _require(pair, experiment.grid.models, f"{place}.overhead.{index}", "is not in the experiment's grid")
        _require(experiment.grid.encodings, ENCODINGS, f"{place}.grid.encodings", "is not an encoding")
        _require(filter(None, [experiment.test_encoding]), ENCODINGS, f"{place}.test_encoding", "is not an encoding")
        for index, part in enumerate(experiment.parts):
            _require_part(part, experiment.grid, f"{place}.parts.{index}")
        _require(experiment.evaluations, evaluations, f"{place}.evaluations", "is not an evaluation")
        for evaluation, part in experiment.evaluations.items():
            _require_part(part, experiment.grid, f"{place}.evaluations.{evaluation}")
        _require(experiment.analyses, analyses, f"{place}.analyses", "is not an analysis")
        sorting = filter(None, [experiment.sorted_by])
        _require(sorting, experiment.grid.models, f"{place}.sorted_by", "is not in the experiment's grid")


def check_scale(scale: Scale, suite: Suite, file: str) -> None:
    """Raise a PhasebenchError unless the scale names the suite, and in it only what the suite has."""
    _check_name(scale.name, file)
    if suite.name not in scale.suites:
        raise PhasebenchError(
            f"{file}: suites: '{suite.name}' is missing; add it, or take it out of suites in config.yaml"
        )
    scaled = scale.suites[suite.name]
    place = f"{file}: suites.{suite.name}"
    _require(scaled.recipes, suite.recipes, f"{place}.recipes", "is not one of the suite's recipes")
    experiments = scaled.experiments or {}
    _require(experiments, suite.experiments, f"{place}.experiments", "is not one of the suite's experiments")
    for name, experiment in experiments.items():
        grid = suite.experiments[name].grid
        _require(
            experiment.datasets,
            grid.datasets,
            f"{place}.experiments.{name}.datasets",
            "is not in the experiment's grid",
        )
        for index, part in enumerate(experiment.grid):
            _require_part(part, grid, f"{place}.experiments.{name}.grid.{index}")


def check_config(config: Config, suites: Sequence[Suite], file: str) -> None:
    """Raise a PhasebenchError unless the data sets chosen in the configuration are some suite's."""
    known = {
        dataset for suite in suites for experiment in suite.experiments.values() for dataset in experiment.grid.datasets
    }
    _require(config.datasets, known, f"{file}: datasets", "is not a data set of the chosen suites")


def check_display_names(suites: Sequence[Suite], scale: Scale, file: str) -> None:
    """Raise a PhasebenchError if suites and scale want one name written in two ways."""
    given: dict[str, tuple[str, str]] = {}
    places = [(f"workflow/suites/{suite.name}.yaml", suite.display_names) for suite in suites]
    for place, names in [*places, (file, scale.display_names)]:
        for name, text in names.items():
            first, other = given.setdefault(name, (text, place))
            if first != text:
                raise PhasebenchError(f"{place}: display_names.{name}: '{text}', but '{first}' in {other}; choose one")


def _check_name(name: str, file: str) -> None:
    if not file.endswith(f"/{name}.yaml"):
        raise PhasebenchError(f"{file}: name: '{name}' is not the file's name")


def _require_part(part: GridPart, grid: Grid, place: str) -> None:
    for axis in Grid.model_fields:
        _require(getattr(part, axis) or (), getattr(grid, axis), f"{place}.{axis}", "is not in the experiment's grid")


def _require(names: Iterable[object], known: Collection[object], place: str, complaint: str) -> None:
    for name in names:
        if name not in known:
            raise PhasebenchError(f"{place}: '{name}' {complaint}; known: {joined(map(str, known))}")
