"""Skeleton of a training run, which all procedures share: from its identity to the files in its folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from phasebench.common.devices import find_device
from phasebench.common.errors import DivergedError
from phasebench.common.memory import keep_freed_memory
from phasebench.common.seeding import Stream, generator
from phasebench.data.batches.interface import TrainingData
from phasebench.models.inference import not_finite
from phasebench.models.registry import build_for_run
from phasebench.specs.run import AnyRecipe, RunIdentity, RunSpec
from phasebench.training.checkpoint import TrainingState
from phasebench.training.results import announce, write_results
from phasebench.training.session import Session
from phasebench.training.validation import predict_together

AnyRecipeType = TypeVar("AnyRecipeType", bound=AnyRecipe)


def begin(spec: RunSpec, recipe_type: type[AnyRecipeType], device: str) -> tuple[AnyRecipeType, torch.device]:
    """Check that a run has a recipe of the procedure, and find its device.

    Raises
    ------
    TypeError
        The recipe is for another procedure.
    PhasebenchError
        There is no such device.
    """
    keep_freed_memory()
    if not isinstance(spec.recipe, recipe_type):
        raise TypeError(f"{spec.id}: the recipe is for the procedure '{spec.recipe.procedure}'")
    return spec.recipe, find_device(device)


def build_run_model(spec: RunSpec, data: TrainingData) -> nn.Module:
    """Build the run's network with the initial weights that its seed decides, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(generator(spec.seed, Stream.INITIALISATION).get_state())
        model = build_for_run(spec, data)
    # A model may draw its weights in a way of its own.
    initialise: Callable[[int], None] | None = getattr(model, "initialise", None)
    if initialise is not None:
        initialise(spec.seed)
    return model


def train_and_write(
    identity: RunIdentity,
    data: TrainingData,
    model: nn.Module,
    session: Session,
    output: Path,
    *,
    train: Callable[[], TrainingState],
    entries: Callable[[TrainingState], dict[str, Any]],
    compilation: str = "off",
) -> None:
    """Train a network, test it, write the folder of the run and remove the checkpoint.

    Parameters
    ----------
    identity : RunIdentity
        The run.
    data : TrainingData
        The data set with its three subsets.
    model : nn.Module
        The network, which ``train`` leaves with the weights that are reported.
    session : Session
        Checkpoint and processes; the first process writes the files.
    output : Path
        The folder.
    train : callable
        The procedure; returns the finished state.
    entries : callable
        Further entries of ``run.json``, from the finished state.
    compilation : str
        How the network was compiled, for the log.

    Raises
    ------
    DivergedError
        The weights that would be reported are not finite.
    """
    if session.processes.is_first:
        announce(identity.run, data, model, compilation)
    if data.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    state = train()
    if name := not_finite(model):
        raise DivergedError(f"{identity.run.id}: {name}: some weights are not finite; lower recipe.learning_rate")
    prediction = predict_together(model, data, data.test, session.processes).argmax(dim=1)
    if session.processes.is_first:
        write_results(identity, data, model, state, prediction, output, entries(state))
        session.finish()
