"""Interface of a data set to the training loop, wherever its samples are."""

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from phasebench.common.processes import ALONE, Processes
from phasebench.data.batches.in_memory import load_device_data
from phasebench.data.batches.streamed import load_streamed_data
from phasebench.data.encodings.base import Encoding
from phasebench.data.shards.index import is_index
from phasebench.specs.run import Recipe, RunSpec


class TrainingData(Protocol):
    """Samples of one run: :class:`DeviceData` holds them on the device, :class:`StreamedData` reads them from shards.

    ``train``, ``validation`` and ``test`` are int64 indices into ``labels``, all on the device.
    """

    @property
    def device(self) -> torch.device: ...  # noqa: D102
    @property
    def labels(self) -> Tensor: ...  # noqa: D102
    @property
    def train(self) -> Tensor: ...  # noqa: D102
    @property
    def validation(self) -> Tensor: ...  # noqa: D102
    @property
    def test(self) -> Tensor: ...  # noqa: D102
    @property
    def encoding(self) -> Encoding: ...  # noqa: D102
    @property
    def statistics(self) -> Tensor: ...  # noqa: D102
    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def input_size(self) -> tuple[int, int] | None: ...  # noqa: D102

    def training_batches(
        self, recipe: Recipe, seed: int, steps: range, processes: Processes = ALONE
    ) -> Generator[tuple[Tensor, Tensor], None, None]:
        """Planes and labels of this process' share of each step's batch."""

    def batches(self, indices: Tensor, size: int) -> Iterator[Tensor]:
        """Planes of these samples, in order, ``size`` at a time, as for a test."""

    def keeping_workers(self) -> AbstractContextManager[None]:
        """Keep processes that decode for :meth:`batches` from one pass to the next."""

    def reader_totals(self, processes: Processes = ALONE) -> dict[str, float]:
        """Seconds and images of all reading so far, added up over all processes, each of which has to ask."""

    def reader_record(self, totals: dict[str, float], processes: Processes = ALONE) -> dict[str, Any]:
        """Entries of ``run.json`` about reading, from such totals."""


def load_training_data(
    spec: RunSpec, path: Path, device: torch.device, *, workers: int = 0, processes: Processes = ALONE
) -> TrainingData:
    """Open a prepared data set for a run.

    Parameters
    ----------
    spec : RunSpec
        The run.
    path : Path
        The prepared HDF5 file: samples, or an index of shards.
    device : torch.device
        Where batches are to be.
    workers : int
        Processes that decode images from shards.
    processes : Processes
        Those that train together; each compares its share of the shards with their checksums.

    Raises
    ------
    PhasebenchError
        The data are missing or damaged, or not for the run's encoding.
    """
    if is_index(path):
        return load_streamed_data(spec, path, device, workers=workers, processes=processes)
    return load_device_data(spec, path, device)
