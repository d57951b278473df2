"""SurReal: the manifold of modulus and phase, its layers and its two networks."""

import cmath
import math
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from phasebench.models.surreal import CifarSurReal, MstarSurReal
from phasebench.nn.complex.activation import PolarTReLU
from phasebench.nn.complex.distance_transform import GlobalDistanceTransform, LocalDistanceTransform
from phasebench.nn.complex.frechet_mean import WeightedFrechetMean2d
from phasebench.nn.complex.group_transport import GTransport
from phasebench.nn.complex.layout import as_complex, as_planes, rotate
from phasebench.nn.complex.manifold import manifold_distance, to_polar, transport

SCALE = 2.5 * cmath.exp(1.1j)
PI = math.pi
MEANS: list[dict[str, Any]] = [
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "padding": 1, "separable": True},
    {"kernel_size": 5, "stride": 2, "separable": True},
    {"kernel_size": 2},
]


def complex_normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def polar_of(maps: Tensor) -> Tensor:
    return to_polar(as_planes(maps))


def complex_of(polar: Tensor) -> Tensor:
    """The complex numbers a polar representation stands for; refuses directions that are not of unit length."""
    close(polar[:, 1].square() + polar[:, 2].square(), torch.ones_like(polar[:, 1]))
    return polar[:, 0].exp() * torch.complex(polar[:, 1], polar[:, 2])


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def compare_gradients(ours: Tensor, theirs: Tensor, inputs: list[Tensor], tolerance: float = 1e-9) -> None:
    cotangent = torch.randn(theirs.shape, dtype=theirs.dtype, generator=torch.Generator().manual_seed(9))
    mine = torch.autograd.grad(ours, inputs, cotangent)
    for left, right in zip(mine, torch.autograd.grad(theirs, inputs, cotangent), strict=True):
        assert right.abs().max() > 0.0
        close(left, right, tolerance)


def distance(left: complex, right: complex) -> float:
    pair = torch.tensor([left, right], dtype=torch.complex128).view(2, 1, 1, 1)
    polar = polar_of(pair)
    return manifold_distance(polar[:1], polar[1:]).item()


def plain_mean(layer: WeightedFrechetMean2d, maps: Tensor) -> Tensor:
    """The definition by windows in complex arithmetic; autograd supplies its gradient."""
    size, stride, padding = layer.kernel_size, layer.stride, layer.padding
    rows = torch.arange(-padding, maps.shape[2] + padding).clamp(0, maps.shape[2] - 1)
    columns = torch.arange(-padding, maps.shape[3] + padding).clamp(0, maps.shape[3] - 1)
    windows = maps[:, :, rows][:, :, :, columns].unfold(2, size, stride).unfold(3, size, stride)
    kernel = layer.weight if layer.mixing is None else layer.mixing * layer.weight
    squared = kernel.square()
    weight = squared / (squared.sum(dim=(1, 2, 3), keepdim=True) + 1e-6)
    log_modulus = torch.einsum("oikl,nihwkl->nohw", weight, (windows.abs() + 1e-9).log())
    direction = torch.einsum("oikl,nihwkl->nohw", weight.to(maps.dtype), windows / windows.abs())
    return log_modulus.exp() * direction / direction.abs()


def plain_distance(left: Tensor, right: Tensor) -> Tensor:
    return ((left.abs().log() - right.abs().log()).square() + (left / right).angle().square()).sqrt()


