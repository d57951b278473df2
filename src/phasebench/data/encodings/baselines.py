"""Encodings for baselines: magnitudes without phase, samples of normalised phase, and chips without their target.

They follow another encoding, whose statistics they use.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor

from phasebench.data.encodings.base import Complex, Encoding
from phasebench.data.encodings.colour import Lab, Sliding
from phasebench.nn.complex.angle import circular_phase
from phasebench.nn.complex.layout import rotate

DYNAMIC_RANGE = 1e3
"""Ratio of the largest modulus to the one that logarithms map to about a tenth; 60 dB."""


class _Changed(Encoding):
    """Planes of another encoding, changed."""

    base: ClassVar[type[Encoding]]

    def statistics(self, samples: Tensor) -> Tensor:
        """Measure the statistics of the other encoding."""
        return self.base().statistics(samples)

    def __call__(self, samples: Tensor, statistics: Tensor) -> Tensor:
        """Encode a batch, as :meth:`Encoding.__call__` says."""
        return self._change(self.base()(samples, statistics))

    def _change(self, planes: Tensor) -> Tensor:
        raise NotImplementedError


class _Magnitude(_Changed):
    """Moduli as real numbers."""

    def _change(self, planes: Tensor) -> Tensor:
        modulus = self._scaled(torch.linalg.vector_norm(planes, dim=1))
        return torch.stack((modulus, torch.zeros_like(modulus)), dim=1)

    def _scaled(self, modulus: Tensor) -> Tensor:
        return modulus


class _LogMagnitude(_Magnitude):
    """Logarithms of moduli: ``1 + ln(|z| + 1/1000) / ln 1000``, 0 at zero and about 1 at the largest one."""

    def _scaled(self, modulus: Tensor) -> Tensor:
        return 1.0 + (modulus + 1.0 / DYNAMIC_RANGE).log() / math.log(DYNAMIC_RANGE)


class _PhaseNormalised(_Changed):
    """Samples turned back by the phase of their sum, so that a common phase of the input is gone."""

    def _change(self, planes: Tensor) -> Tensor:
        return rotate(planes, -circular_phase(planes))


class Magnitude(_Magnitude):
    """Moduli of complex samples, without their phases."""

    base, n_channels, nonzero_planes = Complex, 1, (0,)


class LogMagnitude(_LogMagnitude):
    """Logarithms of the moduli of complex samples, over 60 dB."""

    base, n_channels, nonzero_planes = Complex, 1, (0,)


class ComplexPhaseNormalised(_PhaseNormalised):
    """Complex samples turned back by the phase of their sum."""

    base, n_channels, nonzero_planes = Complex, 1, (0, 1)


class ComplexWithoutTarget(_Changed):
    """Complex samples whose middle, half as high and half as wide, is zero: a chip's clutter and the shadow's end."""

    base, n_channels, nonzero_planes = Complex, 1, (0, 1)

    def _change(self, planes: Tensor) -> Tensor:
        height, width = planes.shape[-2:]
        planes[..., height // 4 : height - height // 4, width // 4 : width - width // 4] = 0.0
        return planes


class LabMagnitude(_Magnitude):
    """Lightness and chroma: moduli of the channels of L*a*b*, without the hue."""

    base, n_channels, nonzero_planes = Lab, 2, (0, 1)


class LabLogMagnitude(_LogMagnitude):
    """Logarithms of the moduli of the channels of L*a*b*, over 60 dB."""

    base, n_channels, nonzero_planes = Lab, 2, (0, 1)


class LabPhaseNormalised(_PhaseNormalised):
    """L*a*b* turned back by the phase of the sum over pixels and channels."""

    base, n_channels, nonzero_planes = Lab, 2, (0, 1, 2, 3)


class SlidingMagnitude(_Magnitude):
    """Moduli of the sliding pairs of colours."""

    base, n_channels, nonzero_planes = Sliding, 2, (0, 1)


class SlidingLogMagnitude(_LogMagnitude):
    """Logarithms of the moduli of the sliding pairs of colours, over 60 dB."""

    base, n_channels, nonzero_planes = Sliding, 2, (0, 1)


class SlidingPhaseNormalised(_PhaseNormalised):
    """Sliding pairs of colours turned back by the phase of their sum."""

    base, n_channels, nonzero_planes = Sliding, 2, (0, 1, 2, 3)
