"""Initialisation of complex layers."""

import math

import torch
from torch import Tensor, nn

from phasebench.nn.complex.conv import ComplexConv2d


@torch.no_grad()
def fan_out_normal_(convolution: ComplexConv2d, channels: int) -> ComplexConv2d:
    """Draw A and B from N(0, 1 / (2 k² channels)), so that a complex weight has variance 1 / (k² channels).

    Parameters
    ----------
    convolution : ComplexConv2d
        Changed in place and returned.
    channels : int
        The output channels that count as fan; CIFARnet uses those of one group.
    """
    deviation = math.sqrt(0.5) / math.sqrt(convolution.kernel_size**2 * channels)
    nn.init.normal_(convolution.weight, std=deviation)
    return convolution


@torch.no_grad()
def quadrant_uniform_(parameter: Tensor) -> Tensor:
    """Draw real and imaginary parts from U(0, 1): phases start between 0 and 90 degrees."""
    return nn.init.uniform_(parameter, 0.0, 1.0)


@torch.no_grad()
def he_rayleigh_(convolution: ComplexConv2d) -> ComplexConv2d:
    """Draw moduli from Rayleigh(1 / sqrt(fan_in)) and phases uniformly (Trabelsi et al. 2018, section 3.6).

    Such a number is a complex Gaussian: A and B come from N(0, 1 / fan_in), and a complex weight has variance
    2 / fan_in.

    Parameters
    ----------
    convolution : ComplexConv2d
        Changed in place and returned.
    """
    nn.init.normal_(convolution.weight, std=1.0 / math.sqrt(_fan_in(convolution)))
    return convolution


@torch.no_grad()
def glorot_rayleigh_(convolution: ComplexConv2d) -> ComplexConv2d:
    """Draw moduli from Rayleigh(1 / sqrt(fan_in + fan_out)) and phases uniformly (Trabelsi et al. 2018, section 3.6).

    Parameters
    ----------
    convolution : ComplexConv2d
        Changed in place and returned.
    """
    fan_out = convolution.weight[0, :, 0].numel() // convolution.groups
    nn.init.normal_(convolution.weight, std=1.0 / math.sqrt(_fan_in(convolution) + fan_out))
    return convolution


@torch.no_grad()
def he_unitary_(convolution: ComplexConv2d) -> ComplexConv2d:
    """Draw a random semi-unitary matrix, scaled to variance 2 / fan_in (Trabelsi et al. 2018, section 3.6).

    The matrix has a row for each pair of channels and a column for each tap of the kernel, as in the authors' code.
    Its columns are orthogonal and equally long, or its rows if they are fewer.

    Parameters
    ----------
    convolution : ComplexConv2d
        Changed in place and returned.
    """
    weight = convolution.weight
    gaussian = torch.randn_like(torch.complex(*weight.flatten(3).flatten(1, 2)))
    left, _, right = torch.linalg.svd(gaussian, full_matrices=False)
    matrix = math.sqrt(2.0 * max(gaussian.shape) / _fan_in(convolution)) * (left @ right)
    weight.copy_(torch.stack((matrix.real, matrix.imag)).view_as(weight))
    return convolution


def _fan_in(convolution: ComplexConv2d) -> int:
    return convolution.weight[0, 0].numel()
