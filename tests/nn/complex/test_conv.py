"""Complex convolution against torch's native complex convolution."""

import itertools

import pytest
import torch
from support.complex_maps import complex_normal
from torch import Tensor
from torch.nn import functional

from phasebench.nn.complex.conv import ComplexConv2d, Form
from phasebench.nn.complex.layout import as_complex, as_planes

FORMS: tuple[Form, ...] = ("block", "gauss")


def native(layer: ComplexConv2d, maps: Tensor) -> Tensor:
    bias = None if layer.bias is None else torch.complex(*layer.bias)
    return functional.conv2d(maps, torch.complex(*layer.weight), bias, layer.stride, layer.padding, 1, layer.groups)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("groups", "stride", "padding", "kernel_size", "bias"),
    [
        (groups, stride, padding, kernel_size, bool((groups + stride + padding) % 2))
        for groups, stride, padding, kernel_size in itertools.product((1, 2, 4), (1, 2), (0, 1), (1, 3))
    ],
)
def test_forward_and_gradients_equal_native_convolution(
    form: Form, groups: int, stride: int, padding: int, kernel_size: int, bias: bool
) -> None:
    layer = ComplexConv2d(4, 8, kernel_size, stride, padding, groups, bias, form).double()
    if layer.bias is not None:
        torch.nn.init.normal_(layer.bias)
    maps = complex_normal(3, 4, 7, 6).requires_grad_()
    parameters = [maps, *layer.parameters()]
    ours, theirs = as_complex(layer(as_planes(maps))), native(layer, maps)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    cotangent = complex_normal(*theirs.shape, seed=1)
    for mine, reference in zip(
        torch.autograd.grad(ours, parameters, cotangent),
        torch.autograd.grad(theirs, parameters, cotangent),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("groups", [1, 2])
def test_a_folded_scale_equals_scaling_the_output(form: Form, groups: int) -> None:
    layer = ComplexConv2d(4, 6, 3, padding=1, groups=groups, form=form).double()
    maps, scale = complex_normal(2, 4, 5, 5), complex_normal(6, seed=1)
    folded = as_complex(layer(as_planes(maps), torch.stack((scale.real, scale.imag))))
    torch.testing.assert_close(folded, scale[:, None, None] * native(layer, maps), rtol=1e-12, atol=1e-12)


def test_a_scale_is_refused_beside_a_bias() -> None:
    layer = ComplexConv2d(2, 2, 1, bias=True)
    with pytest.raises(ValueError, match="bias=False"):
        layer(torch.zeros(1, 2, 2, 3, 3), torch.ones(2, 2))


def test_indivisible_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="3 -> 4 channels cannot be split into 2 groups"):
        ComplexConv2d(3, 4, 1, groups=2)


@pytest.mark.parametrize("form", FORMS)
def test_equivariant_to_complex_scaling_only_without_bias(form: Form) -> None:
    maps, factor = complex_normal(2, 3, 6, 6), complex(-0.7, 2.1)

    @torch.no_grad()
    def violation(layer: ComplexConv2d) -> float:
        turned, plain = (as_complex(layer(as_planes(z))) for z in (factor * maps, maps))
        return float((turned - factor * plain).abs().max() / plain.abs().max())

    layer = ComplexConv2d(3, 4, 3, padding=1, form=form).double()
    assert violation(layer) < 1e-14
    biased = ComplexConv2d(3, 4, 3, padding=1, bias=True, form=form).double()
    assert biased.bias is not None
    torch.nn.init.ones_(biased.bias)
    assert violation(biased) > 0.1


def test_one_pixel_by_hand() -> None:
    layer = ComplexConv2d(1, 1, 1).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, 3.0]).view(2, 1, 1, 1, 1))
    result = layer(torch.tensor([5.0, 7.0], dtype=torch.float64).view(1, 2, 1, 1, 1))
    assert result.flatten().tolist() == [2 * 5 - 3 * 7, 2 * 7 + 3 * 5]


def test_default_initialisation_is_that_of_a_real_convolution() -> None:
    layer, real = ComplexConv2d(32, 64, 3), torch.nn.Conv2d(32, 64, 3)
    assert layer.weight.abs().max() <= (32 * 9) ** -0.5
    assert layer.weight.std().item() == pytest.approx(real.weight.std().item(), rel=0.05)


@pytest.mark.parametrize(("padding", "inner_stride"), [(0, 1), (1, 2), (2, 1)])
def test_two_joined_convolutions_equal_one_after_the_other(padding: int, inner_stride: int) -> None:
    inner = ComplexConv2d(2, 5, 3, inner_stride, padding=1).double()
    outer = ComplexConv2d(5, 2, 3, padding=padding).double()
    maps = complex_normal(3, 2, 8, 7).requires_grad_()
    parameters = [maps, inner.weight, outer.weight]
    ours, theirs = as_complex(outer.after(inner, as_planes(maps))), native(outer, native(inner, maps))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    cotangent = complex_normal(*theirs.shape, seed=1)
    for mine, reference in zip(
        torch.autograd.grad(ours, parameters, cotangent),
        torch.autograd.grad(theirs, parameters, cotangent),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference, rtol=1e-12, atol=1e-12)


def test_convolutions_with_groups_or_bias_are_not_joined() -> None:
    planes, plain = torch.zeros(1, 2, 4, 5, 5), ComplexConv2d(4, 4, 3)
    for other in (ComplexConv2d(4, 4, 3, groups=2), ComplexConv2d(4, 4, 3, bias=True)):
        with pytest.raises(ValueError, match="without groups, bias"):
            plain.after(other, planes)
        with pytest.raises(ValueError, match="without groups, bias"):
            other.after(plain, planes)


@pytest.mark.parametrize("form", ["block", "gauss"])
@pytest.mark.parametrize("groups", [1, 2])
def test_autocast_rounds_forward_and_backward_and_no_more(form: Form, groups: int) -> None:
    torch.manual_seed(0)
    layer = ComplexConv2d(4, 8, 3, stride=2, padding=1, groups=groups, form=form)
    planes = torch.randn(3, 2, 4, 9, 9, requires_grad=True)
    inputs = (planes, layer.weight)
    exact = layer(planes)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = layer(planes)
    cotangent = torch.randn_like(exact)
    expected = torch.autograd.grad(exact, inputs, cotangent)
    found = torch.autograd.grad(rounded, inputs, cotangent.to(rounded.dtype))
    assert rounded.dtype == torch.bfloat16
    for one, other in zip((rounded.float(), *found), (exact, *expected), strict=True):
        assert one.dtype == torch.float32
        # Eight bits of mantissa, and sums of rounded products.
        assert float((one - other).detach().norm() / other.detach().norm()) < 0.01


def test_the_input_gradient_of_many_groups_takes_the_grouped_path() -> None:
    layer = ComplexConv2d(8, 8, 3, groups=8).double()
    maps = complex_normal(2, 8, 5, 5).requires_grad_()
    ours, theirs = as_complex(layer(as_planes(maps))), native(layer, maps)
    cotangent = complex_normal(*theirs.shape, seed=1)
    torch.testing.assert_close(
        torch.autograd.grad(ours, maps, cotangent), torch.autograd.grad(theirs, maps, cotangent), rtol=1e-12, atol=1e-12
    )
