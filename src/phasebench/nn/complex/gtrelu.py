"""Generalised tangent ReLU (GTReLU): complex channel factors, then a threshold on the phase."""

import torch
from torch import Tensor, nn

from phasebench.nn.complex.arithmetic import multiply, multiply_conjugate, scale_channels
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.equivariant import channel_mean_phase
from phasebench.nn.complex.init import quadrant_uniform_
from phasebench.nn.complex.phase_threshold import equivariant_phase_threshold, phase_threshold


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


class GTReLU(_ScaledActivation):
    """GTReLU: ``max(r, |c z|) exp(i w relu(angle(c z)))`` (Singhal, Xing and Yu 2022, section 3.6).

    Phases below zero become zero. The factor ``c`` is complex and learned for each channel. The phase factor ``w`` is
    learned for each channel and used between 0.5 and 2, or fixed at 1. Not equivariant to phase.

    Parameters
    ----------
    channels : int
        Complex channels; there are three parameters for each, two without ``learn_phase_factor``.
    learn_phase_factor : bool
        Learn ``w``.
    threshold : float
        ``r``, at least 0. At 0, the default, the layer is homogeneous in magnitude.

    Examples
    --------
    >>> layer = GTReLU(3)
    >>> layer(torch.randn(2, 2, 3, 8, 8)).shape
    torch.Size([2, 2, 3, 8, 8])
    """

    def __init__(self, channels: int, learn_phase_factor: bool = True, threshold: float = 0.0) -> None:
        super().__init__(channels)
        self.phase_factor = nn.Parameter(torch.ones(channels)) if learn_phase_factor else None
        self.threshold = threshold

    def threshold_phase(self, scaled: Tensor) -> Tensor:
        """``max(r, |y|) exp(i w angle(y)+)`` on planes ``(N, 2, C, H, W)``."""
        factor = None if self.phase_factor is None else self.phase_factor.clamp(0.5, 2.0)
        return phase_threshold(scaled, factor, self.threshold)


class EquivariantGTReLU(_ScaledActivation):
    """Equivariant GTReLU: ``(|f| + 1e-6) exp(i w relu(angle(f m*))) m`` with ``f = c z`` and ``r = 0``.

    Singhal, Xing and Yu 2022, section 3.6 with eq. 2. The channel factor ``c`` comes first, and ``m``, the phase of
    the channel mean, is taken after it; the phase factor ``w`` is used through a ReLU. Equivariant to phase, and to
    magnitude up to the offsets.

    Parameters
    ----------
    channels : int
        Complex channels; there are three parameters for each.

    Examples
    --------
    >>> layer = EquivariantGTReLU(3)
    >>> layer(torch.randn(2, 2, 3, 8, 8)).shape
    torch.Size([2, 2, 3, 8, 8])
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.phase_factor = nn.Parameter(torch.ones(channels))

    def threshold_phase(self, scaled: Tensor) -> Tensor:
        """``(|f| + 1e-6) exp(i w angle(f m*)+) m`` on planes ``(N, 2, C, H, W)``."""
        return equivariant_phase_threshold(scaled, self.phase_factor.relu())


class EquivariantThresholdGTReLU(_ScaledActivation):
    """Equivariant GTReLU with any threshold: ``m max(r, |f m*|) exp(i w relu(angle(f m*)))`` with ``f = c z``.

    Singhal, Xing and Yu 2022, section 3.6 with eq. 2. The channel factor ``c`` comes first, and the mean is taken
    after it. Where the mean is zero there is no phase to turn back: the output is zero and passes no gradient. With
    ``r = 0`` it is :class:`EquivariantGTReLU` but for offsets of 1e-6. Equivariant to phase.

    Parameters
    ----------
    channels : int
        Complex channels; there are three parameters for each, two without ``learn_phase_factor``.
    threshold : float
        ``r``, at least 0. Above 0 the layer is not homogeneous in magnitude.
    learn_phase_factor : bool
        Learn ``w``, which is used through a ReLU; else it is 1.

    Examples
    --------
    >>> layer = EquivariantThresholdGTReLU(3, threshold=1.0)
    >>> layer(torch.randn(2, 2, 3, 8, 8)).shape
    torch.Size([2, 2, 3, 8, 8])
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
