"""SurReal's layers: weighted Fréchet means, G-transport and distance transforms (Chakraborty, Xing and Yu 2020).

Maps are in the polar representation ``(N, 3, C, H, W)`` of :mod:`phasebench.nn.complex.manifold` throughout, which
:func:`phasebench.nn.complex.manifold.to_polar` makes from planes.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from phasebench.nn.complex.manifold import manifold_distance, transport

WEIGHT_OFFSET = 1e-6


class WeightedFrechetMean2d(nn.Module):
    """Convolution by weighted means: the mean modulus is geometric, the mean phase that of the mean direction.

    One real kernel for each output channel. Its weights ``w² / (sum w² + 1e-6)`` are convex and average ``ln r``, the
    cosine and the sine alike; then the mean direction is brought back to the unit circle. Equivariant to complex
    scaling. Where directions cancel, the angle is 0.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels.
    kernel_size, stride, padding : int
        As in :class:`torch.nn.Conv2d`; padding repeats the edge, as zero has no phase.
    separable : bool
        The kernel is a product of one spatial kernel for each input channel and a matrix of channels:
        ``in k² + out in`` parameters instead of ``out in k²``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        separable: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.padding, self.separable = kernel_size, stride, padding, separable
        spatial = 1 if separable else out_channels
        self.weight = nn.Parameter(torch.empty(spatial, in_channels, kernel_size, kernel_size))
        self.mixing = nn.Parameter(torch.empty(out_channels, in_channels, 1, 1)) if separable else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw from U(0, 1); only squares count, so that signs would not."""
        for parameter in self.parameters():
            nn.init.uniform_(parameter)

    def convex_weight(self) -> Tensor:
        """The weights of the mean, shape ``(C_out, C_in, k, k)``; they are not negative and sum to 1 for each row."""
        weight = self.weight if self.mixing is None else self.weight * self.mixing
        return _convex(weight, dims=(1, 2, 3))

    def average(self, polar: Tensor) -> Tensor:
        """Map ``(N, 3, C_in, H, W)`` to averages ``(N, 3, C_out, H', W')`` whose directions are not normalised."""
        maps = polar.flatten(0, 1)
        if self.padding:
            maps = functional.pad(maps, [self.padding] * 4, mode="replicate")
        if self.mixing is None:
            maps = functional.conv2d(maps, self.convex_weight(), None, self.stride)
        else:
            # The sum over the whole kernel, which normalises it, goes into the second factor.
            spatial, mixing = self.weight.square(), self.mixing.square()
            total = (mixing * spatial.sum(dim=(2, 3), keepdim=True)).sum(dim=1, keepdim=True)
            maps = functional.conv2d(maps, spatial.transpose(0, 1), None, self.stride, groups=self.in_channels)
            maps = functional.conv2d(maps, mixing / (total + WEIGHT_OFFSET))
        return torch.unflatten(maps, 0, (-1, 3))

    def forward(self, polar: Tensor) -> Tensor:
        """Map ``(N, 3, C_in, H, W)`` to ``(N, 3, C_out, H', W')``."""
        return transport(self.average(polar))

    def extra_repr(self) -> str:
        """The arguments, for ``print(model)``."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, separable={self.separable}"
        )


class GTransport(nn.Module):
    """Scale and turn every channel: ``ln r + a`` and ``angle + b``, a product with a learned complex number.

    Parameters
    ----------
    channels : int
        Channels; there are two parameters for each.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))
        # Phases start between 0 and 90 degrees, as those of the other layers' channel factors.
        self.turn = nn.Parameter(nn.init.uniform_(torch.empty(channels), 0.0, math.pi / 2.0))

    def forward(self, polar: Tensor) -> Tensor:
        """Map ``(N, 3, C, H, W)`` to the same shape."""
        return transport(polar, self.shift, self.turn)

    def after(self, mean: WeightedFrechetMean2d, polar: Tensor) -> Tensor:
        """``self(mean(polar))`` in one pass; equal up to rounding, and faster."""
        return transport(mean.average(polar), self.shift, self.turn)


class TangentReLU(nn.Module):
    """``max(1, r)`` and the phase cut at zero: ReLU of ``ln r`` and of the angle in (-pi, pi]."""

    def forward(self, polar: Tensor) -> Tensor:
        """Map ``(N, 3, C, H, W)`` to the same shape."""
        log_modulus, cosine, sine = polar.unbind(1)
        return torch.stack((log_modulus.relu(), cosine.masked_fill(sine < 0.0, 1.0), sine.relu()), dim=1)


class GlobalDistanceTransform(nn.Module):
    """The distance of every value to one mean over all channels and pixels; invariant to complex scaling.

    Parameters
    ----------
    channels, height, width : int
        Shape of the maps; there is one convex weight for each value.
    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, height, width))
        nn.init.uniform_(self.weight)

    def forward(self, polar: Tensor) -> Tensor:
        """Map ``(N, 3, C, H, W)`` to real ``(N, C, H, W)``."""
        weight = _convex(self.weight, dims=(0, 1, 2))
        mean = transport((polar.flatten(2) @ weight.flatten())[:, :, None, None, None])
        return manifold_distance(polar, mean)


class LocalDistanceTransform(nn.Module):
    """The distance of every value to the mean over all channels around its pixel; invariant to complex scaling.

    Parameters
    ----------
    channels : int
        Channels.
    kernel_size : int
        The neighbourhood; the maps lose ``kernel_size - 1`` rows and columns.
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.mean = WeightedFrechetMean2d(channels, 1, kernel_size)

    def forward(self, polar: Tensor) -> Tensor:
        """Map ``(N, 3, C, H, W)`` to real ``(N, C, H', W')``."""
        mean = self.mean(polar)
        start, (height, width) = (self.mean.kernel_size - 1) // 2, mean.shape[-2:]
        return manifold_distance(polar[..., start : start + height, start : start + width], mean)


def _convex(weight: Tensor, dims: tuple[int, ...]) -> Tensor:
    """``w² / (sum w² + 1e-6)``."""
    squared = weight.square()
    return squared / (squared.sum(dim=dims, keepdim=True) + WEIGHT_OFFSET)
