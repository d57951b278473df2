"""GTReLU and its equivariant forms against their formulae written in native complex arithmetic."""

import cmath
import math
from collections.abc import Callable

import pytest
import torch
from support.activations import assert_autocast_rounds, plain_threshold
from support.complex_maps import assert_equivariant, close, compare_gradients, complex_normal, on_complex
from torch import nn

from phasebench.nn.complex.activation import tangent_relu
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.gtrelu import EquivariantGTReLU, EquivariantThresholdGTReLU, GTReLU
from phasebench.nn.complex.layout import as_complex, as_planes

CHANNELS = 5
THRESHOLD = 0.7
OFFSET = 1e-6
ROOT = math.sqrt(2.0)


def identity_scale(layer: GTReLU | EquivariantGTReLU, phase_factor: float) -> None:
    """Set c = 1 and w."""
    with torch.no_grad():
        layer.scale.copy_(torch.tensor([[1.0], [0.0]]).expand_as(layer.scale))
        if layer.phase_factor is not None:
            layer.phase_factor.fill_(phase_factor)


@pytest.mark.parametrize("learned", [True, False])
def test_threshold_layer_equals_its_formula_with_gradients(learned: bool) -> None:
    layer = EquivariantThresholdGTReLU(CHANNELS, THRESHOLD, learned).double()
    maps = complex_normal(2, CHANNELS, 4, 3).requires_grad_()
    factor = torch.ones(CHANNELS, dtype=torch.float64)
    if learned:
        layer.phase_factor = nn.Parameter(torch.tensor([-0.2, 0.3, 1.0, 1.4, 2.6], dtype=torch.float64))
        factor = layer.phase_factor.relu()
    scaled = torch.complex(*layer.scale)[:, None, None] * maps
    mean = scaled.mean(dim=1, keepdim=True)
    unit = mean / (mean.abs() + OFFSET)
    relative = scaled * unit.conj()
    phase = relative.angle().clamp(min=0.0) * factor[:, None, None]
    expected = unit * torch.polar(relative.abs().clamp(min=THRESHOLD), phase)
    ours = on_complex(layer)(maps)
    close(ours, expected)
    compare_gradients(ours, expected, [maps, *layer.parameters()], 1e-9)
    assert sum(parameter.numel() for parameter in layer.parameters()) == (3 if learned else 2) * CHANNELS


@pytest.mark.parametrize("threshold", [0.0, THRESHOLD])
def test_threshold_layer_turns_with_its_input_and_takes_its_factor_into_a_convolution(threshold: float) -> None:
    layer = EquivariantThresholdGTReLU(CHANNELS, threshold).double()
    maps = complex_normal(2, CHANNELS, 4, 3)
    assert_equivariant(on_complex(layer), maps, -1.9)
    convolution = ComplexConv2d(CHANNELS, CHANNELS, 3, padding=1).double()
    close(layer.after(convolution, as_planes(maps)), layer(convolution(as_planes(maps))), 1e-10)


def test_threshold_layer_without_threshold_is_the_equivariant_gtrelu() -> None:
    layer, reference = EquivariantThresholdGTReLU(CHANNELS, 0.0), EquivariantGTReLU(CHANNELS)
    reference.load_state_dict(layer.state_dict())
    planes = as_planes(complex_normal(2, CHANNELS, 4, 3))
    close(layer.double()(planes), reference.double()(planes), 1e-4)


def test_threshold_raises_small_moduli_alone() -> None:
    layer = EquivariantThresholdGTReLU(CHANNELS, THRESHOLD).double()
    maps = complex_normal(4, CHANNELS, 4, 4)
    modulus = (torch.complex(*layer.scale)[:, None, None] * maps).abs()
    close(on_complex(layer)(maps).abs(), modulus.clamp(min=THRESHOLD), 1e-4)
    assert (modulus < THRESHOLD).any()


def test_threshold_layer_at_zero_and_by_finite_differences() -> None:
    layer = EquivariantThresholdGTReLU(CHANNELS, THRESHOLD).double()
    planes = as_planes(complex_normal(1, CHANNELS, 2, 2, seed=5)).requires_grad_()
    assert torch.autograd.gradcheck(layer, (planes,))
    zero = torch.zeros_like(planes).requires_grad_()
    output = layer(zero)
    gradients = torch.autograd.grad(output.sum(), (zero, layer.scale))
    assert output.abs().max() == 0.0
    assert all(gradient.abs().max() == 0.0 for gradient in gradients)


def test_output_phase_of_gtrelu_lies_between_zero_and_the_scaled_half_turn() -> None:
    for factor in (0.5, 0.8, 1.0):
        layer = GTReLU(CHANNELS).double()
        nn.init.constant_(layer.phase_factor, factor)
        phase = on_complex(layer)(complex_normal(4, CHANNELS, 8, 8)).angle()
        assert phase.min() >= 0.0
        assert phase.max() <= factor * math.pi + 1e-12
        assert phase.max() > 0.9 * factor * math.pi


def test_gtrelu_with_unit_parameters_is_trelu() -> None:
    layer, planes = (
        GTReLU(CHANNELS, threshold=1.0).double(),
        as_planes(complex_normal(2, CHANNELS, 4, 4)),
    )
    with torch.no_grad():
        layer.scale.copy_(torch.tensor([[1.0], [0.0]]).expand(2, CHANNELS))
    close(layer(planes), tangent_relu(planes))


def test_the_phase_factor_of_gtrelu_is_held_between_a_half_and_two() -> None:
    layer, maps = GTReLU(4).double(), complex_normal(2, 4, 4, 4)
    with torch.no_grad():
        layer.phase_factor.copy_(torch.tensor([-1.0, 0.2, 1.5, 9.0]))
    scaled = torch.complex(*layer.scale)[:, None, None] * maps
    held = torch.tensor([0.5, 0.5, 1.5, 2.0], dtype=torch.float64)[:, None, None]
    output = on_complex(layer)(maps)
    close(output, torch.polar(scaled.abs(), scaled.angle().clamp(min=0.0) * held))
    (gradient,) = torch.autograd.grad(output.abs().sum() + output.real.sum(), layer.phase_factor)
    assert (gradient != 0.0).tolist() == [False, False, True, False]


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


def test_channel_factors_start_in_the_first_quadrant() -> None:
    scale = GTReLU(4000).scale
    assert scale.min() >= 0.0
    assert scale.max() <= 1.0
    assert scale.mean().item() == pytest.approx(0.5, abs=0.02)
    assert scale.std().item() == pytest.approx(1 / math.sqrt(12), rel=0.05)


def test_autocast_changes_almost_all_values_by_a_rounding() -> None:
    assert_autocast_rounds(EquivariantThresholdGTReLU(CHANNELS, THRESHOLD), CHANNELS)
