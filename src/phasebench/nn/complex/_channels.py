"""Values of channels and their maps: spread the one over the other, and sum the other into the one."""

from torch import Tensor


def per_channel(values: Tensor) -> Tensor:
    """Values ``(..., C)`` of channels as ``(..., C, 1, 1)``, which broadcasts over maps ``(N, ..., C, H, W)``."""
    return values[..., None, None]


def sum_over_pixels(maps: Tensor) -> Tensor:
    """Sum over batch and pixels, ``(N, ..., H, W)`` to ``(...)``.

    It takes two steps, since a compiler fuses the first with what makes the maps.
    """
    return maps.sum(dim=(-2, -1)).sum(dim=0)
