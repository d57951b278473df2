"""One training run on random batches, from its identity to the files in its folder."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from phasebench.common.devices import find_device
from phasebench.common.memory import keep_freed_memory
from phasebench.common.processes import ALONE, Processes
from phasebench.common.seeding import Stream, generator
from phasebench.data.batches.interface import TrainingData, load_training_data
from phasebench.models.registry import build_for_run
from phasebench.specs.run import Recipe, RunIdentity, RunSpec
from phasebench.training.checkpoint import TrainingState
from phasebench.training.compilation import COMPILED, compile_if_possible
from phasebench.training.distribution import check_shares, distributed_form, synchronise
from phasebench.training.loop import fit, predict_together
from phasebench.training.numerics import place
from phasebench.training.results import announce, write_results


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
    """Train a run, or go on with it, and write its folder.

    The folder gets ``weights.safetensors``, ``history.parquet``, ``probes.parquet`` (empty unless the recipe has a
    probe), ``predictions.parquet``, ``spec.json`` and, last, ``run.json``; then the checkpoint is removed.

    Parameters
    ----------
    identity : RunIdentity
        What to train.
    data_path : Path
        The prepared HDF5 file.
    output : Path
        The run's folder.
    checkpoint : Path
        Where the unfinished run is kept.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes a GPU if there is one.
    checkpoint_seconds : float
        Time between two checkpoints.
    provenance : dict, optional
        Further entries of ``run.json``: commit, package versions.
    processes : Processes
        Those that train together; the first one writes the files.

    Raises
    ------
    PhasebenchError
        Bad input, a loss that is not finite, or a request to stop.
    """
    keep_freed_memory()
    spec, target = identity.run, find_device(device)
    recipe = spec.recipe
    if not isinstance(recipe, Recipe):
        raise TypeError(f"{spec.id}: the recipe is for the procedure '{recipe.procedure}'")
    workers = _workers(target)
    data = load_training_data(spec, data_path, target, workers=workers, processes=processes)
    check_shares(recipe, len(data.train), processes)
    model = place(build_run_model(spec, data), recipe, target)
    if recipe.synchronised:
        model = synchronise(model, processes)
    together = distributed_form(model, processes)
    forward, how = compile_if_possible(together) if recipe.compile else (together, "off")
    if processes.is_first:
        announce(spec, data, model, how)

    if target.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    state = fit(
        model,
        data,
        recipe,
        spec.seed,
        processes=processes,
        forward=forward,
        checkpoint=checkpoint,
        digest=identity.digest,
        checkpoint_seconds=checkpoint_seconds,
    )
    prediction = predict_together(model, data, data.test, processes).argmax(dim=1)
    if processes.is_first:
        further = {
            "compiled": how == COMPILED,
            "processes": processes.count,
            **data.reader_record(state.reader, processes),
            **_highest_test(state),
            **(provenance or {}),
        }
        write_results(identity, data, model, state, prediction, output, further)
        checkpoint.unlink(missing_ok=True)


def build_run_model(spec: RunSpec, data: TrainingData) -> nn.Module:
    """The run's network with the initial weights that its seed decides, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(generator(spec.seed, Stream.INITIALISATION).get_state())
        return build_for_run(spec, data)


def _workers(device: torch.device) -> int:
    """How many processes decode images for this one."""
    # On a processor, the training itself keeps a core busy.
    return torch.get_num_threads() - (device.type == "cpu")


def _highest_test(state: TrainingState) -> dict[str, float]:
    """The best test accuracy along the way, where a curve was taken; the weights are not chosen by it."""
    rows = [row for row in state.history if "test_accuracy" in row]
    if not rows:
        return {}
    highest = max(rows, key=lambda row: row["test_accuracy"])
    return {"highest_test_accuracy": highest["test_accuracy"], "highest_test_step": highest["step"]}
