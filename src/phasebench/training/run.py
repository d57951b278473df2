"""One training run on random batches, from its identity to the files in its folder."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from phasebench.data.batches import DeviceData, load_device_data
from phasebench.devices import find_device
from phasebench.memory import keep_freed_memory
from phasebench.models.registry import build_model
from phasebench.seeding import Stream, generator
from phasebench.spec import Recipe, RunIdentity, RunSpec
from phasebench.training.compilation import compile_if_possible
from phasebench.training.loop import fit
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
    data = load_device_data(spec, data_path, target)
    model = place(build_run_model(spec, data), recipe, target)
    forward, how = compile_if_possible(model) if recipe.compile else (model, "off")
    announce(spec, data, model, how)

    if target.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    state = fit(
        model,
        data,
        recipe,
        spec.seed,
        forward=forward,
        checkpoint=checkpoint,
        digest=identity.digest,
        checkpoint_seconds=checkpoint_seconds,
    )
    write_results(identity, data, model, state, output, provenance or {}, compiled=forward is not model)
    checkpoint.unlink(missing_ok=True)


def build_run_model(spec: RunSpec, data: DeviceData) -> nn.Module:
    """The run's network with the initial weights that its seed decides, on the CPU."""
    encoding = data.encoding
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(generator(spec.seed, Stream.INITIALISATION).get_state())
        return build_model(
            spec.model,
            n_classes=len(data.classes),
            in_channels=encoding.n_channels,
            planes=encoding.nonzero_planes,
            input_size=data.input_size,
            **spec.model_options,
        )
