"""Sharded data set: decoded, cropped and mirrored by worker processes ahead of the training steps.

The shards follow in a random order, and within a window of some shards the images do, so that a pass reads nearly in
sequence. Every random number follows from the seed, the epoch or step, and the image's place in the batch: neither the
number of workers, nor that of processes, nor an interruption changes what a step sees.
"""

import multiprocessing
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from phasebench.common.errors import PhasebenchError
from phasebench.common.processes import ALONE, Processes
from phasebench.data.batches.shard_workers import Decoded, EvaluationBatches, TrainingBatches
from phasebench.data.encodings.base import Encoding
from phasebench.data.encodings.registry import load_encoding
from phasebench.data.shards.index import ShardIndex, read_index, verify_shards
from phasebench.data.splits import split_as_specified
from phasebench.specs.run import Recipe, RunSpec

StartMethod = Literal["fork", "forkserver"]
# Longer than any scheduler leaves a stopped job: the training may validate before it looks at the stop, and needs its
# workers for that. Those of a training that has died end by torch's own watchdog.
_GRACE_SECONDS = 600
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)
_MEASURED_IMAGES = 1024


@dataclass
class ReaderTimes:
    """Images and seconds of the reader, for the training steps."""

    images: int = 0
    decode_seconds: float = 0.0
    """Of all workers together."""
    wait_seconds: float = 0.0
    """Spent by the training loop until its next batch was there."""


