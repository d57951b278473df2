"""Layout, invariant layers, normalisation, pooling and prototype heads."""

import cmath
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from phasebench.nn.complex.arithmetic import multiply, multiply_conjugate, scale_channels
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.equivariant_norm import EquivariantBatchNorm2d
from phasebench.nn.complex.invariant import Conjugate, Division, divide
from phasebench.nn.complex.layout import as_complex, as_planes, rotate
from phasebench.nn.complex.pooling import MagnitudeMaxPool2d
from phasebench.nn.complex.prototype import InvariantPrototypeDistance, PrototypeDistance

SCALE = 2.5 * cmath.exp(1.1j)


def complex_normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def compare_gradients(ours: Tensor, theirs: Tensor, inputs: list[Tensor], tolerance: float = 1e-10) -> None:
    cotangent = complex_normal(*theirs.shape, seed=9)
    mine = torch.autograd.grad(ours, inputs, cotangent)
    for left, right in zip(mine, torch.autograd.grad(theirs, inputs, cotangent), strict=True):
        close(left, right, tolerance)


def gradients_of_sum(output: Tensor, *inputs: Tensor) -> Tensor:
    """All gradients of the sum of the output, flattened into one vector."""
    return torch.cat([gradient.flatten() for gradient in torch.autograd.grad(output.sum(), inputs)])


def test_planes_hold_the_real_and_the_imaginary_part_and_come_back() -> None:
    maps = complex_normal(2, 3, 4, 5)
    planes = as_planes(maps)
    assert torch.equal(planes[:, 0], maps.real)
    assert torch.equal(planes[:, 1], maps.imag)
    assert as_planes(planes) is planes
    assert torch.equal(as_complex(planes), maps)


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (2, 3, 1, 4, 4)])
def test_planes_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected complex maps .* got torch.float32 of shape"):
        as_planes(torch.zeros(shape))


def test_arithmetic_equals_native_complex_products() -> None:
    left, right, scale = complex_normal(2, 3, 4, 4), complex_normal(2, 1, 4, 4, seed=1), complex_normal(3, seed=2)
    close(as_complex(multiply(as_planes(left), as_planes(right))), left * right)
    close(as_complex(multiply_conjugate(as_planes(left), as_planes(right))), left * right.conj())
    parts = torch.stack((scale.real, scale.imag))
    close(as_complex(scale_channels(as_planes(left), parts)), left * scale[:, None, None])
    angle = torch.tensor([0.3, -2.0], dtype=torch.float64)
    turned = left * torch.polar(torch.ones_like(angle), angle)[:, None, None, None]
    close(as_complex(rotate(as_planes(left), angle)), turned)


@pytest.mark.parametrize(("padding", "single_filter"), [(0, False), (1, False), (0, True), (1, True)])
def test_invariant_layers_equal_their_formulae_with_gradients(padding: int, single_filter: bool) -> None:
    maps = complex_normal(2, 3, 6, 5).requires_grad_()
    for layer in (Division(3, 3, padding, single_filter, 1e-3), Conjugate(3, 3, padding, single_filter)):
        layer.double()
        filtered = functional.conv2d(maps, torch.complex(*layer.filter.weight), padding=padding)
        cropped = maps if padding else maps[..., 1:-1, 1:-1]
        expected = cropped * filtered.conj()
        if isinstance(layer, Division):
            expected = expected / (filtered.abs().square() + 1e-3)
        ours = as_complex(layer(as_planes(maps)))
        close(ours, expected, 1e-11)
        compare_gradients(ours, expected, [maps, layer.filter.weight])


def test_division_after_a_convolution_equals_its_parts_with_gradients() -> None:
    convolution = ComplexConv2d(2, 3, 3, stride=2, padding=1).double()
    planes, scale = as_planes(complex_normal(2, 2, 9, 8)), torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
    for padding, single_filter in ((1, True), (0, False)):
        layer = Division(3, 3, padding, single_filter, 1e-3).double()
        parameters = [convolution.weight, layer.filter.weight, scale]
        joined = layer.after(convolution, planes, scale)
        parts = scale_channels(layer(convolution(planes)), scale)
        close(joined, parts)
        compare_gradients(as_complex(joined), as_complex(parts), parameters)


def test_division_layer_passes_gradcheck() -> None:
    planes = as_planes(complex_normal(1, 2, 3, 3)).requires_grad_()
    for single_filter in (True, False):
        layer = Division(2, 3, padding=1, single_filter=single_filter, offset=1e-2).double()
        assert torch.autograd.gradcheck(layer, (planes,))


def test_division_by_itself_and_at_zero() -> None:
    maps = complex_normal(2, 3, 4, 4)
    planes, zero = as_planes(maps), torch.zeros(2, 2, 3, 4, 4, dtype=torch.float64)
    squared = maps.abs().square()
    close(as_complex(divide(planes, planes)), (squared / (squared + 1e-7)).to(torch.complex128))
    assert torch.equal(divide(zero, planes), zero)
    assert torch.equal(divide(planes, zero), zero)
    zero.requires_grad_()
    assert gradients_of_sum(divide(planes, zero), zero).isfinite().all()


@pytest.mark.parametrize("single_filter", [True, False])
def test_division_layer_of_an_all_zero_image_is_finite(single_filter: bool) -> None:
    layer = Division(2, 3, padding=1, single_filter=single_filter)
    planes = torch.zeros(1, 2, 2, 4, 4, requires_grad=True)
    output = layer(planes)
    assert output.abs().max() == 0.0
    assert gradients_of_sum(output, planes, layer.filter.weight).isfinite().all()


