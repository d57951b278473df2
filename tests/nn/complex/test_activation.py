"""CReLU, zReLU, modReLU, cardioid and TReLU against native complex arithmetic."""

import cmath
import math

import pytest
import torch
from support.activations import PAIRS, assert_autocast_rounds, build, every_function, mod_relu
from support.complex_maps import Function, close, compare_gradients, complex_normal, on_complex
from support.polar_maps import complex_of, polar_of

from phasebench.nn.complex.activation import ModReLU, PolarTReLU, cardioid, tangent_relu, z_relu

ROOT = math.sqrt(2.0)
CHANNELS = 5


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        (z_relu, 3 + 4j, 3 + 4j),
        (z_relu, 3 - 4j, 0),
        (z_relu, -3 + 4j, 0),
        (z_relu, -3 - 4j, 0),
        (z_relu, 2, 2),
        (z_relu, 2j, 2j),
        (cardioid, 2, 2),
        (cardioid, -2, 0),
        (cardioid, 2j, 1j),
        (cardioid, -2j, -1j),
        (cardioid, 3 + 4j, 0.8 * (3 + 4j)),
        (cardioid, -3 - 4j, 0.2 * (-3 - 4j)),
        (tangent_relu, 0.5, 1),
        (tangent_relu, 2 - 2j, 2 * ROOT),
        (tangent_relu, -3 + 4j, -3 + 4j),
        (tangent_relu, 0.3j, 1j),
        (mod_relu((-1.0,)), 3 + 4j, 0.8 * (3 + 4j)),
        (mod_relu((2.0,)), -5j, -7j),
        (mod_relu((-1.0,)), 0.6 - 0.7j, 0),
    ],
)
def test_literal_values(function: Function, value: complex, expected: complex) -> None:
    maps = torch.full((1, 1, 1, 1), value, dtype=torch.complex128)
    assert on_complex(function)(maps).item() == pytest.approx(expected, abs=1e-14)


@every_function
def test_function_equals_its_formula_with_gradients(name: str) -> None:
    function, maps = build(name), complex_normal(2, CHANNELS, 4, 3).requires_grad_()
    ours, theirs = on_complex(function)(maps), PAIRS[name][1](maps)
    close(ours, theirs)
    compare_gradients(ours, theirs, [maps])


def test_gradient_of_the_modrelu_bias_is_that_of_its_formula() -> None:
    layer, maps = mod_relu(), complex_normal(2, CHANNELS, 4, 3)
    formula = torch.polar((maps.abs() + layer.bias[:, None, None]).relu(), maps.angle())
    compare_gradients(on_complex(layer)(maps), formula, [layer.bias])


def test_cardioid_and_zrelu_are_relu_on_the_real_line() -> None:
    values = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64).view(1, 1, 3, 3)
    maps = torch.complex(values, torch.zeros_like(values))
    for function in (cardioid, z_relu):
        close(on_complex(function)(maps), torch.complex(values.relu(), torch.zeros_like(values)))


def test_modrelu_starts_as_the_identity_with_one_parameter_per_channel() -> None:
    layer, maps = ModReLU(CHANNELS).double(), complex_normal(2, CHANNELS, 3, 3)
    close(on_complex(layer)(maps), maps)
    assert [parameter.numel() for parameter in layer.parameters()] == [CHANNELS]


@pytest.mark.parametrize("name", sorted(PAIRS.keys() - {"modReLU"}))
def test_function_alone_does_not_turn_with_its_input(name: str) -> None:
    maps, turn = complex_normal(2, CHANNELS, 3, 3), cmath.exp(2.3j)
    function = on_complex(build(name))
    assert (function(turn * maps) - turn * function(maps)).abs().max() > 0.1


def test_a_dead_pixel_passes_no_gradient_through_modrelu() -> None:
    layer, planes = mod_relu(), torch.zeros(1, 2, CHANNELS, 1, 1, dtype=torch.float64, requires_grad=True)
    gradients = torch.autograd.grad(layer(planes).sum(), (planes, layer.bias))
    assert all(gradient.abs().max() == 0.0 for gradient in gradients)


def test_a_zero_has_phase_zero_and_passes_the_gradient_of_a_positive_number_through_cardioid() -> None:
    gradients = []
    for value in (0.0, 1.5):
        planes = torch.zeros(1, 2, 1, 1, 1, dtype=torch.float64)
        planes[:, 0] = value
        planes.requires_grad_()
        gradients.append(torch.autograd.grad(cardioid(planes).sum(), planes)[0])
    close(gradients[0], gradients[1])
    assert gradients[0].flatten().tolist() == [1.0, 1.0]


def test_values_on_both_sides_of_the_branch_cut() -> None:
    below, above = (torch.polar(torch.tensor(2.0), torch.tensor(sign * (math.pi - 1e-5))) for sign in (-1.0, 1.0))
    maps = torch.stack((below, above)).to(torch.complex128).view(1, 1, 2, 1)
    # Only the thresholds on the phase jump there.
    jump = {name: on_complex(build(name))(maps).diff(dim=2).abs().item() for name in PAIRS if name != "modReLU"}
    jump["modReLU"] = on_complex(mod_relu((0.4,)))(maps).diff(dim=2).abs().item()
    assert jump.pop("TReLU") == pytest.approx(4.0, abs=1e-4)
    assert max(jump.values()) < 1e-3


@every_function
def test_autocast_changes_almost_all_values_by_a_rounding(name: str) -> None:
    assert_autocast_rounds(build(name), CHANNELS)


def test_tangent_relu_cuts_logarithm_and_angle_at_zero() -> None:
    values = torch.tensor([0.5, 2.0, 2.0j, -2.0j, -2.0, -1.0 + 1.0j, -1.0 - 1.0j], dtype=torch.complex128)
    expected = torch.tensor([1.0, 2.0, 2.0j, 2.0, -2.0, -1.0 + 1.0j, math.sqrt(2.0)], dtype=torch.complex128)
    polar = polar_of(values.view(1, -1, 1, 1))
    close(complex_of(PolarTReLU()(polar)).flatten(), expected, 1e-7)
