"""Input layer of a real network: some of the real planes of complex images."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from phasebench.nn.complex.layout import as_planes


class RealPlanes(nn.Module):
    """Select real planes of complex maps, so that a real network reads them as channels.

    The input of the real networks that complex ones are compared with (Singhal, Xing and Yu 2022, section 5.2). It has
    no parameters, and adds nothing to the state dict.

    Parameters
    ----------
    planes : sequence of int
        Indices into the flattened ``(2C, H, W)``: re_0 .. re_{C-1}, im_0 .. im_{C-1}.

    Examples
    --------
    >>> layer = RealPlanes((0, 1, 3))
    >>> layer(torch.randn(4, 2, 2, 32, 32)).shape
    torch.Size([4, 3, 32, 32])
    """

    indices: Tensor

    def __init__(self, planes: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("indices", torch.tensor(planes), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` planes, or complex ``(N, C, H, W)``, to ``(N, P, H, W)``."""
        return as_planes(maps).flatten(1, 2).index_select(1, self.indices)
