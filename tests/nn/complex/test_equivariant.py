"""Equivariant forms of activations against native complex arithmetic."""

import cmath
import math
from collections.abc import Callable

import pytest
import torch
from support.activations import PAIRS, assert_autocast_rounds, build, every_function, mod_relu
from support.complex_maps import assert_equivariant, close, compare_gradients, complex_normal, on_complex
from torch import Tensor, nn

from phasebench.nn.complex.activation import complex_relu
from phasebench.nn.complex.equivariant import EquivariantActivation
from phasebench.nn.complex.layout import as_complex, as_planes
from phasebench.nn.complex.phase_threshold import phase_threshold

CHANNELS = 5
OFFSET = 1e-6


@every_function
def test_equivariant_form_equals_its_formula_with_gradients(name: str) -> None:
    maps = complex_normal(2, CHANNELS, 4, 3, seed=1).requires_grad_()
    mean = maps.mean(dim=1, keepdim=True)
    unit = mean / (mean.abs() + OFFSET)
    ours = on_complex(EquivariantActivation(build(name)))(maps)
    theirs = unit * PAIRS[name][1](maps * unit.conj())
    close(ours, theirs)
    compare_gradients(ours, theirs, [maps], 1e-9)


@every_function
@pytest.mark.parametrize("angle", [0.4, 2.3, math.pi, -1.9])
def test_equivariant_form_turns_with_its_input(name: str, angle: float) -> None:
    assert_equivariant(on_complex(EquivariantActivation(build(name))), complex_normal(2, CHANNELS, 3, 3), angle)


def test_modrelu_is_equivariant_already_and_its_equivariant_form_is_itself() -> None:
    maps, alone = complex_normal(2, CHANNELS, 3, 3), on_complex(mod_relu())
    assert_equivariant(alone, maps, 2.3)
    # The mean phase falls short of unit modulus by the offset.
    close(on_complex(EquivariantActivation(mod_relu()))(maps), alone(maps), 1e-4)


@pytest.mark.parametrize(("name", "homogeneous"), [(name, name not in ("TReLU", "modReLU")) for name in PAIRS])
def test_equivariant_form_is_homogeneous_in_magnitude_if_the_function_is(name: str, homogeneous: bool) -> None:
    maps, layer = complex_normal(2, CHANNELS, 3, 3), on_complex(EquivariantActivation(build(name)))
    change = (layer(3.0 * maps) - 3.0 * layer(maps)).abs().max()
    assert (change < 1e-4) if homogeneous else (change > 0.1)


# zReLU jumps at phase zero, where one channel always is: rounding would decide.
@pytest.mark.parametrize("name", sorted(PAIRS.keys() - {"zReLU"}))
def test_of_one_channel_the_equivariant_form_sees_the_modulus_alone(name: str) -> None:
    maps = complex_normal(2, 1, 3, 3)
    function = mod_relu((-0.9,)) if name == "modReLU" else build(name)
    modulus = {
        "TReLU": maps.abs().clamp(min=1.0),
        "modReLU": (maps.abs() - 0.9).relu(),
    }.get(name, maps.abs())
    close(on_complex(EquivariantActivation(function))(maps), torch.polar(modulus, maps.angle()), 1e-4)


@every_function
def test_both_forms_pass_gradcheck(name: str) -> None:
    planes = as_planes(complex_normal(1, CHANNELS, 2, 1, seed=3)).requires_grad_()
    for function in (build(name), EquivariantActivation(build(name))):
        assert torch.autograd.gradcheck(function, (planes,))


@every_function
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zeros_and_tiny_numbers_give_finite_values_and_gradients(name: str, dtype: torch.dtype) -> None:
    for function in (build(name), EquivariantActivation(build(name))):
        layer = function.to(dtype) if isinstance(function, nn.Module) else function
        planes = torch.randn(3, 2, CHANNELS, 3, 3, dtype=dtype)
        planes[0], planes[1, :, 0], planes[2] = 0.0, 0.0, 1e-20
        planes.requires_grad_()
        output = layer(planes)
        (gradient,) = torch.autograd.grad(output.square().sum(), planes)
        assert output.isfinite().all()
        assert gradient.isfinite().all()


@every_function
def test_zero_stays_zero_unless_its_modulus_is_raised(name: str) -> None:
    zero = torch.zeros(1, CHANNELS, 1, 1, dtype=torch.complex128)
    expected = torch.ones_like(zero) if name == "TReLU" else zero
    assert torch.equal(on_complex(build(name))(zero), expected)
    assert torch.equal(on_complex(EquivariantActivation(build(name)))(zero), zero)


@pytest.mark.parametrize("function", [complex_relu, phase_threshold, torch.square])
def test_equivariant_wrapper_around_any_function(function: Callable[[Tensor], Tensor]) -> None:
    layer = EquivariantActivation(function)
    maps, turn = complex_normal(2, 5, 3, 3), cmath.exp(2.3j)
    output = as_complex(layer(as_planes(maps)))
    torch.testing.assert_close(as_complex(layer(as_planes(turn * maps))), turn * output, rtol=1e-12, atol=1e-12)
    alone = as_complex(function(as_planes(turn * maps))) - turn * as_complex(function(as_planes(maps)))
    assert alone.abs().max() > 0.1


def test_equivariant_crelu_is_homogeneous_in_magnitude() -> None:
    layer, maps = EquivariantActivation(complex_relu), complex_normal(2, 5, 3, 3)
    output = layer(as_planes(maps))
    torch.testing.assert_close(layer(as_planes(3.0 * maps)), 3.0 * output, rtol=1e-4, atol=1e-4)


@every_function
def test_autocast_changes_almost_all_values_by_a_rounding(name: str) -> None:
    assert_autocast_rounds(EquivariantActivation(build(name)), CHANNELS)
