"""Which encodings and sources are of images with colours, as the checks of suites believe."""

from pathlib import Path

import numpy as np
import pytest
import torch

from phasebench.common.errors import PhasebenchError
from phasebench.data.encodings.registry import COLOUR_ENCODINGS, ENCODINGS, load_encoding
from phasebench.data.sources.registry import COLOURLESS_SOURCES, SOURCES, load_source
from phasebench.specs.run import Scalar

# Sources that need no raw files, as small as they can be; of the others their docstrings give the shapes.
EMBEDDED: dict[str, dict[str, Scalar]] = {
    "digits": {"size": 8},
    "colour_shapes": {"n_train": 10, "n_test": 10},
    "simulated_mstar": {"n_train_per_class": 1, "n_test_per_class": 1},
    "music_clips": {"classes": "classical,rock", "tracks_per_class": 2, "test_per_class": 1},
}
WITH_COLOURS = {"cifar10", "cifar100", "svhn", "colour_shapes"}


@pytest.mark.parametrize("name", ENCODINGS)
def test_an_encoding_of_colours_reads_colours(name: str) -> None:
    samples = torch.randint(1, 256, (2, 8, 8, 3), dtype=torch.uint8)
    encoding = load_encoding(name)
    if name in COLOUR_ENCODINGS:
        assert len(encoding(samples, encoding.statistics(samples))) == 2
        return
    # Some read whatever they get, but not as colours.
    with pytest.raises((PhasebenchError, RuntimeError, IndexError)):
        encoding(samples, encoding.statistics(samples))


def test_every_source_is_one_or_the_other() -> None:
    assert SOURCES.keys() - {"hdf5", "arrays", "function"} == COLOURLESS_SOURCES | WITH_COLOURS
    assert not COLOURLESS_SOURCES & WITH_COLOURS


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_source_without_colours_has_none(name: str, tmp_path: Path) -> None:
    samples = load_source(name, EMBEDDED[name], tmp_path, False).samples
    has_colours = samples.dtype == np.uint8 and samples.shape[-1] == 3
    assert has_colours == (name in WITH_COLOURS) == (name not in COLOURLESS_SOURCES)
