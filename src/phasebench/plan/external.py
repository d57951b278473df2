"""Networks of the configuration: the experiments that they are named for, and their description in a run."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from functools import cache

from phasebench.common.errors import PhasebenchError
from phasebench.common.targets import find_target
from phasebench.common.validation import joined, require
from phasebench.models.registry import REGISTRY
from phasebench.plan.config import Config, Experiment, NetworkChoice, Scale, Suite
from phasebench.plan.settings import Settings
from phasebench.specs.run import ExternalModel

ENTRY_POINTS = "phasebench.models"
"""Group of entry points by which an installed package offers networks: name -> ``package.module:Name``."""
NOT_OF_THE_STUDY = " (not of the study)"
"""Behind the label of an external network, wherever it is shown."""


def check_networks(config: Config, suites: Sequence[Suite], scale: Scale, settings: Settings) -> None:
    """Raise a PhasebenchError unless each network of the configuration can be found and is trained somewhere."""
    known = {f"{suite.name}/{name}": (suite, name) for suite in suites for name in suite.experiments}
    for name, choice in config.models.items():
        place = f"{settings.place('models', name)}: models.{name}"
        if name in REGISTRY:
            raise PhasebenchError(f"{place}: there is a registered model of that name; choose another")
        try:
            find_target(target_of(name, choice))
        except PhasebenchError as error:
            raise PhasebenchError(f"{place}: target: {error}") from error
        named = (*choice.beside, *choice.replaces)
        for experiment in named:
            require([experiment], known, place, "is no experiment of the chosen suites")
            suite, _ = known[experiment]
            if choice.recipe:
                require([choice.recipe], suite.recipes, f"{place}.recipe", f"is no recipe of {suite.name}")
        if both := {*choice.beside} & {*choice.replaces}:
            raise PhasebenchError(f"{place}: {joined(both)} is in 'beside' and in 'replaces'; choose one")
        if not any(_is_run(scale, *experiment.split("/")) for experiment in named):
            raise PhasebenchError(
                f"{place}: {joined(named)}: not run at scale '{scale.name}'; name another experiment, or another scale"
            )


def target_of(name: str, choice: NetworkChoice) -> str:
    """Target of a network; that of the entry point of its name if the configuration gives none.

    Raises
    ------
    PhasebenchError
        No installed package offers one of that name.
    """
    if choice.target is not None:
        return choice.target
    offered = offered_networks()
    if name not in offered:
        raise PhasebenchError(
            f"no installed package offers '{name}'; give package.module:Name or /path/file.py:Name; offered: "
            f"{joined(offered)}"
        )
    return offered[name]


@cache
def offered_networks() -> Mapping[str, str]:
    """Targets of the networks that installed packages offer, by name."""
    return {point.name: point.value for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def networks_of(networks: Mapping[str, NetworkChoice], suite: str, experiment: str) -> dict[str, NetworkChoice]:
    """Those that are trained in an experiment."""
    named = f"{suite}/{experiment}"
    return {name: choice for name, choice in networks.items() if named in (*choice.beside, *choice.replaces)}


def are_replaced(networks: Mapping[str, NetworkChoice], suite: str, experiment: str) -> bool:
    """True if a network takes the place of the study's in an experiment."""
    return any(f"{suite}/{experiment}" in choice.replaces for choice in networks.values())


def external_model(name: str, choice: NetworkChoice, experiment: Experiment) -> ExternalModel:
    """Description of a network in a run; its usual input is that of the study's networks."""
    entries = [REGISTRY.find(model) for model in experiment.grid.models]
    real = choice.domain == "real"
    alike = [entry.input_shape for entry in entries if entry.real == real]
    channels, height, width = alike[0] if alike else entries[0].input_shape
    if not alike:
        # Planes are real and imaginary parts of channels.
        channels = 2 * channels if real else -(-channels // 2)
    return ExternalModel(
        target=target_of(name, choice),
        domain=choice.domain,
        logits=choice.logits,
        input_shape=(channels, height, width),
    )


def external_rows(config: Config) -> dict[str, dict[str, str | None]]:
    """Description of the networks for the tables, by name."""
    return {
        name: {"label": f"{choice.label or name}{NOT_OF_THE_STUDY}", "study": "", "published_parameters": None}
        for name, choice in config.models.items()
    }


def _is_run(scale: Scale, suite: str, experiment: str) -> bool:
    experiments = scale.suites[suite].experiments
    return experiments is None or experiment in experiments
