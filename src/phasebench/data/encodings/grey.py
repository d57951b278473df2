"""Encodings of grey images that turn or shift them in the complex plane; nothing is measured on the training subset.

Those of Agrawal, "Analysis of Complex CNNs", start from pixels between -0.5 and 0.5, as the study's normalisation
leaves them; those of Nie and Yuan, "Phase matters more", from pixels between 0 and 1.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor

from phasebench.common.errors import PhasebenchError
from phasebench.data.encodings.base import Encoding

FIXED_PHASE = 0.5
FIXED_IMAGINARY = 0.1
NOISE = 1e-5


class Grey(Encoding):
    """One complex channel: the pixel less one half, with imaginary part zero."""

    n_channels = 1
    nonzero_planes: ClassVar[tuple[int, ...]] = (0,)
    offset: ClassVar[float] = 0.5
    """Offset that is taken from a pixel between 0 and 1."""

    def statistics(self, samples: Tensor) -> Tensor:
        """One, since nothing is measured."""
        return torch.ones((), device=samples.device)

    def __call__(self, samples: Tensor, statistics: Tensor) -> Tensor:
        """Encode a batch, as :meth:`Encoding.__call__` says."""
        if samples.dtype != torch.uint8 or samples.ndim != 4 or samples.shape[-1] != 1:
            raise PhasebenchError("encoding: the grey encodings are for images with one channel; use 'rgb' for colours")
        pixels = samples[..., 0] / 255.0 - self.offset
        return torch.stack(self._parts(pixels), dim=1).unsqueeze(2)

    def _parts(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Real and imaginary part."""
        return pixels, torch.zeros_like(pixels)


class GreyFixedPhase(Grey):
    """The pixel less one half, turned by half a radian."""

    nonzero_planes = (0, 1)

    def _parts(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return pixels * math.cos(FIXED_PHASE), pixels * math.sin(FIXED_PHASE)


class GreyFixedImaginary(Grey):
    """The pixel less one half, with imaginary part 0.1 everywhere."""

    nonzero_planes = (0, 1)

    def _parts(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return pixels, torch.full_like(pixels, FIXED_IMAGINARY)


class GreyNoise(Grey):
    """The pixel less one half; training adds a complex normal number of standard deviation 1e-5 a part to it."""

    nonzero_planes = (0, 1)
    noise = NOISE


class GreyUnit(Grey):
    """The pixel between 0 and 1, with imaginary part zero."""

    offset = 0.0


class GreyProportionalPhase(GreyUnit):
    """The pixel x between 0 and 1, turned by pi x: black is 0, white is -1 (Nie and Yuan, section 2).

    The pixel is rounded to single precision, sine and cosine are not: with them rounded too, the author's losses are
    lost after some hundred steps.
    """

    nonzero_planes = (0, 1)

    def _parts(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        pixels = pixels.double()
        return pixels * torch.cos(math.pi * pixels), pixels * torch.sin(math.pi * pixels)
