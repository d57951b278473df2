"""Dropout masks that follow from the seed and the step, so that a resumed run draws the same ones."""

import torch
from torch import nn

from phasebench.common.processes import ALONE, Processes
from phasebench.common.seeding import Stream, generator


def has_dropout(model: nn.Module) -> bool:
    """True if a layer of the model drops units."""
    return any(isinstance(module, nn.Dropout) for module in model.modules())


def seed_dropout(seed: int, step: int, processes: Processes = ALONE) -> None:
    """Seed the global generators, from which dropout layers draw, for one step of one process."""
    draw = step * processes.count + processes.rank
    torch.manual_seed(generator(seed, Stream.DROPOUT, draw).initial_seed())
