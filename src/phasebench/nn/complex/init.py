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
