"""Batch normalisation of the modulus, which keeps the phase."""

from torch import Tensor, nn

from phasebench.nn.complex.numerics import MODULUS_OFFSET, SMALLEST_SQUARE


class EquivariantBatchNorm2d(nn.Module):
    """Equivariant batch normalisation: ``BN(|z|) z / (|z| + 1e-6)`` (Singhal, Xing and Yu 2022, eq. 3).

    Equivariant to phase; in training mode also invariant to magnitude, up to the offsets. ``BN(|z|)`` may be negative,
    which turns the phase by 180 degrees.

    Parameters
    ----------
    channels : int
        Complex channels; there are two parameters for each.

    Examples
    --------
    >>> import torch
    >>> layer = EquivariantBatchNorm2d(3)
    >>> layer(torch.randn(2, 2, 3, 8, 8)).shape
    torch.Size([2, 2, 3, 8, 8])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        re, im = planes.unbind(1)
        # vector_norm along an axis of two is several times slower on a CPU.
        modulus = (re * re + im * im).clamp(min=SMALLEST_SQUARE).sqrt()
        gain: Tensor = self.norm(modulus) / (modulus + MODULUS_OFFSET)
        return planes * gain.unsqueeze(1)
