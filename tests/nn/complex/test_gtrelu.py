"""Phase thresholds against their formulae written in native complex arithmetic."""

import cmath
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from phasebench.nn.complex.activation import complex_relu
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.equivariant import EquivariantActivation
from phasebench.nn.complex.gtrelu import EquivariantGTReLU, GTReLU
from phasebench.nn.complex.layout import as_complex, as_planes
from phasebench.nn.complex.phase_threshold import equivariant_phase_threshold, phase_threshold

TINY = 1e-6


def complex_normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def plain_threshold(maps: Tensor, factor: Tensor | None, threshold: float) -> Tensor:
    """The printed formula; autograd supplies its gradient."""
    phase = maps.angle().clamp(min=0.0)
    if factor is not None:
        phase = phase * factor[:, None, None]
    return torch.polar(maps.abs().clamp(min=threshold), phase)


def plain_equivariant_threshold(maps: Tensor, factor: Tensor) -> Tensor:
    mean = maps.mean(dim=1, keepdim=True)
    unit = mean / (mean.abs() + TINY)
    phase = (maps * unit.conj()).angle().clamp(min=0.0) * factor[:, None, None]
    return torch.polar(maps.abs() + TINY, phase) * unit


def identity_scale(layer: GTReLU | EquivariantGTReLU, phase_factor: float) -> None:
    """Set c = 1 and w."""
    with torch.no_grad():
        layer.scale.copy_(torch.tensor([[1.0], [0.0]]).expand_as(layer.scale))
        if layer.phase_factor is not None:
            layer.phase_factor.fill_(phase_factor)


ROOT = math.sqrt(2.0)


@pytest.mark.parametrize(
    ("threshold", "phase_factor", "value", "expected"),
    [
        (0.0, 1.0, 1 + 1j, 1 + 1j),
        (0.0, 1.0, 1 - 1j, ROOT),
        (0.0, 1.0, -1 + 1j, -1 + 1j),
        (0.0, 1.0, -1 - 1j, ROOT),
        (0.0, 1.0, -1, -1),
        (0.0, 1.0, 1j, 1j),
        (0.0, 1.0, -1j, 1),
        (0.0, 3.0, 1 + 1j, ROOT * 1j),
        (0.0, 3.0, -1 + 1j, -ROOT * 1j),
        (0.0, 3.0, 1j, -1),
        (0.0, 0.1, 1j, cmath.exp(0.25j * math.pi)),
        (1.0, 1.0, 0.5, 1),
        (1.0, 1.0, 0.3j, 1j),
        (1.0, 1.0, -0.3 - 0.1j, 1),
        (1.0, 1.0, 3 - 4j, 5),
        (1.0, 1.0, -3 + 4j, -3 + 4j),
    ],
)
def test_gtrelu_of_literal_values(threshold: float, phase_factor: float, value: complex, expected: complex) -> None:
    maps = torch.full((1, 1, 1, 1), value, dtype=torch.complex128)
    # A layer whose phase factor is fixed at 1 takes another path to the same values.
    for learned in (True, False) if phase_factor == 1.0 else (True,):
        layer = GTReLU(1, learn_phase_factor=learned, threshold=threshold).double()
        identity_scale(layer, phase_factor)
        assert as_complex(layer(as_planes(maps))).item() == pytest.approx(expected, abs=1e-14)


def test_gtrelu_applies_the_complex_channel_factor_first() -> None:
    layer = GTReLU(3).double()
    factor = torch.tensor([0.6, 1.0, 1.7], dtype=torch.float64)
    layer.phase_factor = torch.nn.Parameter(factor)
    maps = complex_normal(2, 3, 4, 4)
    scaled = torch.complex(*layer.scale)[:, None, None] * maps
    expected = plain_threshold(scaled, factor, 0.0)
    torch.testing.assert_close(as_complex(layer(as_planes(maps))), expected, rtol=1e-12, atol=1e-12)


