"""Non-linearities other than GTReLU, and the equivariant forms of all, against native complex arithmetic."""

import cmath
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from phasebench.nn.complex.activation import ModReLU, cardioid, complex_relu, tangent_relu, z_relu
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.equivariant import EquivariantActivation
from phasebench.nn.complex.gtrelu import EquivariantGTReLU, EquivariantThresholdGTReLU, GTReLU
from phasebench.nn.complex.layout import as_complex, as_planes

CHANNELS = 5
BIAS = (-0.9, -0.3, 0.0, 0.4, 1.1)
THRESHOLD = 0.7
OFFSET = 1e-6
ROOT = math.sqrt(2.0)
Function = Callable[[Tensor], Tensor]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def complex_normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def mod_relu(bias: tuple[float, ...] = BIAS) -> ModReLU:
    layer = ModReLU(len(bias)).double()
    with torch.no_grad():
        layer.bias.copy_(torch.tensor(bias, dtype=torch.float64))
    return layer


def on_complex(function: Function) -> Function:
    """A function of planes as one of native complex maps."""
    return lambda maps: as_complex(function(as_planes(maps)))


def plain_z_relu(maps: Tensor) -> Tensor:
    return torch.where((maps.angle() >= 0.0) & (maps.angle() <= math.pi / 2.0), maps, torch.zeros_like(maps))


def plain_tangent_relu(maps: Tensor) -> Tensor:
    return torch.polar(maps.abs().clamp(min=1.0), maps.angle().clamp(min=0.0))


def plain_mod_relu(maps: Tensor) -> Tensor:
    bias = torch.tensor(BIAS, dtype=torch.float64)[: maps.shape[1], None, None]
    return torch.polar((maps.abs() + bias).relu(), maps.angle())


PAIRS: dict[str, tuple[Callable[[], Function], Function]] = {
    "CReLU": (lambda: complex_relu, lambda maps: torch.complex(maps.real.relu(), maps.imag.relu())),
    "zReLU": (lambda: z_relu, plain_z_relu),
    "cardioid": (lambda: cardioid, lambda maps: 0.5 * (1.0 + maps.angle().cos()) * maps),
    "TReLU": (lambda: tangent_relu, plain_tangent_relu),
    "modReLU": (mod_relu, plain_mod_relu),
}
every_function = pytest.mark.parametrize("name", PAIRS)


def build(name: str) -> Function:
    return PAIRS[name][0]()


def compare_gradients(ours: Tensor, theirs: Tensor, inputs: list[Tensor], tolerance: float = 1e-10) -> None:
    cotangent = complex_normal(*theirs.shape, seed=9)
    mine = torch.autograd.grad(ours, inputs, cotangent)
    for left, right in zip(mine, torch.autograd.grad(theirs, inputs, cotangent), strict=True):
        close(left, right, tolerance)


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
    maps, turn = complex_normal(2, CHANNELS, 3, 3), cmath.exp(1j * angle)
    layer = on_complex(EquivariantActivation(build(name)))
    close(layer(turn * maps), turn * layer(maps))


@pytest.mark.parametrize("name", sorted(PAIRS.keys() - {"modReLU"}))
def test_function_alone_does_not_turn_with_its_input(name: str) -> None:
    maps, turn = complex_normal(2, CHANNELS, 3, 3), cmath.exp(2.3j)
    function = on_complex(build(name))
    assert (function(turn * maps) - turn * function(maps)).abs().max() > 0.1


def test_modrelu_is_equivariant_already_and_its_equivariant_form_is_itself() -> None:
    maps, turn = complex_normal(2, CHANNELS, 3, 3), cmath.exp(2.3j)
    alone = on_complex(mod_relu())
    close(alone(turn * maps), turn * alone(maps))
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
    maps, turn = complex_normal(2, CHANNELS, 4, 3), cmath.exp(-1.9j)
    close(on_complex(layer)(turn * maps), turn * on_complex(layer)(maps))
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


LAYERS: dict[str, Callable[[], Function]] = {
    **{name: pair[0] for name, pair in PAIRS.items()},
    **{f"E{{{name}}}": lambda name=name: EquivariantActivation(build(name)) for name in PAIRS},
    "E{GTReLU}": lambda: EquivariantThresholdGTReLU(CHANNELS, THRESHOLD),
}


@pytest.mark.parametrize("name", LAYERS)
def test_autocast_changes_almost_all_values_by_a_rounding(name: str) -> None:
    layer = LAYERS[name]()
    layer = layer.float() if isinstance(layer, nn.Module) else layer
    convolution = ComplexConv2d(3, CHANNELS, 3, padding=1)
    planes = torch.randn(4, 2, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    plain = layer(convolution(planes)).detach()
    with torch.autocast("cpu", torch.bfloat16):
        maps = convolution(planes).detach().requires_grad_()
        rounded = layer(maps)
    (gradient,) = torch.autograd.grad(rounded.float().square().sum(), maps)
    assert maps.dtype == torch.bfloat16
    assert rounded.isfinite().all()
    assert gradient.isfinite().all()
    # Beside a jump of the function a rounding may move a value to its other side.
    near = (rounded.detach().float() - plain).abs() <= 0.05 * plain.abs().max()
    assert near.double().mean() > 0.97
