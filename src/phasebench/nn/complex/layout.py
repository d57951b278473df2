"""Native complex tensors to the layers' layout and back."""

import torch
from torch import Tensor


def as_planes(maps: Tensor) -> Tensor:
    """Bring an image batch into the layers' layout.

    Parameters
    ----------
    maps : Tensor
        Either native complex ``(N, C, H, W)`` or already real ``(N, 2, C, H, W)``, which is returned as it is.

    Returns
    -------
    Tensor
        Real, shape ``(N, 2, C, H, W)``.

    Raises
    ------
    ValueError
        The shape is neither of the two.
    """
    if maps.is_complex() and maps.ndim == 4:
        return torch.stack((maps.real, maps.imag), dim=1)
    if not maps.is_complex() and maps.ndim == 5 and maps.shape[1] == 2:
        return maps
    raise ValueError(
        "expected complex maps (N, C, H, W) or real planes (N, 2, C, H, W), "
        f"got {maps.dtype} of shape {tuple(maps.shape)}"
    )


def as_complex(planes: Tensor) -> Tensor:
    """Native complex ``(N, C, ...)`` of planes ``(N, 2, C, ...)``."""
    return torch.complex(planes[:, 0], planes[:, 1])


def rotate(planes: Tensor, angle: Tensor) -> Tensor:
    """Multiply every sample by a unit complex number.

    Parameters
    ----------
    planes : Tensor
        Shape ``(N, 2, C, H, W)``.
    angle : Tensor
        Shape ``(N,)``, radians.

    Returns
    -------
    Tensor
        ``exp(i angle) * planes``, shape ``(N, 2, C, H, W)``.
    """
    shape = (-1,) + (1,) * (planes.ndim - 2)
    cosine, sine = angle.cos().view(shape), angle.sin().view(shape)
    re, im = planes[:, 0], planes[:, 1]
    return torch.stack((cosine * re - sine * im, sine * re + cosine * im), dim=1)