def test_polar_representation_holds_log_modulus_cosine_and_sine() -> None:
    maps = complex_normal(2, 3, 4, 5)
    polar = polar_of(maps)
    close(polar, torch.stack(((maps.abs() + 1e-9).log(), maps.angle().cos(), maps.angle().sin()), dim=1))
    close(complex_of(polar), maps, 1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_has_angle_zero_and_passes_no_gradient(dtype: torch.dtype) -> None:
    for value in (0.0, 1e-30):
        planes = torch.full((1, 2, 1, 1, 1), value, dtype=dtype, requires_grad=True)
        polar = to_polar(planes)
        assert polar.flatten().tolist() == pytest.approx([math.log(1e-9), 1.0, 0.0])
        (gradient,) = torch.autograd.grad(polar.sum(), planes)
        assert gradient.abs().max() == 0.0


def test_polar_representation_is_finite_over_all_magnitudes() -> None:
    planes = torch.logspace(-37, 18, 200).view(2, 1, 1, 1, 100).transpose(0, 1).clone().requires_grad_()
    polar = to_polar(planes)
    (gradient,) = torch.autograd.grad(polar.sum(), planes)
    assert polar.isfinite().all()
    assert gradient.isfinite().all()
    torch.testing.assert_close(polar[:, 1].hypot(polar[:, 2]), torch.ones_like(polar[:, 0]))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1, 0.0),
        (1, -1, PI),
        (1, math.e, 1.0),
        (1j, -2j, math.hypot(math.log(2.0), PI)),
        (cmath.exp(1j * (PI - 0.01)), cmath.exp(-1j * (PI - 0.01)), 0.02),
    ],
)
def test_distance_at_known_pairs(left: complex, right: complex, expected: float) -> None:
    assert distance(left, right) == pytest.approx(expected, abs=1e-8)
    assert distance(right, left) == pytest.approx(expected, abs=1e-8)
    assert distance(SCALE * left, SCALE * right) == pytest.approx(expected, abs=1e-8)


def test_distance_is_a_metric_that_ignores_a_common_factor() -> None:
    left, right, third = (complex_normal(2, 3, 4, 4, seed=seed) for seed in range(3))
    plain = manifold_distance(polar_of(left), polar_of(right))
    close(plain, plain_distance(left, right), 1e-7)
    close(plain, manifold_distance(polar_of(right), polar_of(left)))
    close(plain, manifold_distance(polar_of(SCALE * left), polar_of(SCALE * right)), 1e-7)
    assert manifold_distance(polar_of(left), polar_of(left)).max() < 1e-15
    detour = manifold_distance(polar_of(left), polar_of(third)) + manifold_distance(polar_of(third), polar_of(right))
    assert (plain <= detour + 1e-12).all()


def test_distance_passes_gradcheck_with_broadcasting() -> None:
    left, right = complex_normal(2, 2, 2, 2), complex_normal(2, 1, 2, 1, seed=1)
    planes = tuple(as_planes(maps).requires_grad_() for maps in (left, right))
    assert torch.autograd.gradcheck(lambda a, b: manifold_distance(to_polar(a), to_polar(b)), planes)


def test_distance_gradient_is_zero_at_distance_zero() -> None:
    # On the axes the angle between equal directions is exactly zero, elsewhere up to rounding.
    planes = as_planes(torch.tensor([1.0, -2.0, 3.0j, -4.0j], dtype=torch.complex128).view(1, 1, 2, 2))
    left, right = planes.clone().requires_grad_(), planes.clone().requires_grad_()
    gradients = torch.autograd.grad(manifold_distance(to_polar(left), to_polar(right)).sum(), (left, right))
    assert all(gradient.abs().max() == 0.0 for gradient in gradients)


