"""Floating-point types in which laws are measured, seeded random numbers and relative errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

DTYPES = (torch.float64, torch.float32)
ROUNDING = {torch.float64: 1e-11, torch.float32: 1e-4}
"""Tolerance of a relative error that comes of rounding alone: a few thousand units of the last place."""


def name_of(dtype: torch.dtype) -> str:
    """Name of a type: "float32"."""
    return str(dtype).removeprefix("torch.")


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal numbers, the same in every type but for rounding."""
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


@contextmanager
def seeded() -> Iterator[None]:
    """Draw parameters from torch's generator with a fixed seed, and leave it as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest expected modulus; NaN where a value is not finite."""
    with torch.no_grad():
        return float((found - expected).abs().max() / expected.abs().max())
