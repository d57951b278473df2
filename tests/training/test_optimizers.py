"""Optimisers and learning-rate schedules."""

import pytest
import torch
from support.squares import RECIPE
from torch import nn

from phasebench.specs.run import Recipe
from phasebench.training.optimizers import build_optimizer, learning_rate


def test_the_schedule_is_linear_between_its_knots() -> None:
    recipe = RECIPE.model_copy(update={"schedule": [(0.0, 0.01), (10.0, 0.2), (100.0, 0.01)]})
    assert learning_rate(recipe, 5.0) == pytest.approx(0.105)
    assert learning_rate(recipe, 55.0) == pytest.approx(0.105)
    assert learning_rate(recipe, 200.0) == pytest.approx(0.01)
    assert learning_rate(RECIPE, 7.0) == RECIPE.learning_rate


def test_milestones_change_the_rate_from_their_epoch_on() -> None:
    recipe = Recipe(**{**RECIPE.model_dump(), "learning_rate": 0.1, "milestones": (60, 120), "milestone_factor": 0.2})
    rates = [learning_rate(recipe, epoch) for epoch in (0.0, 59.99, 60.0, 119.99, 120.0, 199.0)]
    assert rates == pytest.approx([0.1, 0.1, 0.02, 0.02, 0.004, 0.004])
    with pytest.raises(ValueError, match="at most one of 'schedule' and 'milestones'"):
        Recipe(**{**recipe.model_dump(), "schedule": [(0.0, 0.1)]})


def test_optimisers_take_the_recipes_settings() -> None:
    adamw = build_optimizer(nn.Linear(3, 2), RECIPE)
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.defaults["betas"] == (0.99, 0.999)
    assert adamw.defaults["weight_decay"] == 0.1
    sgd = build_optimizer(
        nn.Linear(3, 2), RECIPE.model_copy(update={"optimizer": "sgd", "momentum": 0.9, "nesterov": True})
    )
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.defaults["momentum"] == 0.9
    assert sgd.defaults["nesterov"]
