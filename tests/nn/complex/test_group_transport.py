"""G-transport against products with complex numbers."""

import math

import torch
from support.complex_maps import close, compare_gradients, complex_normal
from support.polar_maps import complex_of, polar_of
from torch import nn

from phasebench.nn.complex.frechet_mean import WeightedFrechetMean2d
from phasebench.nn.complex.group_transport import GTransport

PI = math.pi


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