def test_gtrelu_without_threshold_is_positively_homogeneous_and_keeps_the_modulus() -> None:
    layer = GTReLU(3).double()
    maps = complex_normal(2, 3, 4, 4)
    output = as_complex(layer(as_planes(maps)))
    torch.testing.assert_close(as_complex(layer(as_planes(7.5 * maps))), 7.5 * output, rtol=1e-13, atol=0.0)
    modulus = torch.complex(*layer.scale).abs()[:, None, None] * maps.abs()
    torch.testing.assert_close(output.abs(), modulus, rtol=1e-13, atol=0.0)


@pytest.mark.parametrize("activation", [GTReLU, EquivariantGTReLU])
def test_folding_the_channel_factor_into_the_convolution_changes_nothing(
    activation: Callable[[int], GTReLU | EquivariantGTReLU],
) -> None:
    convolution, layer = ComplexConv2d(4, 6, 3, padding=1, groups=2).double(), activation(6).double()
    planes = as_planes(complex_normal(2, 4, 5, 5))
    torch.testing.assert_close(layer.after(convolution, planes), layer(convolution(planes)), rtol=1e-10, atol=1e-12)


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


def compare_gradients(ours: Tensor, theirs: Tensor, inputs: list[Tensor]) -> None:
    cotangent = complex_normal(*theirs.shape, seed=1)
    mine = torch.autograd.grad(ours, inputs, cotangent)
    reference = torch.autograd.grad(theirs, inputs, cotangent)
    for left, right in zip(mine, reference, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-10)


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


def _one(phase: float) -> tuple[Tensor, Tensor]:
    return torch.ones(1, 1, 1, 1, dtype=torch.float64), torch.full((1, 1, 1, 1), phase, dtype=torch.float64)


@pytest.mark.parametrize("function", [complex_relu, phase_threshold, torch.square])
def test_equivariant_wrapper_around_any_function(function: Callable[[Tensor], Tensor]) -> None:
    layer = EquivariantActivation(function)
    maps, turn = complex_normal(2, 5, 3, 3), cmath.exp(2.3j)
    output = as_complex(layer(as_planes(maps)))
    torch.testing.assert_close(as_complex(layer(as_planes(turn * maps))), turn * output, rtol=1e-12, atol=1e-12)
    alone = as_complex(function(as_planes(turn * maps))) - turn * as_complex(function(as_planes(maps)))
    assert alone.abs().max() > 0.1


def test_equivariant_gtrelu_turns_with_its_input_and_is_the_identity_for_one_channel() -> None:
    layer = EquivariantGTReLU(5).double()
    maps, turn = complex_normal(2, 5, 3, 3), cmath.exp(-1.9j)
    output = as_complex(layer(as_planes(maps)))
    torch.testing.assert_close(as_complex(layer(as_planes(turn * maps))), turn * output, rtol=1e-12, atol=1e-12)

    single = EquivariantGTReLU(1).double()
    identity_scale(single, 1.0)
    maps = complex_normal(2, 1, 3, 3)
    # The two offsets of 1e-6 cancel: (|f| + 1e-6) f / (|f| + 1e-6).
    torch.testing.assert_close(as_complex(single(as_planes(maps))), maps, rtol=1e-10, atol=1e-10)


def test_equivariant_crelu_is_homogeneous_in_magnitude() -> None:
    layer, maps = EquivariantActivation(complex_relu), complex_normal(2, 5, 3, 3)
    output = layer(as_planes(maps))
    torch.testing.assert_close(layer(as_planes(3.0 * maps)), 3.0 * output, rtol=1e-4, atol=1e-4)


def test_channel_factors_start_in_the_first_quadrant() -> None:
    scale = GTReLU(4000).scale
    assert scale.min() >= 0.0
    assert scale.max() <= 1.0
    assert scale.mean().item() == pytest.approx(0.5, abs=0.02)
    assert scale.std().item() == pytest.approx(1 / math.sqrt(12), rel=0.05)
