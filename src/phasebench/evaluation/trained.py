"""A trained run, loaded for evaluation."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.in_memory import DeviceData, load_device_data
from phasebench.data.shards.index import is_index
from phasebench.models.inference import EVALUATION_BATCH, load_weights, predict
from phasebench.models.registry import build_for_run
from phasebench.specs.run import FullBatchRecipe, RunSpec


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A network with its best-validation weights and the data it is evaluated on."""

    spec: RunSpec
    model: nn.Module
    data: DeviceData

    def test_accuracy(self, transform: Callable[[Tensor, Tensor], Tensor] | None = None) -> float:
        """Accuracy on the test set, from 0 to 1.

        Parameters
        ----------
        transform : callable, optional
            Changes encoded planes ``(B, 2, C, H, W)`` before the network sees them; its second argument holds the
            samples' positions in the test set, int64 ``(B,)``.
        """
        data = self.data
        positions = torch.arange(len(data.test), device=data.device).split(EVALUATION_BATCH)
        batches = zip(data.batches(data.test, EVALUATION_BATCH), positions, strict=True)
        logits = predict(self.model, (transform(b, p) if transform else b for b, p in batches))
        return (logits.argmax(dim=1) == data.labels[data.test]).double().mean().item()


def load_trained_run(folder: Path, data_path: Path, device: torch.device) -> TrainedRun:
    """Load a run's folder.

    Raises
    ------
    PhasebenchError
        A file of the run or the data set is missing or corrupt, or the data set is in shards.
    """
    record_path = folder / "run.json"
    try:
        record = json.loads(record_path.read_text(encoding="utf-8"))
        spec, statistics = RunSpec.model_validate(record["spec"]), torch.tensor(record["statistics"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PhasebenchError(f"{record_path}: cannot be read ({error}); train the run again") from error
    if is_index(data_path):
        raise PhasebenchError(
            f"{data_path}: evaluations do not read images in shards; take them out of the experiment's evaluations"
        )
    dtype = torch.float64 if isinstance(spec.recipe, FullBatchRecipe) else torch.float32
    data = load_device_data(spec, data_path, device, statistics=statistics, dtype=dtype)
    model = build_for_run(spec, data)
    return TrainedRun(spec, load_weights(model, folder / "weights.safetensors").to(device), data)
