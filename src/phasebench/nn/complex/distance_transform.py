"""Distance transforms of SurReal: polar maps to their real distances from a mean (Chakraborty, Xing and Yu 2020)."""

import torch
from torch import Tensor, nn

from phasebench.nn.complex.frechet_mean import WeightedFrechetMean2d, convex_weights
from phasebench.nn.complex.manifold import manifold_distance, transport


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
        weight = convex_weights(self.weight, dims=(0, 1, 2))
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
