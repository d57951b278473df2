"""Precision and memory layout."""

import torch
from support.squares import RECIPE
from torch import nn

from phasebench.training.numerics import place


def test_kernels_may_have_channels_last_and_compute_the_same() -> None:
    torch.manual_seed(0)
    model, images = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)), torch.randn(2, 3, 9, 9)
    expected = model(images)
    assert place(model, RECIPE, torch.device("cpu"))[0].weight.is_contiguous()
    recipe = RECIPE.model_copy(update={"channels_last": True})
    assert place(model, recipe, torch.device("cpu")) is model
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    found = model(images)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected)
