"""Data-parallel form of a network."""

import pytest
from torch import nn

from phasebench.common.errors import PhasebenchError
from phasebench.common.processes import ALONE, Processes
from phasebench.nn.spectral.norm import SpectralBatchNorm2d
from phasebench.specs.run import Recipe
from phasebench.training.distribution import check_shares, distributed_form, synchronise

RECIPE = Recipe(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=0.001,
    batch_size=16,
    steps=30,
    validate_every=10,
    augmentation="crop_flip",
    track_test=True,
    clip_norm=3.0,
)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    check_shares(RECIPE, 90, Processes(0, 10))
    check_shares(RECIPE, 96, Processes(0, 16))
    with pytest.raises(PhasebenchError, match=r"recipe\.processes: 11 processes cannot share .* batch of 10 samples"):
        check_shares(RECIPE, 90, Processes(0, 11))


def test_batch_normalisation_is_synchronised_on_gpus_alone() -> None:
    class Normalised(nn.Sequential):
        pass

    spectral = Normalised(nn.Conv2d(3, 4, 3), SpectralBatchNorm2d(4))
    assert synchronise(spectral, Processes(0, 2)) is spectral
    assert spectral[1].options.synchronised
    with pytest.raises(PhasebenchError, match=r"recipe\.synchronised: batch normalisation .* on GPUs alone"):
        synchronise(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), Processes(0, 2))


def test_a_network_that_is_alone_stays_as_it_is() -> None:
    layer = nn.Linear(2, 2)
    assert distributed_form(layer, ALONE) is layer
    assert synchronise(layer, ALONE) is layer
