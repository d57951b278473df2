"""Encoding of stored samples as the complex feature maps that the networks read.

Every encoding turns a batch of stored samples into one real tensor (N, 2, C, H, W), axis 1 holding real and imaginary
part. All arithmetic is elementwise and in the default floating type: reduced-precision matrix products, which trainers
switch on for speed, cannot touch it. The statistics that samples are divided by or normalised with are measured once
over the training subset; most encodings so keep every training sample in the unit disc (Co-domain Symmetry, section
4).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from phasebench.common.errors import PhasebenchError

_CHUNK = 1024


class Encoding(ABC):
    """Map from stored samples to complex feature maps.

    Attributes
    ----------
    n_channels
        Number C of complex channels.
    nonzero_planes
        Indices into the 2C planes (re_0 .. re_{C-1}, im_0 .. im_{C-1}) that are not zero for every sample; a
        real-valued network reads these.
    noise
        Standard deviation of what training adds to every real plane, fresh for every batch.
    costly
        Whether samples are better encoded once, before training, than again in every batch.
    """

    n_channels: ClassVar[int]
    nonzero_planes: ClassVar[tuple[int, ...]]
    noise: ClassVar[float] = 0.0
    costly: ClassVar[bool] = False

    @abstractmethod
    def statistics(self, samples: Tensor) -> Tensor:
        """Measure the statistics that :meth:`__call__` divides by or normalises with.

        Parameters
        ----------
        samples : uint8 (N, H, W, 1 or 3) or complex64 (N, H, W)
            The training subset.

        Returns
        -------
        Tensor
            In the default floating type, on the samples' device: a scalar, or one value for each plane.

        Raises
        ------
        PhasebenchError
            The encoding is not for this kind of samples.
        """

    @abstractmethod
    def __call__(self, samples: Tensor, statistics: Tensor) -> Tensor:
        """Encode a batch.

        Parameters
        ----------
        samples : uint8 (N, H, W, 1 or 3) or complex64 (N, H, W)
            Stored samples. Grey images count as three equal channels.
        statistics : Tensor
            Those of the training subset, from :meth:`statistics`.

        Returns
        -------
        Tensor (N, 2, C, H, W)
            Contiguous, in the default floating type (float32), or double where the study's numbers hang on it.

        Raises
        ------
        PhasebenchError
            The encoding is not for this kind of samples.
        """

    def augmented(self, samples: Tensor, statistics: Tensor, random: torch.Generator) -> Tensor:
        """Encode a batch whose pitch and tempo are changed at random.

        Parameters
        ----------
        samples, statistics
            As in :meth:`__call__`.
        random : torch.Generator
            On the CPU; decides the changes.

        Raises
        ------
        PhasebenchError
            The encoding is not for audio.
        """
        raise PhasebenchError("recipe.augmentation: 'pitch_stretch' is for audio; use 'crop_flip' for images")


class Complex(Encoding):
    """Samples that are complex already, such as radar chips: one complex channel."""

    n_channels = 1
    nonzero_planes = (0, 1)

    def statistics(self, samples: Tensor) -> Tensor:
        """Measure the largest modulus, a scalar."""
        return largest_of(samples, lambda part: torch.hypot(*_complex_parts(part)))

    def __call__(self, samples: Tensor, statistics: Tensor) -> Tensor:
        """Encode a batch, as :meth:`Encoding.__call__` says."""
        return torch.stack(_complex_parts(samples), dim=1).unsqueeze(2) / statistics


def chunks(samples: Tensor) -> tuple[Tensor, ...]:
    """Cut samples into parts whose intermediate results fit in memory."""
    return torch.split(samples, _CHUNK)


def largest_of(samples: Tensor, measure: Callable[[Tensor], Tensor]) -> Tensor:
    """Largest value of a measure over samples, as a scalar."""
    return torch.stack([measure(part).max() for part in chunks(samples)]).max()


def _complex_parts(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part, each (N, H, W)."""
    if not samples.is_complex() or samples.ndim != 3:
        raise PhasebenchError("encoding: 'complex' is for complex samples; use 'rgb', 'lab' or 'sliding' for images")
    real, imaginary = torch.view_as_real(samples).to(torch.get_default_dtype()).unbind(-1)
    return real, imaginary
