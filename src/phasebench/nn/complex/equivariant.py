"""Equivariance to phase for any activation function, through the phase of the channel mean."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from phasebench.nn.complex.arithmetic import multiply, multiply_conjugate
from phasebench.nn.complex.numerics import MODULUS_OFFSET


def channel_mean_phase(planes: Tensor) -> Tensor:
    """The channel mean at every pixel, scaled to unit modulus: ``m / (|m| + 1e-6)``, shape ``(N, 2, 1, H, W)``."""
    mean = planes.mean(dim=2, keepdim=True)
    modulus: Tensor = torch.linalg.vector_norm(mean, dim=1, keepdim=True)
    return mean / (modulus + MODULUS_OFFSET)


class EquivariantActivation(nn.Module):
    """Equivariant form of any activation: ``m N(f m*)``, ``m`` the mean phase (Singhal, Xing and Yu 2022, eq. 2).

    ``m`` is the mean of ``f`` over the channels at unit modulus, of :func:`channel_mean_phase`. Equivariant to phase
    for every ``N``, and to magnitude, up to the offset, if ``N`` is.

    Parameters
    ----------
    function : callable
        ``N``, on planes ``(N, 2, C, H, W)``; a module is registered with its parameters.

    Examples
    --------
    >>> layer = EquivariantActivation(torch.relu)
    >>> layer(torch.randn(2, 2, 3, 8, 8)).shape
    torch.Size([2, 2, 3, 8, 8])
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        phase = channel_mean_phase(planes)
        return multiply(self.function(multiply_conjugate(planes, phase)), phase)