@pytest.mark.parametrize("options", MEANS)
def test_mean_equals_its_definition_with_gradients(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = WeightedFrechetMean2d(3, 4, **options).double()
    maps = complex_normal(2, 3, 7, 6).requires_grad_()
    ours, expected = complex_of(layer(polar_of(maps))), plain_mean(layer, maps)
    close(ours, expected)
    compare_gradients(ours, expected, [maps, *layer.parameters()])


@pytest.mark.parametrize("options", MEANS)
def test_mean_is_convex_and_equivariant(options: dict[str, Any]) -> None:
    torch.manual_seed(1)
    layer, maps = WeightedFrechetMean2d(3, 4, **options).double(), complex_normal(2, 3, 8, 8)
    weight = layer.convex_weight()
    assert weight.shape == (4, 3, options["kernel_size"], options["kernel_size"])
    assert (weight >= 0.0).all()
    close(weight.sum(dim=(1, 2, 3)), torch.ones(4, dtype=torch.float64), 1e-6 if layer.mixing is None else 1e-5)
    constant = complex_of(layer(polar_of(torch.full_like(maps, SCALE))))
    close(constant, torch.full_like(constant, SCALE), 1e-4)
    plain = complex_of(layer(polar_of(maps)))
    close(complex_of(layer(polar_of(SCALE * maps))), SCALE * plain, 1e-4)
    turn = SCALE / abs(SCALE)
    close(complex_of(layer(polar_of(turn * maps))), turn * plain)


def test_equal_weights_give_the_geometric_mean_of_the_moduli() -> None:
    layer, maps = WeightedFrechetMean2d(2, 1, 3).double(), complex_normal(2, 2, 3, 3)
    nn.init.constant_(layer.weight, -3.0)
    mean = complex_of(layer(polar_of(maps))).flatten()
    close(mean.abs(), maps.abs().flatten(1).prod(dim=1) ** (1 / 18), 1e-6)
    close(mean.angle(), (maps / maps.abs()).flatten(1).sum(dim=1).angle())


def test_padding_repeats_the_edge() -> None:
    layer, maps = WeightedFrechetMean2d(2, 3, 3, padding=1).double(), complex_normal(1, 2, 5, 5)
    repeated = torch.complex(*(functional.pad(part, [1] * 4, mode="replicate") for part in (maps.real, maps.imag)))
    layer.padding, expected = 0, layer(polar_of(maps))
    close(layer(polar_of(repeated)), expected)


def test_directions_that_cancel_give_angle_zero_and_no_gradient() -> None:
    layer = WeightedFrechetMean2d(1, 1, 2).double()
    nn.init.ones_(layer.weight)
    planes = as_planes(torch.tensor([[1.0, -1.0], [1.0j, -1.0j]]).to(torch.complex128)[None, None]).requires_grad_()
    mean = layer(to_polar(planes))
    close(mean.flatten(), torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64), 1e-8)
    gradients = torch.autograd.grad(mean[:, 1:].sum(), (planes, layer.weight))
    assert all(gradient.abs().max() == 0.0 for gradient in gradients)


def test_transport_multiplies_channels_by_complex_numbers_with_gradients() -> None:
    layer, maps = GTransport(3).double(), complex_normal(2, 3, 4, 5).requires_grad_()
    assert (layer.turn >= 0.0).all()
    assert (layer.turn <= PI / 2.0).all()
    nn.init.normal_(layer.shift)
    factor = torch.polar(layer.shift.exp(), layer.turn)[:, None, None]
    moved, expected = complex_of(layer(polar_of(maps))), factor * maps * (1.0 + 1e-9 / maps.abs())
    close(moved, expected)
    compare_gradients(moved, expected, [maps, layer.shift, layer.turn])
    assert sum(parameter.numel() for parameter in layer.parameters()) == 6


def test_transport_after_a_mean_equals_both_in_turn() -> None:
    layer, mean = GTransport(3).double(), WeightedFrechetMean2d(2, 3, 3, stride=2).double()
    nn.init.normal_(layer.shift)
    maps = complex_normal(2, 2, 7, 7).requires_grad_()
    joined, parts = layer.after(mean, polar_of(maps)), layer(mean(polar_of(maps)))
    close(joined, parts)
    compare_gradients(joined, parts, [maps, mean.weight, layer.shift, layer.turn])