def test_division_is_invariant_to_scale_and_conjugate_to_phase_alone() -> None:
    maps = complex_normal(2, 3, 6, 6)
    division, conjugate = Division(3, 3, offset=0.0).double(), Conjugate(3, 3).double()
    close(division(as_planes(SCALE * maps)), division(as_planes(maps)), 1e-9)
    close(conjugate(as_planes(SCALE * maps)), abs(SCALE) ** 2 * conjugate(as_planes(maps)), 1e-11)


def test_the_division_offset_stands_beside_the_squared_modulus() -> None:
    tiny = torch.full((1, 2, 1, 1, 1), 1e-4, dtype=torch.float64)
    assert divide(tiny, tiny)[0, 0].item() == pytest.approx(2e-8 / (2e-8 + 1e-7))


def test_equivariant_batch_norm_equals_its_formula_and_keeps_the_phase() -> None:
    layer = EquivariantBatchNorm2d(3).double()
    torch.nn.init.uniform_(layer.norm.weight), torch.nn.init.normal_(layer.norm.bias)
    maps = complex_normal(4, 3, 5, 5).requires_grad_()
    modulus = maps.abs()
    mean = modulus.mean(dim=(0, 2, 3), keepdim=True)
    variance = modulus.var(dim=(0, 2, 3), correction=0, keepdim=True)
    gain = (modulus - mean) / (variance + 1e-5).sqrt() * layer.norm.weight[:, None, None]
    expected = (gain + layer.norm.bias[:, None, None]) * maps / (modulus + 1e-6)
    output = as_complex(layer(as_planes(maps)))
    close(output, expected)
    compare_gradients(output, expected, [maps, layer.norm.weight, layer.norm.bias])
    cross = (output * maps.conj()).imag.abs() / (output.abs() * maps.abs())
    assert cross.max() < 1e-12


def test_equivariant_batch_norm_ignores_magnitude_in_training_only() -> None:
    layer, maps = EquivariantBatchNorm2d(3).double(), complex_normal(4, 3, 5, 5)
    turn = cmath.exp(0.8j)

    def apply(values: Tensor) -> Tensor:
        return as_complex(layer(as_planes(values)))

    plain = apply(maps)
    close(apply(3.0 * turn * maps), turn * plain, 1e-4)
    layer.eval()
    plain = apply(maps)
    close(apply(turn * maps), turn * plain)
    assert (apply(3.0 * maps) - plain).abs().max() > 0.1


def test_magnitude_pool_picks_the_largest_modulus() -> None:
    maps = complex_normal(2, 3, 7, 6)
    pool = MagnitudeMaxPool2d(2)
    pooled = as_complex(pool(as_planes(maps)))
    assert pooled.shape == (2, 3, 3, 3)
    assert torch.equal(pooled.abs(), functional.max_pool2d(maps.abs(), 2))
    windows = maps[..., :6, :].unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    assert (windows == pooled.unsqueeze(-1)).any(dim=-1).all()
    close(as_complex(pool(as_planes(SCALE * maps))), SCALE * pooled)


def test_magnitude_pool_sends_the_gradient_to_the_picked_pixel() -> None:
    planes = torch.tensor([[3.0, 1.0], [0.0, 2.0]]).expand(1, 2, 1, 2, 2).clone().requires_grad_()
    gradient = gradients_of_sum(MagnitudeMaxPool2d(2)(planes), planes)
    assert gradient.tolist() == 2 * [1.0, 0.0, 0.0, 0.0]


def test_prototype_logits_equal_their_formula_with_gradients() -> None:
    features = complex_normal(4, 6).requires_grad_()
    plain, invariant = PrototypeDistance(6, 3).double(), InvariantPrototypeDistance(6, 3).double()
    for head in (plain, invariant):
        torch.nn.init.constant_(head.alpha, 1.7)
        prototypes = torch.complex(*head.prototypes)[None]
        if head is invariant:
            prototypes = prototypes * (features.sum(dim=1) / math.sqrt(12))[:, None, None]
        squared = (features[:, :, None] - prototypes).abs().square().mean(dim=1)
        expected = -head.alpha * squared.sqrt()
        logits = head(as_planes(features[:, :, None, None]).flatten(2))
        close(logits, expected)
        assert (logits <= 0.0).all()
        cotangent = torch.randn_like(expected)
        inputs = [features, head.prototypes, head.alpha]
        reference = torch.autograd.grad(expected, inputs, cotangent)
        for mine, theirs in zip(torch.autograd.grad(logits, inputs, cotangent), reference, strict=True):
            close(mine, theirs, 1e-10)


def test_invariant_prototype_logits_ignore_phase_and_scale_with_magnitude() -> None:
    features = as_planes(complex_normal(4, 6, 1, 1))
    turned = as_planes(SCALE * as_complex(features)).flatten(2)
    head = InvariantPrototypeDistance(6, 3).double()
    close(head(turned), abs(SCALE) * head(features.flatten(2)))
    plain = PrototypeDistance(6, 3).double()
    assert (plain(turned) - abs(SCALE) * plain(features.flatten(2))).abs().max() > 0.1


def test_prototype_gradient_is_finite_at_distance_zero() -> None:
    head = PrototypeDistance(4, 2)
    features = head.prototypes.detach()[None, :, :, 0].clone().requires_grad_()
    assert gradients_of_sum(head(features), features, head.prototypes).isfinite().all()
