"""Division and conjugate layers against their formulae, at zero and under scaling."""

import pytest
import torch
from support.complex_maps import SCALE, close, compare_gradients, complex_normal, gradients_of_sum
from torch.nn import functional

from phasebench.nn.complex.arithmetic import scale_channels
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.invariant import Conjugate, Division, divide
from phasebench.nn.complex.layout import as_complex, as_planes


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