def test_transport_passes_gradcheck_off_the_unit_circle() -> None:
    values = torch.randn(2, 3, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    parameters = (torch.randn(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(transport, (values, *parameters))
    assert torch.autograd.gradcheck(transport, (values,))


def test_tangent_relu_cuts_logarithm_and_angle_at_zero() -> None:
    values = torch.tensor([0.5, 2.0, 2.0j, -2.0j, -2.0, -1.0 + 1.0j, -1.0 - 1.0j], dtype=torch.complex128)
    expected = torch.tensor([1.0, 2.0, 2.0j, 2.0, -2.0, -1.0 + 1.0j, math.sqrt(2.0)], dtype=torch.complex128)
    polar = polar_of(values.view(1, -1, 1, 1))
    close(complex_of(PolarTReLU()(polar)).flatten(), expected, 1e-7)


def test_global_distance_transform_equals_its_definition_and_is_invariant() -> None:
    layer, maps = GlobalDistanceTransform(3, 4, 5).double(), complex_normal(2, 3, 4, 5).requires_grad_()
    squared = layer.weight.square()
    weight = (squared / (squared.sum() + 1e-6)).to(maps.dtype)
    log_modulus = (weight * (maps.abs() + 1e-9).log()).sum(dim=(1, 2, 3)).real
    mean = log_modulus.exp() * (weight * maps / maps.abs()).sum(dim=(1, 2, 3)).sgn()
    ours, expected = layer(polar_of(maps)), plain_distance(maps, mean[:, None, None, None])
    close(ours, expected, 1e-7)
    compare_gradients(ours, expected, [maps, layer.weight], 1e-6)
    close(layer(polar_of(SCALE * maps)), ours, 1e-6)
    close(layer(polar_of(SCALE / abs(SCALE) * maps)), ours)
    assert layer(polar_of(torch.full_like(maps, SCALE))).abs().max() < 1e-5


@pytest.mark.parametrize("kernel_size", [2, 3])
def test_local_distance_transform_equals_its_definition_and_is_invariant(kernel_size: int) -> None:
    layer, maps = LocalDistanceTransform(3, kernel_size).double(), complex_normal(2, 3, 6, 5).requires_grad_()
    cropped = maps[..., :-1, :-1] if kernel_size == 2 else maps[..., 1:-1, 1:-1]
    ours, expected = layer(polar_of(maps)), plain_distance(cropped, plain_mean(layer.mean, maps))
    assert ours.shape == cropped.shape
    close(ours, expected, 1e-6)
    compare_gradients(ours, expected, [maps, layer.mean.weight], 1e-5)
    close(layer(polar_of(SCALE * maps)), ours, 1e-5)


def chip_network(n_classes: int = 10, in_channels: int = 1) -> nn.Module:
    return MstarSurReal(n_classes, in_channels)


def image_network(n_classes: int = 10, in_channels: int = 2) -> nn.Module:
    return CifarSurReal(n_classes, in_channels)


NETWORKS = [(image_network, (2, 32, 32)), (chip_network, (1, 128, 128))]


@pytest.mark.parametrize(
    ("network", "n_classes", "in_channels", "count"),
    [
        (CifarSurReal, 10, 2, 35_274),
        (CifarSurReal, 10, 3, 35_418),
        (CifarSurReal, 100, 2, 46_884),
        (MstarSurReal, 10, 1, 65_905),
        (MstarSurReal, 11, 1, 65_936),
    ],
)
def test_parameter_count(network: Callable[..., nn.Module], n_classes: int, in_channels: int, count: int) -> None:
    model = network(n_classes=n_classes, in_channels=in_channels)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def heights(model: nn.Module, images: Tensor) -> list[int]:
    """Heights of the inputs of the means and of the outputs of distance and tail's layers, in the order of calls."""
    sizes: list[int] = []
    model.get_submodule("distance").register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-2]))
    for layer in model.get_submodule("tail").children():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            layer.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-2]))
    for name, module in model.named_children():
        if name.startswith("mean"):
            assert isinstance(module, WeightedFrechetMean2d)
            average = module.average
            module.average = lambda polar, average=average: sizes.append(polar.shape[-2]) or average(polar)
    model(images)
    return sizes


def test_spatial_sizes() -> None:
    assert heights(image_network(), torch.randn(2, 2, 2, 32, 32)) == [32, 16, 8, 4, 1]
    assert heights(chip_network(), torch.randn(2, 2, 1, 128, 128)) == [100, 48, 22, 18, 9, 2, 1]


def test_chips_are_cropped_at_the_centre_and_small_ones_refused() -> None:
    model, chips = chip_network().eval(), torch.randn(2, 2, 1, 128, 128)
    assert torch.equal(model(chips), model(chips[..., 14:114, 14:114]))
    with pytest.raises(ValueError, match="at least 100x100 pixels, got 100x99"):
        model(chips[..., :100, :99])


