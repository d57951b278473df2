"""Convolution by weighted Fréchet means (wFM) on the manifold of modulus and phase (Chakraborty, Xing and Yu 2020).

Maps are in the polar representation ``(N, 3, C, H, W)``, which :func:`phasebench.nn.complex.manifold.to_polar` makes
from planes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from phasebench.nn.complex.manifold import transport

WEIGHT_OFFSET = 1e-6


def convex_weights(weight: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Convex weights ``w² / (sum w² + 1e-6)``, the sum over the given axes; the shape stays."""
    squared = weight.square()
    return squared / (squared.sum(dim=dims, keepdim=True) + WEIGHT_OFFSET)


class WeightedFrechetMean2d(nn.Module):
    """Weighted Fréchet mean (wFM): modulus ``exp(sum w ln r)``, phase that of ``sum w exp(i angle)``.

    Chakraborty, Xing and Yu 2020, with the extrinsic mean on the circle. One real kernel ``v`` for each output channel
    makes convex weights ``w = v² / (sum v² + 1e-6)``, which average ``ln r``, the cosine and the sine alike; then the
    mean direction is brought back to the unit circle. Equivariant to phase and, up to the offset, to magnitude. Where
    directions cancel, the angle is 0.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels.
    kernel_size, stride, padding : int
        As in :class:`torch.nn.Conv2d`; padding repeats the edge, as zero has no phase.
    separable : bool
        The kernel is a product of one spatial kernel for each input channel and a matrix of channels:
        ``in k² + out in`` parameters instead of ``out in k²``.

    Examples
    --------
    >>> layer = WeightedFrechetMean2d(3, 16, kernel_size=3, stride=2, padding=1)
    >>> layer(torch.randn(2, 3, 3, 32, 32)).shape  # ln r, cosine and sine
    torch.Size([2, 3, 16, 16, 16])
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
        return convex_weights(weight, dims=(1, 2, 3))

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
