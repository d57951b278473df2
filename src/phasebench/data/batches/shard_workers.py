"""Batches of images from shards, as a loader's workers make them: decoded, cropped and mirrored."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from phasebench.common.processes import Processes
from phasebench.common.seeding import Stream, generator
from phasebench.data.shards.index import OpenShard, ShardIndex
from phasebench.data.shards.jpeg import decode_checked

_WINDOW = 16
# Steps draw from one window of the shuffling, at its end from two; a file descriptor each, of which there are few.
_MAPPED_SHARDS = 2 * _WINDOW
_RESIZED_OVER_CROPPED = 256 / 224
Decoded = tuple[Tensor, float]
"""uint8 images (B, S, S, 3), and the seconds that they took."""


class _ShardImages:
    """Encoded images by their index; each process maps the shards that it read last."""

    def __init__(self, index: ShardIndex) -> None:
        self._paths, self._starts = index.paths, index.starts
        self._open: OrderedDict[int, OpenShard] = OrderedDict()

    def decoded(self, image: int) -> Tensor:
        number = int(np.searchsorted(self._starts, image, side="right")) - 1
        if number not in self._open:
            while len(self._open) >= _MAPPED_SHARDS:
                self._open.popitem(last=False)
            self._open[number] = OpenShard(self._paths[number])
        self._open.move_to_end(number)
        return decode_checked(self._open[number][image - int(self._starts[number])])


class TrainingBatches(Dataset[Decoded]):
    """Map from a step to this process' share of its batch."""

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
        self._crop = _random_crop(image_size) if augmentation == "resized_crop" else _centre(image_size)

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


class EvaluationBatches(Dataset[Decoded]):
    """Map from the indices of a batch to its images."""

    def __init__(self, index: ShardIndex, image_size: int) -> None:
        self._images, self._crop = _ShardImages(index), _centre(image_size)

    def __getitem__(self, indices: np.ndarray) -> Decoded:
        begin = time.perf_counter()
        images = [self._crop(self._images.decoded(int(image))) for image in indices]
        return _stacked(images), time.perf_counter() - begin


# Importing torchvision takes a second, and most data sets are in memory.
def _random_crop(size: int) -> Callable[[Tensor], Tensor]:
    """Random part of an image at random scale, mirrored half of the time."""
    from torchvision.transforms import v2

    crop: Callable[[Tensor], Tensor] = v2.Compose(
        [v2.RandomResizedCrop(size, antialias=True), v2.RandomHorizontalFlip()]
    )
    return crop


def _centre(size: int) -> Callable[[Tensor], Tensor]:
    """Both sides to 256 for a crop of 224, as in the study, and to as much more for another."""
    from torchvision.transforms import v2

    resized = round(size * _RESIZED_OVER_CROPPED)
    crop: Callable[[Tensor], Tensor] = v2.Compose([v2.Resize((resized, resized), antialias=True), v2.CenterCrop(size)])
    return crop


def _stacked(images: list[Tensor]) -> Tensor:
    """Stack to uint8 (B, S, S, 3), the layout of stored images; the memory keeps the planes apart."""
    return torch.stack(images).permute(0, 2, 3, 1)
