"""Compiling a network where the machine can."""

import shutil
from collections.abc import Callable

import torch
from torch import Tensor, nn

Forward = Callable[[Tensor], Tensor]


def compile_if_possible(model: nn.Module) -> tuple[Forward, str]:
    """``torch.compile`` the model if its device has a compiler.

    Returns
    -------
    forward : callable
        The compiled form, or the model itself.
    how : str
        What was done and why, for the log.
    """
    device = next(model.parameters()).device.type
    if device == "cpu" and shutil.which("g++") is None and shutil.which("clang++") is None:
        return model, "eager: no C++ compiler on this machine"
    return torch.compile(model, dynamic=False), "torch.compile"
