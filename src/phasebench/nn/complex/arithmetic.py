"""Products of complex numbers held as planes."""

import torch
from torch import Tensor


def multiply(left: Tensor, right: Tensor, dim: int = 1) -> Tensor:
    """Complex product; the other axes are broadcast.

    Parameters
    ----------
    left, right : Tensor
        Real and imaginary part along ``dim``.
    dim : int
        The axis of length two.
    """
    a, b = left.unbind(dim)
    c, d = right.unbind(dim)
    return torch.stack((torch.addcmul(a * c, b, d, value=-1.0), torch.addcmul(a * d, b, c)), dim=dim)


def multiply_conjugate(left: Tensor, right: Tensor, dim: int = 1) -> Tensor:
    """``left * conj(right)``; the other axes are broadcast (Singhal, Xing and Yu 2022, eq. 5)."""
    a, b = left.unbind(dim)
    c, d = right.unbind(dim)
    return torch.stack((torch.addcmul(a * c, b, d), torch.addcmul(b * c, a, d, value=-1.0)), dim=dim)


def scale_channels(planes: Tensor, scale: Tensor) -> Tensor:
    """Multiply the channels of planes ``(N, 2, C, H, W)`` by complex numbers ``(2, C)``."""
    return multiply(scale[None, :, :, None, None], planes)
