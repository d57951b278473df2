"""Sharded data set: decoded, cropped and mirrored by worker processes ahead of the training steps.

The shards follow in a random order, and within a window of some shards the images do, so that a pass reads nearly in
sequence. Every random number follows from the seed, the epoch or step, and the image's place in the batch: neither the
number of workers, nor that of processes, nor an interruption changes what a step sees.
"""

import multiprocessing
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from phasebench.common.errors import PhasebenchError
from phasebench.common.parent_death import die_with_parent
from phasebench.common.processes import ALONE, Processes
from phasebench.data.batches.shard_workers import Decoded, EvaluationBatches, TrainingBatches
from phasebench.data.encodings.base import Encoding
from phasebench.data.encodings.registry import load_encoding
from phasebench.data.shards.index import ShardIndex, read_index, verify_shards
from phasebench.data.splits import split_as_specified
from phasebench.specs.run import Recipe, RunSpec

StartMethod = Literal["fork", "forkserver"]
# Longer than any scheduler leaves a stopped job: the training may validate before it looks at the stop, and needs its
# workers for that.
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
    kept
        Reader of evaluation batches whose workers stay, inside :meth:`keeping_workers`.
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
    kept: "list[_Reader]" = field(default_factory=list)

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
        if self.kept:
            loaded = self.kept[0].read(parts)
        else:
            source = EvaluationBatches(self.index, self.image_size)
            loaded = _load(source, parts, self.workers, self.start_method, self.device)
        for images, _ in loaded:
            yield self.test_encoding(images.to(self.device, non_blocking=True), self.statistics)

    @contextmanager
    def keeping_workers(self) -> Iterator[None]:
        """Keep the workers of :meth:`batches` from one pass to the next; they start with the first."""
        source = EvaluationBatches(self.index, self.image_size)
        with closing(_Reader(source, self.workers, self.start_method, self.device)) as reader:
            self.kept.append(reader)
            try:
                yield
            finally:
                self.kept.clear()

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
    chosen = _load(EvaluationBatches(index, recipe.image_size), parts, workers, start_method, device)
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


class _Reader:
    """Reader of batches by worker processes, which stay from one pass to the next and are ended by :meth:`close`."""

    def __init__(
        self, source: "Dataset[Decoded]", workers: int, start_method: StartMethod, device: torch.device
    ) -> None:
        self._order: list[Any] = []
        self._batches: Iterator[Decoded] | None = None
        self._loader: DataLoader[Decoded] = DataLoader(
            source,
            batch_size=None,
            # The same list for all passes; each finds its own order in it.
            sampler=self._order,
            num_workers=workers,
            multiprocessing_context=start_method if workers else None,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda",
            worker_init_fn=_outlive_signals,
            # Of no use here; without one of its own the loader draws from torch's.
            generator=torch.Generator(),
        )

    def read(self, order: Sequence[Any]) -> Iterator[Decoded]:
        """The source's items in an order; a pass that was left early is ended by the next."""
        self._order[:] = order
        # Workers keep the mask until they can stand the signals, and a server that forks them for ever.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        multiprocessing.set_forkserver_preload(["phasebench.data.batches.shard_workers"])
        try:
            self._batches = iter(self._loader)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        yield from self._batches

    def close(self) -> None:
        """End the workers. Left to the interpreter's exit, they would be waited for, and they wait for signals."""
        if isinstance(self._batches, _MultiProcessingDataLoaderIter):
            self._batches._shutdown_workers()


def _load(
    source: "Dataset[Decoded]", order: Sequence[Any], workers: int, start_method: StartMethod, device: torch.device
) -> Iterator[Decoded]:
    """Read one pass, by workers of its own."""
    with closing(_Reader(source, min(workers, len(order)), start_method, device)) as reader:
        yield from reader.read(order)


def _outlive_signals(_worker: int) -> None:
    """Delay a worker's end after a scheduler's signal for as long as the training takes to save itself.

    One whose training has died would wait for ever until somebody takes its last images.
    """
    die_with_parent()
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: signal.alarm(_GRACE_SECONDS))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
