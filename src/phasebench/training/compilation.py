"""Compilation of a network with ``torch.compile`` where the machine has a compiler."""

import shutil
from collections.abc import Callable

import torch
from torch import Tensor, nn

Forward = Callable[[Tensor], Tensor]
COMPILED = "torch.compile"


def compile_if_possible(model: nn.Module) -> tuple[Forward, str]:
    """``torch.compile`` the model if its device has a compiler; what cannot be compiled runs eagerly all the same.

    Returns
    -------
    forward : callable
        The compiled form, or the model itself.
    how : str
        The form that was chosen, and the reason, for the log.
    """
    device = next(model.parameters()).device.type
    if device == "cpu" and shutil.which("g++") is None and shutil.which("clang++") is None:
        return model, "eager: no C++ compiler on this machine"
    # A graph that the compiler fails on is run as it stands instead of ending the run.
    torch._dynamo.config.suppress_errors = True
    return torch.compile(model, dynamic=False), COMPILED
