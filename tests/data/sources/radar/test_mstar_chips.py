"""The size of the whole distribution, against the totals that the study gives and implies."""

import numpy as np
import pytest

from phasebench.data.sources.radar.mstar import CLASSES
from phasebench.data.sources.radar.mstar_chips import CHIPS, missing_chips
from phasebench.data.splits import training_split


def whole() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    labels = np.concatenate([np.repeat(np.arange(10), [CHIPS[name][split] for name in CLASSES]) for split in (0, 1)])
    return labels, {"train": np.arange(6059), "test": np.arange(6059, len(labels))}


def test_totals_and_the_share_of_the_largest_class() -> None:
    train, test = (np.array([counts[split] for counts in CHIPS.values()]) for split in (0, 1))
    assert (train.sum(), test.sum()) == (6059, 5392)
    assert tuple(CHIPS) == CLASSES
    # 11 variants of the T72 make it every second chip.
    assert (CHIPS["t72"][1], test.max()) == (2771, 2771)
    assert test.max() / test.sum() == pytest.approx(0.5139, abs=5e-5)


@pytest.mark.parametrize(
    ("fraction", "sizes"),
    [(0.05, (271, 31)), (0.1, (544, 61)), (0.5, (2726, 303)), (0.9, (4907, 546)), (1.0, (5453, 606))],
)
def test_published_split_sizes(fraction: float, sizes: tuple[int, int]) -> None:
    _, splits = whole()
    assert tuple(len(part) for part in training_split(splits["train"], 0, fraction, 0.1)) == sizes


def test_the_whole_distribution_lacks_nothing() -> None:
    labels, splits = whole()
    assert missing_chips(labels, splits, CLASSES) == []
    assert missing_chips(labels, {**splits, "test": splits["test"][:-5]}, CLASSES) == ["zsu23-4: 269 of 274 test"]
