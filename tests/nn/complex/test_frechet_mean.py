"""Weighted Fréchet means against their definition by windows."""

from typing import Any

import pytest
import torch
from support.complex_maps import SCALE, close, compare_gradients, complex_normal
from support.polar_maps import complex_of, plain_mean, polar_of
from torch import nn
from torch.nn import functional

from phasebench.nn.complex.frechet_mean import WeightedFrechetMean2d
from phasebench.nn.complex.layout import as_planes
from phasebench.nn.complex.manifold import to_polar

MEANS: list[dict[str, Any]] = [
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "padding": 1, "separable": True},
    {"kernel_size": 5, "stride": 2, "separable": True},
    {"kernel_size": 2},
]


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
