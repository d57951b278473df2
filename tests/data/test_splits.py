"""Training subsets have the published sizes and are what the seed says."""

import numpy as np
import pytest

from phasebench.common.errors import PhasebenchError
from phasebench.data.splits import training_split


@pytest.mark.parametrize(
    ("n_samples", "train_fraction", "n_train", "n_validation"),
    [
        (6059, 0.05, 271, 31),
        (6059, 0.10, 544, 61),
        (6059, 0.50, 2726, 303),
        (6059, 0.90, 4907, 546),
        (6059, 1.00, 5453, 606),
        (50000, 1.00, 45000, 5000),
        (73257, 1.00, 65931, 7326),
    ],
)
def test_published_sizes(n_samples: int, train_fraction: float, n_train: int, n_validation: int) -> None:
    train, validation = training_split(np.arange(n_samples), 0, train_fraction, 0.1)
    assert (len(train), len(validation)) == (n_train, n_validation)


@pytest.mark.parametrize("per_cent", range(1, 100))
def test_no_sample_is_lost_to_rounding(per_cent: int) -> None:
    train, validation = training_split(np.arange(1000), 0, 1.0, per_cent / 100)
    assert (len(train), len(validation)) == (1000 - 10 * per_cent, 10 * per_cent)
    kept = training_split(np.arange(1000), 0, per_cent / 100, 0.1)
    assert len(kept[0]) + len(kept[1]) == 10 * per_cent


def test_subsets_are_the_start_of_the_seeded_permutation() -> None:
    pool = np.array([70, 10, 50, 30, 20, 90, 40, 60, 80, 0])
    train, validation = training_split(pool, 7, 0.5, 0.2)
    # np.random.seed(7); np.random.permutation(pool), whose stream numpy has frozen, begins with these five.
    assert train.tolist() == [80, 90, 70, 50]
    assert validation.tolist() == [10]


def test_the_first_samples_in_the_pools_own_order() -> None:
    pool = np.array([70, 10, 50, 30, 20, 90, 40, 60, 80, 0])
    for seed in (0, 7):
        train, validation = training_split(pool, seed, 0.5, 0.2, "first")
        assert train.tolist() == [70, 10, 50, 30]
        assert validation.tolist() == [20]


def test_smaller_fractions_are_nested_and_seeds_differ() -> None:
    pool = np.arange(100, 1100)
    subsets = [set(np.concatenate(training_split(pool, 3, fraction, 0.1))) for fraction in (0.05, 0.5, 1.0)]
    assert subsets[0] < subsets[1] < subsets[2] == set(pool)
    assert training_split(pool, 3, 0.5, 0.1)[0].tolist() != training_split(pool, 4, 0.5, 0.1)[0].tolist()
    assert training_split(pool, 3, 0.5, 0.1)[0].tolist() == training_split(pool, 3, 0.5, 0.1)[0].tolist()


def test_pool_is_not_changed_and_subsets_do_not_overlap() -> None:
    pool = np.arange(50)
    train, validation = training_split(pool, 0, 1.0, 0.3)
    assert pool.tolist() == list(range(50))
    assert sorted([*train, *validation]) == list(range(50))


@pytest.mark.parametrize(("n_samples", "fraction", "validation"), [(5, 0.1, 0.1), (10, 1.0, 0.999), (0, 1.0, 0.1)])
def test_empty_subset_is_refused(n_samples: int, fraction: float, validation: float) -> None:
    with pytest.raises(PhasebenchError, match="train_fraction"):
        training_split(np.arange(n_samples), 0, fraction, validation)