def settled(build: Callable[..., nn.Module], shape: tuple[int, int, int], count: int = 6) -> tuple[nn.Module, Tensor]:
    """A double-precision model in evaluation mode whose running statistics have moved, and its images."""
    torch.manual_seed(1)
    model, images = build().double(), torch.randn(count, 2, *shape, dtype=torch.float64)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("shift"):
                parameter.normal_()
        for _ in range(3):
            model(images)
    return model.eval(), images


def relative_change(model: nn.Module, images: Tensor, changed: Tensor) -> float:
    with torch.no_grad():
        before, after = model(images), model(changed)
    return float((after - before).abs().max() / before.abs().max())


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
def test_networks_are_invariant_to_complex_scaling(
    build: Callable[..., nn.Module], shape: tuple[int, int, int]
) -> None:
    model, images = settled(build, shape)
    turned = rotate(images, torch.linspace(0.3, 6.1, len(images), dtype=torch.float64))
    assert relative_change(model, images, turned) < 1e-12
    assert relative_change(model, images, 3.0 * turned) < 1e-5
    # Turning channels by different angles is no common factor.
    mixed = torch.cat((turned[..., : shape[1] // 2, :], images[..., shape[1] // 2 :, :]), dim=-2)
    assert relative_change(model, images, mixed) > 1e-3
    single = model.float()
    assert relative_change(single, images.float(), turned.float()) < 1e-4


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
def test_zeros_break_invariance_but_stay_finite(build: Callable[..., nn.Module], shape: tuple[int, int, int]) -> None:
    model, images = settled(build, shape, 2)
    images[..., : shape[1] // 2, :] = 0.0
    assert relative_change(model, images, rotate(images, torch.ones(2, dtype=torch.float64))) > 1e-6
    planes = torch.zeros(2, 2, *shape, requires_grad=True)
    logits = model.train().float()(planes)
    gradients = torch.autograd.grad(logits.square().sum(), (planes, *model.parameters()))
    assert logits.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
def test_every_parameter_and_the_input_get_a_gradient(
    build: Callable[..., nn.Module], shape: tuple[int, int, int]
) -> None:
    torch.manual_seed(0)
    model, planes = build(), torch.randn(4, 2, *shape, requires_grad=True)
    loss = functional.cross_entropy(model(planes), torch.arange(4))
    inputs = dict(model.named_parameters(), planes=planes)
    for name, gradient in zip(inputs, torch.autograd.grad(loss, tuple(inputs.values())), strict=True):
        assert gradient.isfinite().all(), name
        assert gradient.abs().max() > 0.0, name


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
def test_native_complex_input_equals_planes(build: Callable[..., nn.Module], shape: tuple[int, int, int]) -> None:
    model, planes = build().eval(), torch.randn(2, 2, *shape)
    assert torch.equal(model(as_complex(planes)), model(planes))


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
def test_autocast_changes_the_logits_by_a_rounding(
    build: Callable[..., nn.Module], shape: tuple[int, int, int]
) -> None:
    model, images = settled(build, shape)
    model, images = model.float(), images.float()
    plain = model(images).detach()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(images)
        loss = functional.cross_entropy(rounded.float(), torch.arange(len(images)))
    assert float((rounded.detach() - plain).abs().max() / plain.abs().max()) < 0.05
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, tuple(model.parameters())))


@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="no C++ compiler")
def test_compiled_layers_equal_eager_layers() -> None:
    torch.manual_seed(0)
    mean, layer, distances = WeightedFrechetMean2d(2, 4, 3, padding=1), GTransport(4), GlobalDistanceTransform(4, 6, 6)
    parameters = (mean.weight, layer.shift, layer.turn, distances.weight)

    def forward(planes: Tensor) -> Tensor:
        result: Tensor = distances(layer.after(mean, to_polar(planes)))
        return result

    planes, results = torch.randn(4, 2, 2, 6, 6), []
    for function in (forward, torch.compile(forward, dynamic=False)):
        maps = function(planes)
        results.append([maps, *torch.autograd.grad(maps.square().sum(), parameters)])
    for eager, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, eager, rtol=1e-4, atol=1e-3)
