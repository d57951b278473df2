"""Insertion of second normalisations by name."""

import pytest
from torch import nn

from phasebench.nn.spectral.insertion import Insertion
from phasebench.nn.spectral.norm import SpectralBatchNorm2d


@pytest.mark.parametrize(
    ("ablation", "trained", "centre", "divide"),
    [
        ("none", {"weight", "bias"}, True, True),
        ("subtract_only", set(), True, False),
        ("divide_only", set(), False, True),
        ("no_affine", set(), True, True),
        ("weight_only", {"weight"}, False, False),
        ("separate", {"weight", "bias"}, True, True),
    ],
)
def test_ablations_by_name(ablation, trained: set[str], centre: bool, divide: bool) -> None:
    layer = Insertion("SBN4", ablation=ablation).layer(3)
    assert isinstance(layer, SpectralBatchNorm2d)
    assert {name for name, _ in layer.named_parameters()} == trained
    assert (layer.options.centre, layer.options.divide) == (centre, divide)
    assert layer.separate == (ablation == "separate")


def test_the_second_layer_of_the_comparison_is_batch_normalisation() -> None:
    assert isinstance(Insertion("2BN34").layer(7), nn.BatchNorm2d)
