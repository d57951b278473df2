"""Block convolution on a CPU.

The operator here is opaque to ``torch.compile``: what it fuses lies between convolutions and sees contiguous planes
alone, which it vectorises. Left to itself it gives convolutions channels-last maps, mixes both layouts and does not.
Which layout the backward takes was measured; see ``benchmarks/training_step.py``.

The operators are registered one function at a time: ``torch.library.custom_op`` would import the compiler, which takes
a second, when they are first called.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# With up to so many groups the input's gradient comes faster from a dense kernel that is zero between groups.
MOST_GROUPS_DENSE = 4
# The library blocks channels by 16; with fewer, the kernel's gradient comes faster from channels-last maps.
CHANNEL_BLOCK = 16


_CONVOLUTION = "phasebench::block_convolution"
_CONVOLUTION_BACKWARD = "phasebench::block_convolution_backward"


def block_convolution(planes: Tensor, kernel: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    """Convolve planes with a real kernel that mixes real and imaginary parts.

    Parameters
    ----------
    planes : Tensor
        Shape ``(N, 2, C_in, H, W)``, on a CPU.
    kernel : Tensor
        Shape ``(2 C_out, 2 C_in / groups, k, k)``, channels in the order (groups, 2, rest) on both sides.
    stride, padding, groups : int
        As in :func:`torch.nn.functional.conv2d`.

    Returns
    -------
    Tensor
        Shape ``(N, 2, C_out, H', W')``, contiguous.
    """
    convolved: Tensor = torch.ops.phasebench.block_convolution.default(planes, kernel, stride, padding, groups)
    return convolved


def _define(name: str, function: Callable[..., Any], shapes: Callable[..., Any]) -> None:
    """Register an operator by its implementation on CPUs, which changes no argument, and one that only gives shapes."""
    schema = torch.library.infer_schema(function, mutates_args=())
    torch.library.define(name, schema, tags=(torch.Tag.pt2_compliant_tag,))
    torch.library.impl(name, "cpu", function)
    torch.library.register_fake(name, shapes)


def _convolve(planes: Tensor, kernel: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    maps = planes_to_groups(planes, groups)
    return groups_to_planes(functional.conv2d(maps, kernel, None, stride, padding, 1, groups), groups)


def planes_to_groups(planes: Tensor, groups: int) -> Tensor:
    """Planes ``(N, 2, C, H, W)`` as maps ``(N, 2C, H, W)``, contiguous, each group's channels together."""
    return _swap(planes.flatten(1, 2), 2, groups).contiguous()


def groups_to_planes(maps: Tensor, groups: int) -> Tensor:
    """Undo :func:`planes_to_groups`."""
    return torch.unflatten(_swap(maps.contiguous(), groups, 2), 1, (2, -1))


def _swap(maps: Tensor, outer: int, inner: int) -> Tensor:
    """Reorder channels ``(outer, inner, rest)`` to ``(inner, outer, rest)``."""
    if outer == 1 or inner == 1:
        return maps
    return torch.unflatten(maps, 1, (outer, inner, -1)).transpose(1, 2).flatten(1, 3)


def _convolved_shape(planes: Tensor, kernel: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    batch, _, _, *sizes = planes.shape
    height, width = ((size + 2 * padding - kernel.shape[2]) // stride + 1 for size in sizes)
    return planes.new_empty(batch, 2, kernel.shape[0] // 2, height, width)


_define(_CONVOLUTION, _convolve, _convolved_shape)


def _gradients(
    gradient: Tensor, planes: Tensor, kernel: Tensor, stride: int, padding: int, groups: int, of_planes: bool
) -> tuple[Tensor, Tensor]:
    """Gradients with respect to the planes (empty unless asked for) and to the kernel."""
    maps, gradient = planes_to_groups(planes, groups), planes_to_groups(gradient, groups)

    def backward(gradient: Tensor, maps: Tensor, kernel: Tensor, groups: int, wanted: list[bool]) -> list[Tensor]:
        geometry = ([stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups)
        return list(torch.ops.aten.convolution_backward(gradient, maps, kernel, None, *geometry, wanted))

    pair = (gradient, maps)
    if kernel.shape[1] < CHANNEL_BLOCK:
        pair = (_channels_last(gradient), _channels_last(maps))
    grad_kernel = backward(*pair, kernel, groups, [False, True, False])[1].contiguous()
    if not of_planes:
        return gradient.new_empty(0), grad_kernel
    if 1 < groups <= MOST_GROUPS_DENSE:
        # Of the maps only shape and layout are read here.
        like = torch.empty_like(maps, memory_format=torch.channels_last)
        dense = _dense_kernel(kernel, groups)
        grad_maps = backward(_channels_last(gradient), like, dense, 1, [True, False, False])[0]
        return groups_to_planes(grad_maps, 1), grad_kernel
    return groups_to_planes(backward(gradient, maps, kernel, groups, [True, False, False])[0], groups), grad_kernel


def _gradient_shapes(
    gradient: Tensor, planes: Tensor, kernel: Tensor, stride: int, padding: int, groups: int, of_planes: bool
) -> tuple[Tensor, Tensor]:
    return gradient.new_empty(planes.shape if of_planes else (0,)), kernel.new_empty(kernel.shape)


_define(_CONVOLUTION_BACKWARD, _gradients, _gradient_shapes)


def _channels_last(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last)


def _dense_kernel(kernel: Tensor, groups: int) -> Tensor:
    """The kernel without groups, its input channels in the planes' own order (2, groups, rest)."""
    blocks = kernel.unflatten(0, (groups, -1)).unflatten(2, (2, -1))
    rows, channels, size = blocks.shape[1], blocks.shape[3], blocks.shape[4]
    dense = kernel.new_zeros(groups, rows, 2, groups, channels, size, size)
    dense.diagonal(dim1=0, dim2=3).copy_(blocks.movedim(0, -1))
    return dense.flatten(2, 4).flatten(0, 1)


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    planes, kernel, ctx.stride, ctx.padding, ctx.groups = inputs
    ctx.save_for_backward(planes, kernel)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    planes, kernel = ctx.saved_tensors
    of_planes = ctx.needs_input_grad[0]
    grad_planes, grad_kernel = torch.ops.phasebench.block_convolution_backward.default(
        gradient, planes, kernel, ctx.stride, ctx.padding, ctx.groups, of_planes
    )
    return grad_planes if of_planes else None, grad_kernel, None, None, None


torch.library.register_autograd(_CONVOLUTION, _backward, setup_context=_keep_for_backward)
# Autocast casts the arguments, as it does those of any convolution, and is off inside.
torch.library.register_autocast(_CONVOLUTION, "cpu", torch.bfloat16)
