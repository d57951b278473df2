"""A trained run, loaded for evaluation."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.in_memory import DeviceData, load_device_data
from phasebench.data.shards.index import is_index
from phasebench.models.inference import EVALUATION_BATCH, load_weights, predict
from phasebench.models.registry import build_for_run
from phasebench.specs.run import FullBatchRecipe, RunSpec
from phasebench.specs.run_folder import RECORD, REMEDY, WEIGHTS, check_file, read_record, recorded_spec


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A network with its best-validation weights and the data it is evaluated on."""

    spec: RunSpec
    model: nn.Module
    data: DeviceData
    data_path: Path = Path()
    """Prepared HDF5 file; none of a run that was not read from files."""

    @property
    def labels(self) -> Tensor:
        """Labels of the test samples, int64 ``(N,)``."""
        return self.data.labels[self.data.test]

    @cached_property
    def logits(self) -> Tensor:
        """Logits ``(N, K)`` of the unchanged test samples, computed once for all evaluations that read them."""
        return predict(self.model, self.data.batches(self.data.test, EVALUATION_BATCH))

    def accuracy(self, logits: Tensor) -> float:
        """Accuracy of logits ``(N, K)`` of the test samples, from 0 to 1."""
        return (logits.argmax(dim=1) == self.labels).double().mean().item()

    def test_accuracy(self) -> float:
        """Accuracy on the unchanged test samples, from 0 to 1."""
        return self.accuracy(self.logits)

    def first(self, samples: int) -> "TrainedRun":
        """The same run with no more than the first so many test samples."""
        return replace(self, data=replace(self.data, test=self.data.test[:samples]))


def load_trained_run(folder: Path, data_path: Path, device: torch.device) -> TrainedRun:
    """Load a run's folder.

    Raises
    ------
    PhasebenchError
        A file of the run or the data set is missing, or another than was written, or the data set is in shards.
    """
    record = read_record(folder, "statistics")
    check_file(folder, record, WEIGHTS)
    spec, statistics = recorded_spec(folder, record), _statistics(folder, record)
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
    return TrainedRun(spec, load_weights(model, folder / WEIGHTS).to(device), data, data_path)


def _statistics(folder: Path, record: dict[str, Any]) -> Tensor:
    try:
        statistics = torch.tensor(record["statistics"])
    except (TypeError, ValueError, RuntimeError) as error:
        raise PhasebenchError(f"{folder / RECORD}: statistics: must be lists of numbers; {REMEDY}") from error
    if not statistics.isfinite().all():
        raise PhasebenchError(f"{folder / RECORD}: statistics: some are not finite; {REMEDY}")
    return statistics