@dataclass(frozen=True, eq=False)
class StreamedData:
    """Samples, labels and subsets of one run, read from shards.

    Attributes
    ----------
    index
        The shards.
    labels
        int64 ``(N,)`` on the device.
    train, validation, test
        int64 indices on the device.
    encoding, test_encoding
        From uint8 images to the networks' planes.
    statistics
        Those of the encodings, measured on some training images.
    classes
        One name per label.
    image_size
        Side of the images in pixels.
    workers
        Processes that decode; 0: the training process itself.
    start_method
        How they are started. A fork of a process that trains with others would inherit locks of their threads; a fork
        server has none, and imports torch once for all workers.
    times
        Adds up while training batches are read.
    """

    index: ShardIndex
    labels: Tensor
    train: Tensor
    validation: Tensor
    test: Tensor
    encoding: Encoding
    test_encoding: Encoding
    statistics: Tensor
    classes: tuple[str, ...]
    image_size: int
    workers: int
    start_method: StartMethod = "fork"
    times: ReaderTimes = field(default_factory=ReaderTimes)

    @property
    def device(self) -> torch.device:
        """Device that batches are sent to."""
        return self.labels.device

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of an image in a batch."""
        return self.image_size, self.image_size

    def training_batches(
        self, recipe: Recipe, seed: int, steps: range, processes: Processes = ALONE
    ) -> Generator[tuple[Tensor, Tensor], None, None]:
        """Planes and labels of this process' share of each step's batch; see :meth:`DeviceData.training_batches`."""
        if recipe.augmentation not in ("none", "resized_crop"):
            raise PhasebenchError(
                f"recipe.augmentation: '{recipe.augmentation}' is not for images in shards; use 'resized_crop'"
            )
        source = TrainingBatches(
            self.index,
            self.train.cpu().numpy(),
            recipe.batch_size,
            seed,
            self.image_size,
            recipe.augmentation,
            processes,
        )
        begin = time.perf_counter()
        batches = _load(source, steps, self.workers, self.start_method, self.device)
        for step, (images, seconds) in zip(steps, batches, strict=True):
            labels = self.labels[torch.from_numpy(source.indices(step)).to(self.device, non_blocking=True)]
            planes = self.encoding(images.to(self.device, non_blocking=True), self.statistics)
            self.times.images += len(images)
            self.times.decode_seconds += seconds
            self.times.wait_seconds += time.perf_counter() - begin
            yield planes, labels
            begin = time.perf_counter()

    def batches(self, indices: Tensor, size: int) -> Iterator[Tensor]:
        """Encode ``indices`` in order, ``size`` at a time, resized and cut to their centre."""
        parts = [part.cpu().numpy() for part in indices.split(size)]
        source = EvaluationBatches(self.index, parts, self.image_size)
        for images, _ in _load(source, range(len(parts)), self.workers, self.start_method, self.device):
            yield self.test_encoding(images.to(self.device, non_blocking=True), self.statistics)

    def reader_totals(self, processes: Processes = ALONE) -> dict[str, float]:
        """The times, added up over all processes, each of which has to ask."""
        times = asdict(self.times)
        totals = processes.total(torch.tensor(list(times.values()), dtype=torch.float64)).tolist()
        return dict(zip(times, totals, strict=True))

    def reader_record(self, totals: dict[str, float], processes: Processes = ALONE) -> dict[str, Any]:
        """Entries of ``run.json``, from such totals.

        They are how many images all workers of all processes decode in a second, and how long a process waited for
        images on average.
        """
        seconds = totals.get("decode_seconds", 0.0)
        rate = totals["images"] * max(1, self.workers) * processes.count / seconds if seconds else None
        wait = totals.get("wait_seconds", 0.0) / processes.count
        return {"workers": self.workers, "decoded_images_per_second": rate, "wait_seconds": wait}


def load_streamed_data(
    spec: RunSpec, path: Path, device: torch.device, *, workers: int, processes: Processes = ALONE
) -> StreamedData:
    """Check a data set in shards and make it ready for a run.

    Parameters
    ----------
    spec : RunSpec
        Gives the encoding, the seed of the split and its fractions, and the size of the images.
    path : Path
        The index of the shards.
    device : torch.device
        Where batches are sent.
    workers : int
        Processes that decode.
    processes : Processes
        Those that train together; each compares its share of the shards with their checksums.

    Raises
    ------
    PhasebenchError
        The index or a shard is missing or damaged, or the recipe is not for images in shards.
    """
    recipe = spec.recipe
    if not isinstance(recipe, Recipe):
        raise PhasebenchError(f"{spec.id}: recipe.procedure: '{recipe.procedure}' cannot read images from shards")
    index = read_index(path)
    verify_shards(index, max(1, workers), processes)
    train, validation = split_as_specified(index.splits["train"], spec)

    def on_device(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    # A full pass would take hours; images evenly spread over the shards tell the same.
    spread = np.unique(np.linspace(0, len(train) - 1, _MEASURED_IMAGES).astype(np.int64))
    parts = np.array_split(np.sort(train)[spread], max(1, workers))
    start_method: StartMethod = "fork" if processes.count == 1 else "forkserver"
    chosen = _load(EvaluationBatches(index, parts, recipe.image_size), range(len(parts)), workers, start_method, device)
    encoding = load_encoding(spec.encoding)
    statistics = encoding.statistics(torch.cat([images for images, _ in chosen]))
    return StreamedData(
        index=index,
        labels=on_device(index.labels),
        train=on_device(train),
        validation=on_device(validation),
        test=on_device(index.splits["test"]),
        encoding=encoding,
        test_encoding=load_encoding(spec.test_encoding or spec.encoding),
        statistics=statistics.to(device),
        classes=index.classes,
        image_size=recipe.image_size,
        workers=workers,
        start_method=start_method,
    )


def _load(
    source: "Dataset[Decoded]", order: Sequence[int], workers: int, start_method: StartMethod, device: torch.device
) -> Iterator[Decoded]:
    workers = min(workers, len(order))
    loader: DataLoader[Decoded] = DataLoader(
        source,
        batch_size=None,
        sampler=order,
        num_workers=workers,
        multiprocessing_context=start_method if workers else None,
        pin_memory=device.type == "cuda",
        worker_init_fn=_outlive_signals,
        # Of no use here; without one of its own the loader draws from torch's.
        generator=torch.Generator(),
    )
    # Workers keep the mask until they can stand the signals, and a server that forks them for ever.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    multiprocessing.set_forkserver_preload(["phasebench.data.batches.shard_workers"])
    try:
        batches = iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        yield from batches
    finally:
        # Left to the interpreter's exit, workers would be waited for that wait for signals.
        if isinstance(batches, _MultiProcessingDataLoaderIter):
            batches._shutdown_workers()


def _outlive_signals(_worker: int) -> None:
    """Delay a worker's end after a scheduler's signal for as long as the training takes to save itself."""
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: signal.alarm(_GRACE_SECONDS))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
