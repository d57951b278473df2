"""Sums over the processes of a distributed training run, with their gradients."""

from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable


def process_count() -> int:
    """Processes of the run; 1 where it is not distributed."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def sum_over_processes(*values: Tensor) -> tuple[Tensor, ...]:
    """Add the tensors of all processes in one message.

    Parameters
    ----------
    *values : Tensor
        Of one type; every process has the same shapes.

    Returns
    -------
    tuple of Tensor
        The sums, the same in every process.
    """
    if process_count() == 1:
        return values
    sums: Tensor = _SumOverProcesses.apply(torch.cat([value.flatten() for value in values]))  # type: ignore[no-untyped-call]
    parts = sums.split([value.numel() for value in values])
    return tuple(part.view(value.shape) for part, value in zip(parts, values, strict=True))


class _SumOverProcesses(torch.autograd.Function):
    """Sum over processes and its gradient, summed as well, since the loss of every process depends on it."""

    @staticmethod
    def forward(_ctx: Any, values: Tensor) -> Tensor:
        values = values.clone()
        distributed.all_reduce(values)
        return values

    @staticmethod
    @once_differentiable
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient)
        return gradient
