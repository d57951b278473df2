"""Non-linearities on complex maps (Singhal, Xing and Yu 2022, sections 3.2 and 3.6)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from phasebench.nn.complex.arithmetic import multiply, multiply_conjugate, scale_channels
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.init import quadrant_uniform_
from phasebench.nn.complex.numerics import MODULUS_OFFSET, SMALLEST_SQUARE
from phasebench.nn.complex.phase_threshold import equivariant_phase_threshold, phase_threshold


def channel_mean_phase(planes: Tensor) -> Tensor:
    """The channel mean at every pixel, scaled to unit modulus: ``m / (|m| + 1e-6)``, shape ``(N, 2, 1, H, W)``."""
    mean = planes.mean(dim=2, keepdim=True)
    modulus: Tensor = torch.linalg.vector_norm(mean, dim=1, keepdim=True)
    return mean / (modulus + MODULUS_OFFSET)


def complex_relu(planes: Tensor) -> Tensor:
    """CReLU: ReLU of the real and of the imaginary part."""
    return planes.relu()


def z_relu(planes: Tensor) -> Tensor:
    """zReLU: numbers of the first quadrant pass, both axes included, others become zero (Guberman 2016).

    It jumps on both axes. Its equivariant form therefore leaves it to rounding whether a value passes whose phase is
    that of the channel mean, as with a single channel.
    """
    outside = (planes < 0.0).any(dim=1, keepdim=True)
    return planes.masked_fill(outside, 0.0)


def cardioid(planes: Tensor) -> Tensor:
    """``(1 + cos(angle z)) z / 2``, which is ReLU on the real line (Virtue, Yu and Lustig 2017).

    A modulus below 1e-12 counts as zero, and a zero has phase zero.
    """
    modulus, zero = _modulus(planes)
    cosine = (planes[:, :1] / modulus).masked_fill(zero, 1.0)
    return (planes * (0.5 + 0.5 * cosine)).to(planes.dtype)


def tangent_relu(planes: Tensor, threshold: float = 1.0) -> Tensor:
    """TReLU: ``max(r, |z|) exp(i angle(z)+)`` with ``r = 1`` (section 3.6).

    A zero has phase zero and becomes ``r``. :class:`phasebench.nn.complex.frechet_mean.TangentReLU` is the same in the
    polar representation.
    """
    return phase_threshold(planes, None, threshold)


def _modulus(planes: Tensor) -> tuple[Tensor, Tensor]:
    """The modulus with 1 in place of zeros, and where these are; both ``(N, 1, C, H, W)``, at least float32."""
    wide = planes.to(torch.promote_types(planes.dtype, torch.float32))
    squared = wide.square().sum(dim=1, keepdim=True)
    zero = squared < SMALLEST_SQUARE
    return squared.masked_fill(zero, 1.0).sqrt(), zero


class ModReLU(nn.Module):
    """``relu(|z| + b) z / |z|`` with a real bias for each channel (Arjovsky, Shah and Bengio 2016).

    Equivariant to phase by itself. It starts at ``b = 0``, as the identity. A modulus below 1e-12 counts as zero; a
    zero stays zero and passes no gradient, whatever the bias.

    Parameters
    ----------
    channels : int
        Complex channels; there is one parameter for each.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        modulus, zero = _modulus(planes)
        gain = (modulus + self.bias[:, None, None]).relu() / modulus
        return (planes * gain.masked_fill(zero, 0.0)).to(planes.dtype)


class EquivariantActivation(nn.Module):
    """Make any non-linearity equivariant to phase: ``m N(f m*)`` with ``m`` the mean phase (eq. 2).

    Parameters
    ----------
    function : callable
        ``N``, on planes ``(N, 2, C, H, W)``.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        phase = channel_mean_phase(planes)
        return multiply(self.function(multiply_conjugate(planes, phase)), phase)


class _ScaledActivation(nn.Module):
    """Channel factors ``c``, then a threshold on the phase."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(quadrant_uniform_(torch.empty(2, channels)))

    def threshold_phase(self, scaled: Tensor) -> Tensor:
        """The part behind the channel factors, on planes ``(N, 2, C, H, W)``."""
        raise NotImplementedError

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        return self.threshold_phase(scale_channels(planes, self.scale))

    def after(self, convolution: ComplexConv2d, planes: Tensor) -> Tensor:
        """``self(convolution(planes))`` with ``c`` folded into the kernel; equal up to rounding, and faster."""
        return self.threshold_phase(convolution(planes, self.scale))


