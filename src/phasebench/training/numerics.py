"""Precision and memory layout of the computation, as a recipe asks for them."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from phasebench.specs.run import Recipe


def autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager[object]:
    """The recipe's precision for what is computed inside."""
    return torch.autocast(device.type, torch.bfloat16) if recipe.precision == "bfloat16" else nullcontext()


def place(model: nn.Module, recipe: Recipe, device: torch.device) -> nn.Module:
    """The model itself, moved to a device, its kernels in the recipe's layout; the maps follow the kernels."""
    model.to(device)
    if recipe.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model
