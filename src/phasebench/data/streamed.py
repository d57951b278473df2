"""A data set in shards: decoded, cropped and mirrored by worker processes ahead of the training steps.

The shards follow in a random order, and within a window of some shards the images do, so that a pass reads nearly in
sequence. Every random number follows from the seed, the epoch or step, and the image's place in the batch: neither the
number of workers, nor that of processes, nor an interruption changes what a step sees.
"""

import math
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter
from torchvision.transforms import v2

from phasebench.data.encoding_registry import load_encoding
from phasebench.data.encodings import Encoding
from phasebench.data.jpeg import decode
from phasebench.data.shards import OpenShard, ShardIndex, read_index, verify_shards
from phasebench.data.splits import training_split
from phasebench.errors import PhasebenchError
from phasebench.processes import ALONE, Processes
from phasebench.seeding import Stream, generator
from phasebench.spec import Recipe, RunSpec

_WINDOW = 16
_GRACE_SECONDS = 20
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)
_MEASURED_IMAGES = 1024
_RESIZED_OVER_CROPPED = 256 / 224
Decoded = tuple[Tensor, float]
"""uint8 images (B, S, S, 3), and the seconds that they took."""


@dataclass
class ReaderTimes:
    """What the reader did for the training steps."""

    images: int = 0
    decode_seconds: float = 0.0
    """Of all workers together."""
    wait_seconds: float = 0.0
    """Spent by the training loop until its next batch was there."""


