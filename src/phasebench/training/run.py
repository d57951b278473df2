"""One training run, from its identity to the files in its folder."""

import resource
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save
from torch import Tensor, nn

from phasebench.data.training_data import TrainingData, load_training_data
from phasebench.devices import find_device
from phasebench.files import atomic_path, canonical_json, write_text
from phasebench.memory import keep_freed_memory
from phasebench.models.registry import build_model, count_parameters
from phasebench.processes import ALONE, Processes
from phasebench.seeding import Stream, generator
from phasebench.spec import RunIdentity, RunSpec
from phasebench.training.checkpoint import TrainingState
from phasebench.training.compilation import COMPILED, compile_if_possible
from phasebench.training.distribution import check_shares, distributed_form, synchronise
from phasebench.training.loop import fit, predict_together


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

    The folder gets ``weights.safetensors``, ``history.parquet``, ``predictions.parquet``, ``spec.json`` and, last,
    ``run.json``; then the checkpoint is removed.

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
    # On a CPU the training itself keeps a core busy.
    workers = torch.get_num_threads() - (target.type == "cpu")
    data = load_training_data(spec, data_path, target, workers=workers, processes=processes)
    check_shares(recipe, len(data.train), processes)
    model = build_run_model(spec, data).to(target)
    if recipe.synchronised:
        model = synchronise(model, processes)
    together = distributed_form(model, processes)
    forward, how = compile_if_possible(together) if recipe.compile else (together, "off")
    if processes.is_first:
        _announce(spec, data, model, how)

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
            **data.reader_record(),
            **_highest_test(state),
            **(provenance or {}),
        }
        _write_results(identity, data, model, state, prediction, output, further)
        checkpoint.unlink(missing_ok=True)


def build_run_model(spec: RunSpec, data: TrainingData) -> nn.Module:
    """The run's network with the initial weights that its seed decides, on the CPU."""
    encoding = data.encoding
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(generator(spec.seed, Stream.INITIALISATION).get_state())
        return build_model(
            spec.model,
            n_classes=len(data.classes),
            in_channels=encoding.n_channels,
            planes=encoding.nonzero_planes,
            **spec.model_options,
        )


def _announce(spec: RunSpec, data: TrainingData, model: nn.Module, how: str) -> None:
    print(
        f"{spec.id}: {count_parameters(model):,} parameters, {len(data.train):,} training, "
        f"{len(data.validation):,} validation and {len(data.test):,} test samples, {data.device}, "
        f"compilation: {how}",
        flush=True,
    )


def _write_results(
    identity: RunIdentity,
    data: TrainingData,
    model: nn.Module,
    state: TrainingState,
    prediction: Tensor,
    output: Path,
    further: dict[str, Any],
) -> None:
    label = data.labels[data.test]
    predictions = pd.DataFrame({"index": data.test.cpu(), "label": label.cpu(), "prediction": prediction.cpu()})
    test_accuracy = (prediction == label).double().mean().item()

    with atomic_path(output / "weights.safetensors") as temporary:
        temporary.write_bytes(save({name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}))
    history = pd.DataFrame(state.history).astype({"step": "int64"})
    for name, table in (("history", history), ("predictions", predictions)):
        with atomic_path(output / f"{name}.parquet") as temporary:
            table.to_parquet(temporary, index=False)
    write_text(output / "spec.json", identity.to_json())
    record = {
        "spec": identity.run.model_dump(mode="json"),
        "digest": identity.digest,
        "code": identity.code,
        "environment": identity.environment,
        "device": torch.cuda.get_device_name() if data.device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "parameters": count_parameters(model),
        "normaliser": data.largest.tolist(),
        "n_train": len(data.train),
        "n_validation": len(data.validation),
        "n_test": len(data.test),
        "steps": state.step,
        "resumed": state.resumed,
        "wall_seconds": state.wall_seconds,
        "train_seconds": state.train_seconds,
        "images_per_second": state.train_images / state.train_seconds,
        "peak_memory_bytes": _peak_memory_bytes(data.device),
        "best_step": state.best_step,
        "best_validation_accuracy": state.best_accuracy if len(data.validation) else None,
        "test_accuracy": test_accuracy,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **further,
    }
    write_text(output / "run.json", canonical_json(record))
    print(
        f"test accuracy {test_accuracy:.4f} with the weights of step {state.best_step}, "
        f"{record['images_per_second']:,.0f} images/s",
        flush=True,
    )


def _highest_test(state: TrainingState) -> dict[str, float]:
    """The best test accuracy along the way, where a curve was taken; the weights are not chosen by it."""
    rows = [row for row in state.history if "test_accuracy" in row]
    if not rows:
        return {}
    highest = max(rows, key=lambda row: row["test_accuracy"])
    return {"highest_test_accuracy": highest["test_accuracy"], "highest_test_step": highest["step"]}


def _peak_memory_bytes(device: torch.device) -> int:
    """Peak memory of the device, or on the CPU that of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
