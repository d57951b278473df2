"""Initialisations of complex layers: moments, phases, orthogonality and seeds."""

import math
from collections.abc import Callable

import pytest
import torch

from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.init import fan_out_normal_, he_rayleigh_, he_unitary_


def test_fan_out_initialisation() -> None:
    layer = fan_out_normal_(ComplexConv2d(32, 64, 3, groups=4), 16)
    assert layer.weight[0].std().item() == pytest.approx(0.0589, rel=0.05)
    assert layer.weight[1].std().item() == pytest.approx(0.0589, rel=0.05)


def test_rayleigh_initialisation_has_the_modulus_and_phase_of_its_name() -> None:
    torch.manual_seed(0)
    weight = torch.complex(*he_rayleigh_(ComplexConv2d(32, 64, 3, groups=2)).weight.detach())
    sigma = 1.0 / math.sqrt(16 * 9)
    assert weight.real.std().item() == pytest.approx(sigma, rel=0.05)
    assert weight.imag.std().item() == pytest.approx(sigma, rel=0.05)
    modulus = weight.abs()
    assert modulus.mean().item() == pytest.approx(sigma * math.sqrt(math.pi / 2), rel=0.05)
    assert modulus.median().item() == pytest.approx(sigma * math.sqrt(2 * math.log(2)), rel=0.05)
    octants = torch.histc(weight.angle(), 8, -math.pi, math.pi) / weight.numel()
    torch.testing.assert_close(octants, torch.full((8,), 0.125), rtol=0.1, atol=0.0)


@pytest.mark.parametrize(("in_channels", "out_channels", "size"), [(11, 22, 3), (2, 12, 3), (12, 12, 1), (1, 4, 3)])
def test_unitary_initialisation_is_orthogonal_with_the_variance_of_he(
    in_channels: int, out_channels: int, size: int
) -> None:
    torch.manual_seed(0)
    weight = he_unitary_(ComplexConv2d(in_channels, out_channels, size).double()).weight.detach()
    matrix = torch.complex(*weight).flatten(2).flatten(0, 1)
    gram = matrix.mH @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.mH
    fan_in = in_channels * size**2
    expected = 2.0 / fan_in * max(matrix.shape) * torch.eye(len(gram), dtype=gram.dtype)
    torch.testing.assert_close(gram, expected)
    assert weight.square().mean().item() == pytest.approx(1.0 / fan_in)
    if matrix.numel() > 1000:
        parts = weight.square().mean(dim=(1, 2, 3, 4)) * fan_in
        assert parts.tolist() == pytest.approx([1.0, 1.0], rel=0.05)


@pytest.mark.parametrize("initialise", [he_rayleigh_, he_unitary_])
def test_initialisations_follow_the_seed(initialise: Callable[[ComplexConv2d], ComplexConv2d]) -> None:
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(initialise(ComplexConv2d(3, 4, 3, bias=True)).weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.allclose(weights[0], weights[2])
