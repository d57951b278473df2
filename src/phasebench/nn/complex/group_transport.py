"""G-transport: a learned complex factor for each channel, on polar maps (Chakraborty, Xing and Yu 2020)."""

import math

import torch
from torch import Tensor, nn

from phasebench.nn.complex.frechet_mean import WeightedFrechetMean2d
from phasebench.nn.complex.manifold import transport


class GTransport(nn.Module):
    """G-transport: ``ln r + a`` and ``angle + b``, a product of each channel with the learned ``exp(a + ib)``.

    Chakraborty, Xing and Yu 2020. Linear in the complex number, hence equivariant to phase and magnitude.

    Parameters
    ----------
    channels : int
        Channels; there are two parameters for each.

    Examples
    --------
    >>> layer = GTransport(3)
    >>> layer(torch.randn(2, 3, 3, 8, 8)).shape  # ln r, cosine and sine
    torch.Size([2, 3, 3, 8, 8])
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
