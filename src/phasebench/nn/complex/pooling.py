"""Pooling of complex maps (Singhal, Xing and Yu 2022, sections 3.3 and 5.2)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class MagnitudeMaxPool2d(nn.Module):
    """Magnitude max pooling: of each window the value of largest modulus (Singhal, Xing and Yu 2022, section 3.3).

    Equivariant to phase and magnitude.

    Parameters
    ----------
    kernel_size : int
        Window and stride; a remainder at the border is dropped.

    Examples
    --------
    >>> MagnitudeMaxPool2d(2)(torch.tensor([1.0, -3.0, 0.0, 2.0, 0.0, 1.0, -5.0, 0.0]).view(1, 2, 1, 2, 2)).flatten()
    tensor([ 0., -5.])
    """

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to ``(N, 2, C, H // k, W // k)``."""
        with torch.no_grad():
            # The squared modulus has the same maximum and needs no root.
            squared = planes[:, 0].square().addcmul_(planes[:, 1], planes[:, 1])
            pooled, index = functional.max_pool2d(squared, self.kernel_size, return_indices=True)
        picked = planes.flatten(3).gather(3, index.flatten(2).unsqueeze(1).expand(-1, 2, -1, -1))
        return torch.unflatten(picked, 3, tuple(pooled.shape[2:]))

    def extra_repr(self) -> str:
        """The arguments, for ``print(model)``."""
        return f"kernel_size={self.kernel_size}"


class LearnedPool2d(nn.Module):
    """Learned pooling: ``sum w z`` over all pixels, one complex kernel for each channel.

    Singhal, Xing and Yu 2022, section 5.2. A depthwise complex convolution whose kernel covers the whole map; linear,
    hence equivariant to phase and magnitude.

    Parameters
    ----------
    channels : int
        Complex channels.
    size : int
        Height and width of the maps.

    Examples
    --------
    >>> layer = LearnedPool2d(3, size=8)
    >>> layer(torch.randn(2, 2, 3, 8, 8)).shape
    torch.Size([2, 2, 3, 1, 1])
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2, channels, size, size))
        nn.init.normal_(self.weight, std=math.sqrt(0.5) / size)

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, size, size)`` to ``(N, 2, C, 1, 1)``."""
        re, im = self.weight.unbind(0)
        # Both parts of the sum are real products of the flattened planes with (A, -B) and (B, A).
        kernel = torch.stack((torch.stack((re, -im)), torch.stack((im, re)))).flatten(3)
        pooled = torch.einsum("nicp,oicp->noc", planes.flatten(3), kernel)
        return pooled[..., None, None]
