"""Data-parallel form of a network that several processes train together."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from phasebench.common.errors import PhasebenchError
from phasebench.common.processes import Processes
from phasebench.nn.spectral.norm import SpectralBatchNorm2d
from phasebench.specs.run import Recipe


def check_shares(recipe: Recipe, n_train: int, processes: Processes) -> None:
    """Raise a PhasebenchError if some batch would leave a process without a sample."""
    smallest = n_train % recipe.batch_size or recipe.batch_size
    if smallest < processes.count:
        raise PhasebenchError(
            f"recipe.processes: {processes.count} processes cannot share an epoch's last batch of {smallest} samples; "
            "change recipe.batch_size"
        )


def synchronise(model: nn.Module, processes: Processes) -> nn.Module:
    """Let normalisations take their statistics over all processes.

    Raises
    ------
    PhasebenchError
        The network has batch normalisations and is not on a GPU, where torch alone can synchronise them.
    """
    for module in model.modules():
        if isinstance(module, SpectralBatchNorm2d):
            module.options = replace(module.options, synchronised=True)
    if processes.count == 1 or not any(isinstance(module, _BatchNorm) for module in model.modules()):
        return model
    if next(model.parameters()).device.type != "cuda":
        raise PhasebenchError("recipe.synchronised: batch normalisation is synchronised on GPUs alone; set it to false")
    synchronised: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return synchronised


def distributed_form(model: nn.Module, processes: Processes) -> nn.Module:
    """The network with gradients averaged over all processes and buffers of the first; itself where it is alone."""
    if processes.count == 1:
        return model
    device = next(model.parameters()).device
    options: dict[str, Any] = {"device_ids": [torch.cuda.current_device()]} if device.type == "cuda" else {}
    return DistributedDataParallel(model, gradient_as_bucket_view=True, **options)
