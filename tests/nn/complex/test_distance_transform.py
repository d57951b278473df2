"""Distance transforms against their definitions."""

import pytest
import torch
from support.complex_maps import SCALE, close, compare_gradients, complex_normal
from support.polar_maps import plain_distance, plain_mean, polar_of

from phasebench.nn.complex.distance_transform import GlobalDistanceTransform, LocalDistanceTransform


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
