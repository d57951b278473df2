"""Phase thresholds against their formulae written in native complex arithmetic."""

import math
from collections.abc import Callable

import pytest
import torch
from support.activations import plain_threshold
from support.complex_maps import compare_gradients, complex_normal
from torch import Tensor

from phasebench.nn.complex.layout import as_complex, as_planes
from phasebench.nn.complex.phase_threshold import equivariant_phase_threshold, phase_threshold


def plain_equivariant_threshold(maps: Tensor, factor: Tensor) -> Tensor:
    mean = maps.mean(dim=1, keepdim=True)
    unit = mean / (mean.abs() + TINY)
    phase = (maps * unit.conj()).angle().clamp(min=0.0) * factor[:, None, None]
    return torch.polar(maps.abs() + TINY, phase) * unit


TINY = 1e-6


def _one(phase: float) -> tuple[Tensor, Tensor]:
    return torch.ones(1, 1, 1, 1, dtype=torch.float64), torch.full((1, 1, 1, 1), phase, dtype=torch.float64)


@pytest.mark.parametrize("threshold", [0.0, 0.8])
@pytest.mark.parametrize("with_factor", [True, False])
def test_phase_threshold_equals_its_formula_with_gradients(threshold: float, with_factor: bool) -> None:
    maps = complex_normal(2, 3, 4, 4).requires_grad_()
    factor = torch.tensor([0.5, 1.1, 2.0], dtype=torch.float64, requires_grad=True) if with_factor else None
    inputs = [maps] if factor is None else [maps, factor]
    ours = as_complex(phase_threshold(as_planes(maps), factor, threshold))
    theirs = plain_threshold(maps, factor, threshold)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    compare_gradients(ours, theirs, inputs)


def test_equivariant_phase_threshold_equals_its_formula_with_gradients() -> None:
    maps = complex_normal(2, 3, 4, 4).requires_grad_()
    factor = torch.tensor([0.4, 1.0, 3.0], dtype=torch.float64, requires_grad=True)
    ours = as_complex(equivariant_phase_threshold(as_planes(maps), factor))
    theirs = plain_equivariant_threshold(maps, factor)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    compare_gradients(ours, theirs, [maps, factor])


def test_gradients_by_finite_differences() -> None:
    planes = as_planes(complex_normal(1, 2, 2, 2, seed=3)).requires_grad_()
    factor = torch.tensor([0.7, 1.6], dtype=torch.float64, requires_grad=True)
    for threshold in (0.0, 0.8):
        assert torch.autograd.gradcheck(lambda p, f, r=threshold: phase_threshold(p, f, r), (planes, factor))
        assert torch.autograd.gradcheck(lambda p, r=threshold: phase_threshold(p, None, r), (planes,))
    assert torch.autograd.gradcheck(equivariant_phase_threshold, (planes, factor))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_exact_zero_gives_finite_values_and_gradients(dtype: torch.dtype) -> None:
    ones = torch.ones(2, dtype=dtype)
    functions: list[Callable[[Tensor], Tensor]] = [
        lambda p: phase_threshold(p),
        lambda p: phase_threshold(p, ones),
        lambda p: phase_threshold(p, ones, 1.0),
        lambda p: equivariant_phase_threshold(p, ones),
    ]
    for function in functions:
        planes = torch.randn(2, 2, 2, 3, 3, dtype=dtype)
        planes[0] = 0.0
        planes[1, :, 0] = 0.0
        planes.requires_grad_()
        output = function(planes)
        (gradient,) = torch.autograd.grad(output.sum(), planes)
        assert output.isfinite().all()
        assert gradient.isfinite().all()
    assert phase_threshold(torch.zeros(1, 2, 1, 1, 1)).tolist() == [[[[[0.0]]], [[[0.0]]]]]


def test_continuous_at_phase_zero_and_cut_at_the_negative_axis() -> None:
    def at(phase: float) -> complex:
        return complex(as_complex(phase_threshold(as_planes(torch.polar(*_one(phase))))).item())

    assert at(1e-9) == pytest.approx(at(-1e-9), abs=1e-8)
    assert at(math.pi - 1e-6) == pytest.approx(-1, abs=1e-5)
    assert at(-math.pi + 1e-6) == pytest.approx(1, abs=1e-5)
