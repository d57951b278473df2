"""Maps on the manifold of modulus and phase for the tests of layers, and definitions in native complex arithmetic."""

import torch
from torch import Tensor

from phasebench.nn.complex.frechet_mean import WeightedFrechetMean2d
from phasebench.nn.complex.layout import as_planes
from phasebench.nn.complex.manifold import to_polar
from support.complex_maps import close


def polar_of(maps: Tensor) -> Tensor:
    return to_polar(as_planes(maps))


def complex_of(polar: Tensor) -> Tensor:
    """The complex numbers a polar representation stands for; refuses directions that are not of unit length."""
    close(polar[:, 1].square() + polar[:, 2].square(), torch.ones_like(polar[:, 1]))
    return polar[:, 0].exp() * torch.complex(polar[:, 1], polar[:, 2])


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