@dataclass(frozen=True, eq=False)
class StreamedData:
    """What :class:`phasebench.data.batches.DeviceData` is, for images that stay on disk.

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
    largest
        What the encodings divide by or normalise with, measured on some training images.
    classes
        One name per label.
    image_size
        Side of the images in pixels.
    workers
        Processes that decode; 0: the training process itself.
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
    largest: Tensor
    classes: tuple[str, ...]
    image_size: int
    workers: int
    times: ReaderTimes = field(default_factory=ReaderTimes)

    @property
    def device(self) -> torch.device:
        """Where batches are sent."""
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
        source = _TrainingBatches(
            self.index,
            self.train.cpu().numpy(),
            recipe.batch_size,
            seed,
            self.image_size,
            recipe.augmentation,
            processes,
        )
        begin = time.perf_counter()
        for step, (images, seconds) in zip(steps, _load(source, steps, self.workers, self.device), strict=True):
            labels = self.labels[torch.from_numpy(source.indices(step)).to(self.device)]
            planes = self.encoding(images.to(self.device, non_blocking=True), self.largest)
            self.times.images += len(images)
            self.times.decode_seconds += seconds
            self.times.wait_seconds += time.perf_counter() - begin
            yield planes, labels
            begin = time.perf_counter()

    def batches(self, indices: Tensor, size: int) -> Iterator[Tensor]:
        """Encode ``indices`` in order, ``size`` at a time, resized and cut to their centre."""
        parts = [part.cpu().numpy() for part in indices.split(size)]
        source = _TestBatches(self.index, parts, self.image_size)
        for images, _ in _load(source, range(len(parts)), self.workers, self.device):
            yield self.test_encoding(images.to(self.device, non_blocking=True), self.largest)

    def reader_record(self) -> dict[str, Any]:
        """Entries of ``run.json``: how fast images were decoded, and how long the training waited for them."""
        times, workers = self.times, max(1, self.workers)
        rate = times.images * workers / times.decode_seconds if times.decode_seconds else None
        return {"workers": self.workers, "decoded_images_per_second": rate, "wait_seconds": times.wait_seconds}


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
    train, validation = training_split(index.splits["train"], spec.seed, spec.train_fraction, spec.validation_fraction)

    def on_device(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    # A full pass would take hours; images evenly spread over the shards tell the same.
    spread = np.unique(np.linspace(0, len(train) - 1, _MEASURED_IMAGES).astype(np.int64))
    parts = np.array_split(np.sort(train)[spread], max(1, workers))
    chosen = _load(_TestBatches(index, parts, recipe.image_size), range(len(parts)), workers, device)
    encoding = load_encoding(spec.encoding)
    largest = encoding.largest(torch.cat([images for images, _ in chosen]))
    return StreamedData(
        index=index,
        labels=on_device(index.labels),
        train=on_device(train),
        validation=on_device(validation),
        test=on_device(index.splits["test"]),
        encoding=encoding,
        test_encoding=load_encoding(spec.test_encoding or spec.encoding),
        largest=largest.to(device),
        classes=index.classes,
        image_size=recipe.image_size,
        workers=workers,
    )


def _load(source: "Dataset[Decoded]", order: Sequence[int], workers: int, device: torch.device) -> Iterator[Decoded]:
    loader: DataLoader[Decoded] = DataLoader(
        source,
        batch_size=None,
        sampler=order,
        num_workers=min(workers, len(order)),
        pin_memory=device.type == "cuda",
        worker_init_fn=_outlive_signals,
        # Of no use here; without one of its own the loader draws from torch's.
        generator=torch.Generator(),
    )
    batches = iter(loader)
    try:
        yield from batches
    finally:
        # Left to the interpreter's exit, workers would be waited for that wait for signals.
        if isinstance(batches, _MultiProcessingDataLoaderIter):
            batches._shutdown_workers()


def _outlive_signals(_worker: int) -> None:
    """A scheduler tells every process to stop; workers go on for as long as the training takes to save itself."""
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: signal.alarm(_GRACE_SECONDS))


class _ShardImages:
    """Encoded images by their index; each process maps the shards that it reads."""

    def __init__(self, index: ShardIndex) -> None:
        self._paths, self._starts = index.paths, index.starts
        self._open: dict[int, OpenShard] = {}

    def decoded(self, image: int) -> Tensor:
        number = int(np.searchsorted(self._starts, image, side="right")) - 1
        if number not in self._open:
            self._open[number] = OpenShard(self._paths[number])
        return decode(self._open[number][image - int(self._starts[number])])


class _TrainingBatches(Dataset[Decoded]):
    """Maps a step to this process' share of its batch."""

    def __init__(
        self,
        index: ShardIndex,
        train: np.ndarray,
        batch_size: int,
        seed: int,
        image_size: int,
        augmentation: str,
        processes: Processes,
    ) -> None:
        self._images, self._starts = _ShardImages(index), index.starts
        self._is_trained = np.zeros(len(index.labels), dtype=bool)
        self._is_trained[train] = True
        self._batch_size, self._seed, self._processes = batch_size, seed, processes
        self._per_epoch = math.ceil(len(train) / batch_size)
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)
        self._crop = (
            v2.Compose([v2.RandomResizedCrop(image_size, antialias=True), v2.RandomHorizontalFlip()])
            if augmentation == "resized_crop"
            else _centre(image_size)
        )

    def indices(self, step: int) -> np.ndarray:
        """The share's images."""
        epoch, position = divmod(step, self._per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._epoch_order(epoch)
        batch = self._order[position * self._batch_size : (position + 1) * self._batch_size]
        return batch[self._processes.rank :: self._processes.count]

    def __getitem__(self, step: int) -> Decoded:
        begin = time.perf_counter()
        random = generator(self._seed, Stream.AUGMENTATION, step)
        seeds = torch.randint(2**62, (self._batch_size,), generator=random).tolist()
        images = []
        # The transforms draw from torch's own stream, which belongs to the training where nothing is forked.
        with torch.random.fork_rng(devices=[]):
            for image, seed in zip(self.indices(step), self._processes.share(seeds), strict=False):
                torch.default_generator.manual_seed(seed)
                images.append(self._crop(self._images.decoded(int(image))))
        return _stacked(images), time.perf_counter() - begin

    def _epoch_order(self, epoch: int) -> np.ndarray:
        random = generator(self._seed, Stream.ORDER, epoch)
        shards = torch.randperm(len(self._starts) - 1, generator=random).tolist()
        windows = []
        for first in range(0, len(shards), _WINDOW):
            ranges = [np.arange(self._starts[n], self._starts[n + 1]) for n in shards[first : first + _WINDOW]]
            window = np.concatenate(ranges)
            window = window[self._is_trained[window]]
            windows.append(window[torch.randperm(len(window), generator=random).numpy()])
        return np.concatenate(windows)


class _TestBatches(Dataset[Decoded]):
    """Maps a number to the images of one batch."""

    def __init__(self, index: ShardIndex, parts: list[np.ndarray], image_size: int) -> None:
        self._images, self._parts, self._crop = _ShardImages(index), parts, _centre(image_size)

    def __getitem__(self, number: int) -> Decoded:
        begin = time.perf_counter()
        images = [self._crop(self._images.decoded(int(image))) for image in self._parts[number]]
        return _stacked(images), time.perf_counter() - begin


def _centre(size: int) -> v2.Compose:
    """Both sides to 256 for a crop of 224, as in the study, and to as much more for another."""
    resized = round(size * _RESIZED_OVER_CROPPED)
    return v2.Compose([v2.Resize((resized, resized), antialias=True), v2.CenterCrop(size)])


def _stacked(images: list[Tensor]) -> Tensor:
    """As uint8 (B, S, S, 3), the layout of stored images; the memory keeps the planes apart."""
    return torch.stack(images).permute(0, 2, 3, 1)