class GeneralizedTangentReLU(_ScaledActivation):
    """GTReLU: ``max(r, |c x|) exp(i w angle(c x)+)`` (section 3.6).

    Phases below zero become zero. The factor ``c`` is complex and learned for each channel. The phase factor ``w`` is
    learned for each channel and used between 0.5 and 2, or fixed at 1.

    Parameters
    ----------
    channels : int
        Complex channels; there are three parameters for each, two without ``learn_phase_factor``.
    learn_phase_factor : bool
        Whether ``w`` is a parameter.
    threshold : float
        ``r``, at least 0. At 0, the default, the layer is homogeneous in magnitude.
    """

    def __init__(self, channels: int, learn_phase_factor: bool = True, threshold: float = 0.0) -> None:
        super().__init__(channels)
        self.phase_factor = nn.Parameter(torch.ones(channels)) if learn_phase_factor else None
        self.threshold = threshold

    def threshold_phase(self, scaled: Tensor) -> Tensor:
        """``max(r, |y|) exp(i w angle(y)+)`` on planes ``(N, 2, C, H, W)``."""
        factor = None if self.phase_factor is None else self.phase_factor.clamp(0.5, 2.0)
        return phase_threshold(scaled, factor, self.threshold)


class EquivariantGeneralizedTangentReLU(_ScaledActivation):
    """GTReLU with ``r = 0`` made equivariant to phase: phases are thresholded relative to the channel mean's.

    The channel factor ``c`` comes first and the mean is taken after it; the phase factor is used through a ReLU.

    Parameters
    ----------
    channels : int
        Complex channels; there are three parameters for each.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.phase_factor = nn.Parameter(torch.ones(channels))

    def threshold_phase(self, scaled: Tensor) -> Tensor:
        """``(|f| + 1e-6) exp(i w angle(f m*)+) m`` on planes ``(N, 2, C, H, W)``."""
        return equivariant_phase_threshold(scaled, self.phase_factor.relu())


class EquivariantThresholdTangentReLU(_ScaledActivation):
    """GTReLU with any ``r``, made equivariant to phase: ``m max(r, |f m*|) exp(i w angle(f m*)+)`` (eq. 2).

    The channel factor ``c`` comes first, ``f = c x``, and the mean is taken after it. Where the mean is zero there is
    no phase to turn back: the output is zero and passes no gradient. With ``r = 0`` it is
    :class:`EquivariantGeneralizedTangentReLU` but for offsets of 1e-6.

    Parameters
    ----------
    channels : int
        Complex channels; there are three parameters for each, two without ``learn_phase_factor``.
    threshold : float
        ``r``, at least 0. Above 0 the layer is not homogeneous in magnitude.
    learn_phase_factor : bool
        Whether ``w``, which is used through a ReLU, is a parameter; else it is 1.
    """

    def __init__(self, channels: int, threshold: float, learn_phase_factor: bool = True) -> None:
        super().__init__(channels)
        self.phase_factor = nn.Parameter(torch.ones(channels)) if learn_phase_factor else None
        self.threshold = threshold

    def threshold_phase(self, scaled: Tensor) -> Tensor:
        """The part behind the channel factors, on planes ``(N, 2, C, H, W)``."""
        phase = channel_mean_phase(scaled)
        # The derivative of m is 1e6 at zero; it would reach the input, as max(r, 0) is not zero.
        phase = phase.masked_fill((phase == 0.0).all(dim=1, keepdim=True), 0.0)
        factor = None if self.phase_factor is None else self.phase_factor.relu()
        return multiply(phase_threshold(multiply_conjugate(scaled, phase), factor, self.threshold), phase)
