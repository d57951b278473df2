"""Procedure ``minibatch``: train a network on random batches, in one process or several."""

from pathlib import Path
from typing import Any

import torch

from phasebench.common.processes import ALONE, Processes
from phasebench.data.batches.interface import load_training_data
from phasebench.specs.run import Recipe, RunIdentity
from phasebench.training.checkpoint import TrainingState
from phasebench.training.compilation import compile_if_possible, ran_compiled
from phasebench.training.cuda_graph import replays
from phasebench.training.distribution import check_shares, distributed_form, synchronise
from phasebench.training.loop import fit
from phasebench.training.numerics import place
from phasebench.training.run import begin, build_run_model, train_and_write
from phasebench.training.session import Session


def train_run(
    identity: RunIdentity,
    data_path: Path,
    output: Path,
    checkpoint: Path,
    *,
    device: str = "auto",
    checkpoint_seconds: float = 60.0,
    provenance: dict[str, Any] | None = None,
    processes: Processes = ALONE,
) -> None:
    """Train a run, or resume it, and write its folder.

    The folder gets ``weights.safetensors``, ``history.parquet``, ``probes.parquet`` (empty unless the recipe has a
    probe), ``predictions.parquet``, ``spec.json`` and, last, ``run.json``; then the checkpoint is removed.

    Parameters
    ----------
    identity : RunIdentity
        The run.
    data_path : Path
        The prepared HDF5 file.
    output : Path
        The run's folder.
    checkpoint : Path
        The checkpoint of the unfinished run.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes a GPU if there is one.
    checkpoint_seconds : float
        Time between two checkpoints.
    provenance : dict, optional
        Further entries of ``run.json``: commit, package versions.
    processes : Processes
        All processes that train the run; the first one writes the files.

    Raises
    ------
    PhasebenchError
        Bad input, a loss that is not finite, or a request to stop.
    """
    spec = identity.run
    recipe, target = begin(spec, Recipe, device)
    data = load_training_data(spec, data_path, target, workers=_workers(target), processes=processes)
    check_shares(recipe, len(data.train), processes)
    model = place(build_run_model(spec, data), recipe, target)
    if recipe.synchronised:
        model = synchronise(model, processes)
    together = distributed_form(model, processes)
    forward, how = compile_if_possible(together) if recipe.compile else (together, "off")
    session = Session(checkpoint, identity.digest, checkpoint_seconds, processes)

    def train() -> TrainingState:
        return fit(model, data, recipe, spec.seed, session, forward)

    def entries(state: TrainingState) -> dict[str, Any]:
        read = data.reader_record(state.reader, processes)
        made = {"compiled": ran_compiled(forward), "cuda_graph": replays(recipe, target), "processes": processes.count}
        return {**made, **read, **_highest_test(state), **(provenance or {})}

    with data.keeping_workers():
        train_and_write(identity, data, model, session, output, train=train, entries=entries, compilation=how)


def _workers(device: torch.device) -> int:
    """Number of processes that decode images for this one."""
    # On a processor, the training itself keeps a core busy.
    return torch.get_num_threads() - (device.type == "cpu")


def _highest_test(state: TrainingState) -> dict[str, float]:
    """The best test accuracy along the way, where a curve was taken; the weights are not chosen by it."""
    rows = [row for row in state.history if "test_accuracy" in row]
    if not rows:
        return {}
    highest = max(rows, key=lambda row: row["test_accuracy"])
    return {"highest_test_accuracy": highest["test_accuracy"], "highest_test_step": highest["step"]}
