"""Optimisers and learning-rate schedules of the recipes."""

from inspect import unwrap
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from phasebench.specs.run import Recipe
from phasebench.training.cuda_graph import replays


# Around these methods torch has wrappers that import its compiler, which takes more than a second, to keep it out.
class _Eager(torch.optim.Optimizer):
    """Methods of torch's optimisers as they run without ``torch.compile``."""

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)
    _load = unwrap(torch.optim.Optimizer.load_state_dict)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a saved state over; the settings stay, which are the recipe's and this device's."""
        self._load({"state": state_dict["state"], "param_groups": self.state_dict()["param_groups"]})


class _AdamW(_Eager, torch.optim.AdamW):
    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))


class Sgd(_Eager, torch.optim.SGD):
    """Torch's stochastic gradient descent."""

    step = torch.no_grad()(unwrap(torch.optim.SGD.step))


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over all parameters; weight decay applies to every one of them.

    On a card it is one kernel, and where the step is to be recorded the rate is a tensor on the card.
    """
    device = next(model.parameters()).device
    # The kernels are for real numbers alone.
    fused = not any(parameter.is_complex() for parameter in model.parameters())
    graphed = replays(recipe, device)
    rate = torch.tensor(recipe.learning_rate, device=device) if graphed else recipe.learning_rate
    if recipe.optimizer == "adamw":
        return _AdamW(
            model.parameters(),
            lr=rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
            fused=fused,
            capturable=graphed,
        )
    return Sgd(
        model.parameters(),
        lr=rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=(device.type == "cuda" and fused) or None,
    )


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """The learning rate at a (fractional) epoch: constant, linear between the schedule's knots, or in steps."""
    if recipe.milestones is not None:
        passed = sum(epoch >= milestone for milestone in recipe.milestones)
        return float(recipe.learning_rate * recipe.milestone_factor**passed)
    if recipe.schedule is None:
        return recipe.learning_rate
    epochs, rates = zip(*recipe.schedule, strict=True)
    return float(np.interp(epoch, epochs, rates))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group this learning rate."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            # A recording reads this tensor.
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
