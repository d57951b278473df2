"""Native complex maps for the tests of layers, and comparisons with formulae in native complex arithmetic."""

import cmath
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from phasebench.nn.complex.layout import as_complex, as_planes

Function = Callable[[Tensor], Tensor]
SCALE = 2.5 * cmath.exp(1.1j)


def complex_normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard complex normal numbers, complex128."""
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def on_complex(function: Function) -> Function:
    """A function of planes as one of native complex maps."""
    return lambda maps: as_complex(function(as_planes(maps)))


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def compare_gradients(ours: Tensor, theirs: Tensor, inputs: Sequence[Tensor], tolerance: float = 1e-10) -> None:
    """Both outputs, of one shape, have the same gradients by the inputs, not zero, for one random cotangent."""
    cotangent = torch.randn(theirs.shape, dtype=theirs.dtype, generator=torch.Generator().manual_seed(9))
    mine = torch.autograd.grad(ours, inputs, cotangent)
    for left, right in zip(mine, torch.autograd.grad(theirs, inputs, cotangent), strict=True):
        assert right.abs().max() > 0.0
        close(left, right, tolerance)


def gradients_of_sum(output: Tensor, *inputs: Tensor) -> Tensor:
    """All gradients of the sum of the output, flattened into one vector."""
    return torch.cat([gradient.flatten() for gradient in torch.autograd.grad(output.sum(), inputs)])


def assert_equivariant(function: Function, maps: Tensor, angle: float, tolerance: float = 1e-12) -> None:
    """A function of native complex maps turns with its input."""
    turn = cmath.exp(1j * angle)
    close(function(turn * maps), turn * function(maps), tolerance)
