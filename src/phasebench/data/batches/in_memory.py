"""In-memory data set: samples on the device as they are stored, where batches are gathered, augmented and encoded."""

import math
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from phasebench.common.errors import PhasebenchError
from phasebench.common.processes import ALONE, Processes
from phasebench.common.seeding import Stream, generator
from phasebench.data.encodings.base import Encoding
from phasebench.data.encodings.registry import load_encoding
from phasebench.data.splits import SplitSpec, split_as_specified
from phasebench.data.store import read_store
from phasebench.nn.complex.layout import rotate
from phasebench.specs.run import Augmentation, Recipe

_CROP_MARGIN = 4
_ENCODED_AT_ONCE = 64


class InputSpec(SplitSpec, Protocol):
    """The part of a run spec that decides its input, as :class:`~phasebench.specs.run.RunSpec` documents it."""

    @property
    def encoding(self) -> str: ...  # noqa: D102
    @property
    def test_encoding(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class DeviceData:
    """Samples, labels and the three subsets of one run, on one device.

    Attributes
    ----------
    samples
        As stored: uint8 ``(N, H, W, C)``, complex64 ``(N, H, W)`` or int16 ``(N, L)``.
    labels
        int64 ``(N,)``.
    train, validation, test
        int64 indices into both.
    encoding
        From training samples to the networks' planes.
    test_encoding
        The same for all other samples.
    statistics
        Those of the encoding, measured over the training subset.
    classes
        One name per label.
    dtype
        Of the planes.
    encoded
        All samples as ``test_encoding`` encodes them, ``(N, 2, C, H, W)``, where that is too costly to be
        repeated in every batch.
    """

    samples: Tensor
    labels: Tensor
    train: Tensor
    validation: Tensor
    test: Tensor
    encoding: Encoding
    test_encoding: Encoding
    statistics: Tensor
    classes: tuple[str, ...]
    dtype: torch.dtype = torch.float32
    encoded: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Device of the samples."""
        return self.samples.device

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Height and width of a sample; None of one that is no image."""
        height, *width = self.samples.shape[1:3]
        return (height, width[0]) if width else None

    def training_batch(
        self, indices: Tensor, random: torch.Generator, *, augmentation: Augmentation = "none"
    ) -> Tensor:
        """Encode the samples at ``indices`` for a training step.

        Parameters
        ----------
        indices : Tensor
            int64 ``(B,)`` on the device.
        random : torch.Generator
            On the CPU; decides shifts, mirrors, pitch, tempo, phases and noise.
        augmentation : {"none", "crop_flip", "pitch_stretch", "random_phase"}
            ``crop_flip`` shifts images by up to four pixels and mirrors them at random; ``pitch_stretch`` is for audio;
            ``random_phase`` turns each sample by an angle of its own.

        Returns
        -------
        Tensor
            Shape ``(B, 2, C, H, W)``.

        Raises
        ------
        PhasebenchError
            The augmentation is not for this kind of samples.
        """
        if augmentation == "crop_flip":
            planes = self.encoding(_crop_and_flip(self.samples, indices, random), self.statistics)
        elif augmentation == "pitch_stretch":
            planes = self.encoding.augmented(self.samples.index_select(0, indices), self.statistics, random)
        elif augmentation == "random_phase":
            planes = self.encoding(self.samples.index_select(0, indices), self.statistics)
            angles = 2.0 * math.pi * torch.rand(len(indices), generator=random)
            planes = rotate(planes, angles.to(self.device, non_blocking=True))
        elif self.encoding is self.test_encoding:
            planes = self.batch(indices)
        else:
            planes = self.encoding(self.samples.index_select(0, indices), self.statistics)
        if self.encoding.noise:
            noise = torch.randn(planes.shape, generator=random, dtype=planes.dtype)
            planes = planes.add_(noise.to(planes.device, non_blocking=True), alpha=self.encoding.noise)
        return planes.to(self.dtype)

    def training_batches(
        self, recipe: Recipe, seed: int, steps: range, processes: Processes = ALONE
    ) -> Generator[tuple[Tensor, Tensor], None, None]:
        """Planes and labels of this process' share of each step's batch.

        The order is random in every epoch, and its last batch may be smaller.

        Parameters
        ----------
        recipe : Recipe
            Batch size and augmentation.
        seed : int
            With the epoch and the step, decides the order and the augmentation.
        steps : range
            The steps, in a row.
        processes : Processes
            Which share of how many.

        Yields
        ------
        planes : Tensor
            Shape ``(B, 2, C, H, W)``.
        labels : Tensor
            int64 ``(B,)``.

        Raises
        ------
        PhasebenchError
            The augmentation is for other data.
        """
        if recipe.augmentation == "resized_crop":
            raise PhasebenchError("recipe.augmentation: 'resized_crop' is for images in shards; use 'crop_flip'")
        batches_per_epoch = math.ceil(len(self.train) / recipe.batch_size)
        for step in steps:
            epoch, position = divmod(step, batches_per_epoch)
            if position == 0 or step == steps.start:
                order = self._epoch_order(seed, epoch)
            indices = order[position * recipe.batch_size : (position + 1) * recipe.batch_size]
            random = generator(seed, Stream.AUGMENTATION, step)
            planes = self.training_batch(indices, random, augmentation=recipe.augmentation)
            # Every process draws the random numbers of the whole batch, so that their number changes nothing.
            yield processes.share(planes), processes.share(self.labels[indices])

    def reader_totals(self, processes: Processes = ALONE) -> dict[str, float]:
        """Nothing, since everything is on the device."""
        return {}

    def reader_record(self, totals: dict[str, float], processes: Processes = ALONE) -> dict[str, Any]:
        """Entries of ``run.json`` about reading: none."""
        return {}

    def _epoch_order(self, seed: int, epoch: int) -> Tensor:
        shuffled = torch.randperm(len(self.train), generator=generator(seed, Stream.ORDER, epoch))
        return self.train[shuffled.to(self.device)]

    def batch(self, indices: Tensor) -> Tensor:
        """Encode the samples at ``indices`` as for a test, to ``(B, 2, C, H, W)``."""
        if self.encoded is not None:
            planes = self.encoded.index_select(0, indices)
        else:
            planes = self.test_encoding(self.samples.index_select(0, indices), self.statistics)
        return planes.to(self.dtype)

    def batches(self, indices: Tensor, size: int) -> Iterator[Tensor]:
        """Encode ``indices`` in order, ``size`` at a time."""
        for part in indices.split(size):
            yield self.batch(part)

    def keeping_workers(self) -> AbstractContextManager[None]:
        """Nothing: the samples are in memory."""
        return nullcontext()


def load_device_data(
    spec: InputSpec,
    path: Path | str,
    device: torch.device,
    statistics: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
) -> DeviceData:
    """Read a prepared data set and put what a run needs of it on a device.

    Parameters
    ----------
    spec : InputSpec
        Gives the encoding, the seed of the split and its fractions.
    path : Path
        The prepared HDF5 file.
    device : torch.device
        Where the data are to be.
    statistics : Tensor, optional
        Those of the encoding; measured over the training subset if not given.
    dtype : torch.dtype
        Of the planes.

    Raises
    ------
    PhasebenchError
        The file is not a prepared data set, or the encoding is not for its kind of samples.
    """
    store = read_store(path)
    train, validation = split_as_specified(store.splits["train"], spec)

    def on_device(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    samples, encoding = on_device(store.samples), load_encoding(spec.encoding)
    test_encoding = load_encoding(spec.test_encoding) if spec.test_encoding else encoding
    if test_encoding.n_channels != encoding.n_channels:
        raise PhasebenchError(
            f"test_encoding: '{spec.test_encoding}' has {test_encoding.n_channels} channels, "
            f"'{spec.encoding}' {encoding.n_channels}"
        )
    train_indices = on_device(train)
    if statistics is None:
        statistics = encoding.statistics(samples.index_select(0, train_indices))
    statistics = statistics.to(device)
    encoded = None
    if test_encoding.costly:
        encoded = torch.cat([test_encoding(part, statistics) for part in samples.split(_ENCODED_AT_ONCE)])
    return DeviceData(
        samples=samples,
        labels=on_device(store.labels),
        train=train_indices,
        validation=on_device(validation),
        test=on_device(store.splits["test"]),
        encoding=encoding,
        test_encoding=test_encoding,
        statistics=statistics,
        classes=store.classes,
        dtype=dtype,
        encoded=encoded,
    )


def _crop_and_flip(samples: Tensor, indices: Tensor, generator: torch.Generator) -> Tensor:
    """Shift by up to four pixels, filling with zeros, and mirror half of the images, in one gather."""
    if samples.ndim < 3:
        raise PhasebenchError("recipe.augmentation: 'crop_flip' is for images; use 'pitch_stretch' for audio")
    count, height, width = len(indices), samples.shape[1], samples.shape[2]
    # Any other copy would wait until the card has done all steps so far.
    shift = torch.randint(-_CROP_MARGIN, _CROP_MARGIN + 1, (2, count, 1), generator=generator)
    shift = shift.to(samples.device, non_blocking=True)
    mirrored = torch.randint(0, 2, (count, 1), generator=generator).to(samples.device, non_blocking=True).bool()
    rows = torch.arange(height, device=samples.device) + shift[0]
    columns = torch.arange(width, device=samples.device)
    columns = torch.where(mirrored, columns.flip(0), columns) + shift[1]
    inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None, :]
    picked = samples[
        indices[:, None, None], rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None]
    ]
    return picked * inside.reshape(inside.shape + (1,) * (picked.ndim - 3)).to(picked.dtype)


def _within(positions: Tensor, size: int) -> Tensor:
    return (positions >= 0) & (positions < size)
