"""Equivariant batch normalisation against its formula."""

import cmath

import torch
from support.complex_maps import close, compare_gradients, complex_normal
from torch import Tensor

from phasebench.nn.complex.equivariant_norm import EquivariantBatchNorm2d
from phasebench.nn.complex.layout import as_complex, as_planes


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
