"""Activations beside their formulae in native complex arithmetic."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from phasebench.nn.complex.activation import ModReLU, cardioid, complex_relu, tangent_relu, z_relu
from phasebench.nn.complex.conv import ComplexConv2d
from support.complex_maps import Function

BIAS = (-0.9, -0.3, 0.0, 0.4, 1.1)


def mod_relu(bias: tuple[float, ...] = BIAS) -> ModReLU:
    layer = ModReLU(len(bias)).double()
    with torch.no_grad():
        layer.bias.copy_(torch.tensor(bias, dtype=torch.float64))
    return layer


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


def plain_threshold(maps: Tensor, factor: Tensor | None, threshold: float) -> Tensor:
    """The printed formula; autograd supplies its gradient."""
    phase = maps.angle().clamp(min=0.0)
    if factor is not None:
        phase = phase * factor[:, None, None]
    return torch.polar(maps.abs().clamp(min=threshold), phase)


def assert_autocast_rounds(layer: Function, channels: int) -> None:
    """Under autocast almost all values behind a convolution change by a rounding, and gradients are finite."""
    layer = layer.float() if isinstance(layer, nn.Module) else layer
    convolution = ComplexConv2d(3, channels, 3, padding=1)
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
