"""Optimisers and learning-rate schedules of the recipes."""

from inspect import unwrap

import numpy as np
import torch
from torch import nn

from phasebench.specs.run import Recipe


# Around these methods torch has wrappers that import its compiler, which takes more than a second, to keep it out.
class _Eager(torch.optim.Optimizer):
    """Methods of torch's optimisers as they run without ``torch.compile``."""

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)


class _AdamW(_Eager, torch.optim.AdamW):
    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))


class _Sgd(_Eager, torch.optim.SGD):
    step = torch.no_grad()(unwrap(torch.optim.SGD.step))


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over all parameters; weight decay applies to every one of them."""
    if recipe.optimizer == "adamw":
        return _AdamW(
            model.parameters(),
            lr=recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
    return _Sgd(
        model.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
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
        group["lr"] = rate
