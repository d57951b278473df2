"""A trained run, loaded for evaluation."""

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
from phasebench.specs.run_folder import WEIGHTS, read_record, recorded_spec


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
        return self.accuracy_of(self.test_logits(transform))

    def accuracy_of(self, logits: Tensor) -> float:
        """Accuracy of the test set's logits ``(N, K)``."""
        return (logits.argmax(dim=1) == self.data.labels[self.data.test]).double().mean().item()

    def test_logits(self, transform: Callable[[Tensor, Tensor], Tensor] | None = None) -> Tensor:
        """Logits ``(N, K)`` of the test set, whose planes ``transform`` changes as in :meth:`test_accuracy`."""
        data = self.data
        positions = torch.arange(len(data.test), device=data.device).split(EVALUATION_BATCH)
        batches = zip(data.batches(data.test, EVALUATION_BATCH), positions, strict=True)
        return predict(self.model, (transform(b, p) if transform else b for b, p in batches))


def load_trained_run(folder: Path, data_path: Path, device: torch.device) -> TrainedRun:
    """Load a run's folder.

    Raises
    ------
    PhasebenchError
        A file of the run or the data set is missing or corrupt, or the data set is in shards.
    """
    record = read_record(folder, "statistics")
    spec, statistics = recorded_spec(folder, record), torch.tensor(record["statistics"])
    if is_index(data_path):
        raise PhasebenchError(
            f"{data_path}: evaluations do not read images in shards; take them out of the experiment's evaluations"
        )
    dtype = torch.float64 if isinstance(spec.recipe, FullBatchRecipe) else torch.float32
    data = load_device_data(spec, data_path, device, statistics=statistics, dtype=dtype)
    model = build_for_run(spec, data)
    if isinstance(spec.recipe, FullBatchRecipe):
        # In the precision in which it was trained.
        model = model.double()
    return TrainedRun(spec, load_weights(model, folder / WEIGHTS).to(device), data)
