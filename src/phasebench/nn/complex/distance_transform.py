"""Distance transforms of SurReal: polar maps to their real distances from a mean (Chakraborty, Xing and Yu 2020)."""

import torch
from torch import Tensor, nn

from phasebench.nn.complex.frechet_mean import WeightedFrechetMean2d, convex_weights
from phasebench.nn.complex.manifold import manifold_distance, transport


class GlobalDistanceTransform(nn.Module):
    """Global distance transform: ``d(z, m)`` with ``m`` one weighted mean over all channels and pixels.

    Chakraborty, Xing and Yu 2020; ``d`` is :func:`phasebench.nn.complex.manifold.manifold_distance`. Invariant to phase
    and, up to the offset of the weights, to magnitude.

    Parameters
    ----------
    channels, height, width : int
        Shape of the maps; there is one convex weight for each value.

    Examples
    --------
    >>> layer = GlobalDistanceTransform(3, 8, 8)
    >>> layer(torch.randn(2, 3, 3, 8, 8)).shape  # from ln r, cosine and sine to real maps
    torch.Size([2, 3, 8, 8])
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
    """Local distance transform: ``d(z, m)`` with ``m`` the weighted mean over all channels around the pixel.

    Chakraborty, Xing and Yu 2020; ``d`` is :func:`phasebench.nn.complex.manifold.manifold_distance`. Invariant to phase
    and, up to the offset of the weights, to magnitude.

    Parameters
    ----------
    channels : int
        Channels.
    kernel_size : int
        The neighbourhood; the maps lose ``kernel_size - 1`` rows and columns.

    Examples
    --------
    >>> layer = LocalDistanceTransform(3, kernel_size=3)
    >>> layer(torch.randn(2, 3, 3, 8, 8)).shape  # from ln r, cosine and sine to real maps
    torch.Size([2, 3, 6, 6])
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.mean = WeightedFrechetMean2d(channels, 1, kernel_size)

    def forward(self, polar: Tensor) -> Tensor:
        """Map ``(N, 3, C, H, W)`` to real ``(N, C, H', W')``."""
        mean = self.mean(polar)
        start, (height, width) = (self.mean.kernel_size - 1) // 2, mean.shape[-2:]
        return manifold_distance(polar[..., start : start + height, start : start + width], mean)
