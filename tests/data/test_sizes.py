"""Sizes of data sets, prepared or not."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.squares import make_spec, write_squares

from phasebench.data.shards.registry import SHARDED_SOURCES
from phasebench.data.sizes import PUBLISHED, DatasetSize, size_of
from phasebench.data.sources.registry import SOURCES
from phasebench.data.splits import training_size, training_split


def test_a_manifest_says_the_size(tmp_path: Path) -> None:
    manifest = write_squares(tmp_path).with_suffix(".json")
    size = size_of("cifar10", {}, manifest)
    assert size == DatasetSize(100, 40, (32, 32, 3), 2)
    assert (size.image_size, size.values, size.trained_on(make_spec())) == ((32, 32), 3072, 90)


def test_without_a_manifest_the_source_is_known_or_not(tmp_path: Path) -> None:
    missing = tmp_path / "d.json"
    assert size_of("cifar10", {}, missing) is PUBLISHED["cifar10"]
    assert size_of("cifar10", {"path": "elsewhere"}, missing) is None
    assert size_of("colour_shapes", {"n_train": 60, "n_test": 20}, missing) == DatasetSize(60)
    assert size_of("audio_folder", {}, missing) is None
    missing.write_text(json.dumps({"n_train": "many"}))
    assert size_of("cifar10", {}, missing) is PUBLISHED["cifar10"]


def test_published_sizes_are_of_sources_that_exist() -> None:
    assert set(PUBLISHED) <= {*SOURCES, *SHARDED_SOURCES}


@pytest.mark.parametrize(("n", "fraction", "validation"), [(73_257, 1.0, 0.1), (100, 0.05, 0.2), (11, 0.9, 0.0)])
def test_the_training_size_is_that_of_the_split(n: int, fraction: float, validation: float) -> None:
    train, _ = training_split(np.arange(n), 0, fraction, validation)
    assert training_size(n, fraction, validation) == len(train)
