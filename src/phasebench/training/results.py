"""Files of a training run: weights, history, probes, predictions and ``run.json``."""

import logging
import resource
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from phasebench.common.files import write_bytes, write_table, write_text
from phasebench.data.batches.interface import TrainingData
from phasebench.models.registry import count_parameters
from phasebench.specs.run import RunIdentity, RunSpec
from phasebench.specs.run_folder import HISTORY, PREDICTIONS, PROBES, SPEC, WEIGHTS, write_record
from phasebench.training.checkpoint import TrainingState
from phasebench.training.probe import COLUMN_TYPES as PROBE_TYPES

_LOGGER = logging.getLogger(__name__)


def announce(spec: RunSpec, data: TrainingData, model: nn.Module, how: str) -> None:
    """Log the size of a run that is about to be trained, and how its network was compiled."""
    sizes = f"{len(data.train):,} training, {len(data.validation):,} validation and {len(data.test):,} test samples"
    parameters = f"{count_parameters(model):,} parameters"
    _LOGGER.info("%s: %s, %s, %s, compilation: %s", spec.id, parameters, sizes, data.device, how)


def write_results(
    identity: RunIdentity,
    data: TrainingData,
    model: nn.Module,
    state: TrainingState,
    prediction: Tensor,
    output: Path,
    further: dict[str, Any],
) -> None:
    """Write the files of a finished run into its folder, ``run.json`` last.

    Parameters
    ----------
    identity : RunIdentity
        What was trained.
    data : TrainingData
        What it was trained on.
    model : nn.Module
        With the weights that are reported.
    state : TrainingState
        The finished state.
    prediction : Tensor
        Labels predicted for the test samples, int64 ``(N,)``.
    output : Path
        The folder.
    further : dict
        Further entries of ``run.json``.
    """
    # Here, since the first step of a run need not wait for it; pyarrow alone would import it as well.
    import pandas as pd

    label = data.labels[data.test]
    predictions = pd.DataFrame({"index": data.test.cpu(), "label": label.cpu(), "prediction": prediction.cpu()})
    test_accuracy = (prediction == label).double().mean().item()

    # Copies: of two names of one tensor, each is written.
    weights = {
        name: tensor.cpu().clone(memory_format=torch.contiguous_format) for name, tensor in model.state_dict().items()
    }
    write_bytes(output / WEIGHTS, save(weights))
    history = pd.DataFrame(state.history).astype({"step": "int64"})
    probes = pd.DataFrame(state.probes, columns=list(PROBE_TYPES)).astype(PROBE_TYPES)
    for name, table in ((HISTORY, history), (PROBES, probes), (PREDICTIONS, predictions)):
        write_table(output / name, table)
    write_text(output / SPEC, identity.to_json())
    record = {
        "spec": identity.run.model_dump(mode="json"),
        "digest": identity.digest,
        "code": identity.code,
        "environment": identity.environment,
        "device": torch.cuda.get_device_name() if data.device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "parameters": count_parameters(model),
        "statistics": data.statistics.tolist(),
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
    write_record(output, record)
    speed = f"{record['images_per_second']:,.0f} images/s"
    _LOGGER.info("test accuracy %.4f with the weights of step %d, %s", test_accuracy, state.best_step, speed)


def _peak_memory_bytes(device: torch.device) -> int:
    """Peak memory of the device, or on the CPU that of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
