"""Complex convolution (Singhal, Xing and Yu 2022, section 3.1, eq. 1)."""

import functools
import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from phasebench.nn.complex.arithmetic import multiply, multiply_matrices
from phasebench.nn.complex.cpu_convolution import block_convolution, groups_to_planes, planes_to_groups

Form = Literal["block", "gauss"]


class ComplexConv2d(nn.Module):
    """Complex convolution ``W * z = (A * x - B * y) + i (A * y + B * x)`` with ``W = A + iB`` and ``z = x + iy``.

    Trabelsi et al. 2018, section 3.2; Singhal, Xing and Yu 2022, eq. 1. As in torch it is a cross-correlation. Without
    bias, the default, it is the latter's *EConv*: linear, hence equivariant to phase and magnitude. A bias breaks that.
    Padding is with zeros.

    Parameters
    ----------
    in_channels, out_channels : int
        Complex channels.
    kernel_size, stride, padding : int
        As in :class:`torch.nn.Conv2d`.
    groups : int
        Both channel counts are divisible by it.
    bias : bool
        Add one complex number per output channel.
    form : {"block", "gauss"}
        ``block``: one real convolution with [[A, -B], [B, A]]. ``gauss``: three real convolutions, Gauss' trick.
        They differ by rounding alone.

    Raises
    ------
    ValueError
        Channels are not divisible by ``groups``.

    Examples
    --------
    >>> layer = ComplexConv2d(3, 16, kernel_size=3, stride=2, padding=1)
    >>> layer(torch.randn(2, 2, 3, 32, 32)).shape
    torch.Size([2, 2, 16, 16, 16])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        bias: bool = False,
        form: Form = "block",
    ) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{in_channels} -> {out_channels} channels cannot be split into {groups} groups")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.padding, self.groups = kernel_size, stride, padding, groups
        self.form = form
        self.weight = nn.Parameter(torch.empty(2, out_channels, in_channels // groups, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(2, out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw A and B as :class:`torch.nn.Conv2d` draws its kernel; a bias starts at zero."""
        bound = 1.0 / math.sqrt(self.weight[0, 0].numel())
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, planes: Tensor, scale: Tensor | None = None) -> Tensor:
        """Convolve and, if asked to, multiply the output channels by complex numbers.

        Parameters
        ----------
        planes : Tensor
            Shape ``(N, 2, C_in, H, W)``.
        scale : Tensor, optional
            ``c``, shape ``(2, C_out)``. It is folded into the kernel, ``c (W * z) = (c W) * z``, which spares the
            passes over the output.

        Returns
        -------
        Tensor
            Shape ``(N, 2, C_out, H', W')``.

        Raises
        ------
        ValueError
            ``scale`` is given to a convolution with a bias.
        """
        weight: Tensor = self.weight
        if scale is not None:
            if self.bias is not None:
                raise ValueError("a scale is folded into the kernel and cannot reach the bias; give bias=False")
            weight = multiply(scale[:, :, None, None, None], weight, dim=0)
        result = self._convolve(planes, weight)
        return result if self.bias is None else result + self.bias[None, :, :, None, None]

    def after(self, convolution: "ComplexConv2d", planes: Tensor) -> Tensor:
        """``self(convolution(planes))`` without the map in between; equal up to rounding.

        Both kernels are multiplied over the channels between them. One convolution then gives the products of each of
        this layer's taps, which are shifted and added. It is faster if this layer has few output channels.

        Parameters
        ----------
        convolution : ComplexConv2d
            Without groups and bias.
        planes : Tensor
            Its input, shape ``(N, 2, C, H, W)``.

        Returns
        -------
        Tensor
            Shape ``(N, 2, C_out, H', W')``.

        Raises
        ------
        ValueError
            One of the two has groups or a bias, or this one a stride.
        """
        biased = self.bias is not None or convolution.bias is not None
        if biased or max(self.groups, convolution.groups, self.stride) > 1:
            raise ValueError("only convolutions without groups, bias and outer stride are joined")
        taps = self.weight.flatten(3).permute(0, 3, 1, 2).flatten(1, 2)
        kernel = multiply_matrices(taps, convolution.weight.flatten(2)).unflatten(2, convolution.weight.shape[2:])
        products = convolution._convolve(planes, kernel).unflatten(2, (self.kernel_size**2, -1))
        # A negative width of a pad crops.
        shifted = [functional.pad(values, self._shift(tap)) for tap, values in enumerate(products.unbind(2))]
        return functools.reduce(torch.add, shifted)

    def _shift(self, tap: int) -> tuple[int, int, int, int]:
        """Widths that move a map so that the pixel under a tap comes to the output's place."""
        row, column = divmod(tap, self.kernel_size)
        last = self.kernel_size - 1
        return (
            self.padding - column,
            self.padding - last + column,
            self.padding - row,
            self.padding - last + row,
        )

    def _convolve(self, planes: Tensor, weight: Tensor) -> Tensor:
        return self._block(planes, weight) if self.form == "block" else self._gauss(planes, weight)

    def _block(self, planes: Tensor, weight: Tensor) -> Tensor:
        re, im = weight.unflatten(1, (self.groups, -1)).unbind(0)
        block = torch.stack((torch.cat((re, -im), dim=2), torch.cat((im, re), dim=2)), dim=1).flatten(0, 2)
        if planes.device.type == "cpu":
            result: Tensor = block_convolution(planes, block, self.stride, self.padding, self.groups)
            return result
        maps = planes_to_groups(planes, self.groups)
        maps = functional.conv2d(maps, block, None, self.stride, self.padding, 1, self.groups)
        return groups_to_planes(maps, self.groups)

    def _gauss(self, planes: Tensor, weight: Tensor) -> Tensor:
        def convolve(maps: Tensor, kernel: Tensor) -> Tensor:
            return functional.conv2d(maps, kernel, None, self.stride, self.padding, 1, self.groups)

        re, im = weight.unbind(0)
        first = convolve(planes[:, 0], re)
        second = convolve(planes[:, 1], im)
        third = convolve(planes[:, 0] + planes[:, 1], re + im)
        return torch.stack((first - second, third - first - second), dim=1)

    def extra_repr(self) -> str:
        """The arguments, for ``print(model)``."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, groups={self.groups}, bias={self.bias is not None}, form={self.form}"
        )
