"""Bias and variance of classifiers, against numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support.analysed_runs import NOTHING_PUBLISHED, finished_run

from phasebench.analysis.bias_variance import N_REPLICATES, analyse_bias_variance, bias_and_variance
from phasebench.common.errors import PhasebenchError


def test_equal_networks_vary_nowhere_and_their_bias_is_their_error() -> None:
    prediction = np.array([0, 2, 1, 1, 0, 2])
    labels = np.array([0, 1, 1, 0, 0, 0])
    bias, variance = bias_and_variance(np.stack([prediction] * 5), labels)
    assert (variance == 0).all()
    assert bias.mean() == (prediction != labels).mean() == 0.5


def test_networks_that_all_differ_vary_as_much_as_can_be() -> None:
    bias, variance = bias_and_variance(np.arange(10)[:, None], np.array([0]))
    assert variance[0] == pytest.approx(1 - 1 / 10)
    # Every label is a mode; the smallest counts.
    assert bias[0] == 0


def test_bias_and_variance_by_class() -> None:
    runs = [finished_run([0, 1, 1, 1], seed=0), finished_run([0, 1, 2, 1], seed=1), finished_run([0, 0, 0, 2], seed=2)]
    whole = analyse_bias_variance(runs, NOTHING_PUBLISHED)
    whole = whole[~whole["metric"].str.endswith("_replicate")]
    table = whole.set_index(["metric", "item"])["value"]
    # Modes: 0, 1, a tie of 0, 1 and 2 (so 0), and 1.
    assert table["bias", "cat"] == 0.5
    assert table["bias", "dog"] == 0.5
    assert table["variance", "cat"] == pytest.approx((0 + 1 / 3) / 2)
    assert table["variance", "dog"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    means = whole[whole["item"].isna()].set_index("metric")["value"]
    assert means["bias"] == 0.5
    assert means["variance"] == pytest.approx(1 / 3)
    assert set(whole["n"]) == {3}
    assert (whole["model"] == "net").all()
    assert (whole["dataset"] == "shapes").all()


def test_a_single_network_has_no_variance() -> None:
    assert analyse_bias_variance([finished_run([0, 1, 1, 1])], NOTHING_PUBLISHED).empty


def test_networks_tested_on_different_samples_are_not_compared() -> None:
    other = finished_run([0, 0, 0, 0], seed=1)
    other.predictions["index"] += 1
    with pytest.raises(PhasebenchError, match="tested on other samples"):
        analyse_bias_variance([finished_run([0, 1, 1, 1]), other], NOTHING_PUBLISHED)


def _replicates(seed: int, error: float) -> "pd.Series[float]":
    """Replicates of the mean bias by number, of five networks that are wrong in this share of 400 samples."""
    generator, labels = np.random.default_rng(seed), np.resize([0, 1], 400)
    runs = []
    for k in range(5):
        wrong = generator.random(400) < error
        finished = finished_run([0, 0, 0, 0], seed=k)
        table = pd.DataFrame({"index": range(400), "label": labels, "prediction": np.where(wrong, 1 - labels, labels)})
        runs.append(replace(finished, predictions=table))
    found = analyse_bias_variance(runs, NOTHING_PUBLISHED)
    return found[found["item"].isna()].set_index(["metric", "condition"])["value"]


def test_replicates_spread_as_new_test_samples_and_networks_would() -> None:
    points = [_replicates(seed, 0.3) for seed in range(12)]
    truth = np.std([values["bias"].iloc[0] for values in points], ddof=1)
    bootstrapped = [values["bias_replicate"].std() for values in points]
    assert all(len(values["bias_replicate"]) == N_REPLICATES for values in points)
    # A deviation of twelve values is known to about 20 %, and drawing networks twice adds to the spread.
    assert 0.5 * truth < np.mean(bootstrapped) < 3.0 * truth


def test_replicates_are_the_same_in_every_cell_and_repeat() -> None:
    one, again, other = _replicates(0, 0.3), _replicates(0, 0.3), _replicates(0, 0.31)
    pd.testing.assert_series_equal(one, again)
    # Nearly the same predictions have nearly the same replicates, which differ among themselves.
    difference = one["bias_replicate"] - other["bias_replicate"]
    assert difference.std() < 0.7 * one["bias_replicate"].std()


def test_replicates_of_a_class_draw_from_that_class() -> None:
    runs = [finished_run([0, 0, 0, 0], seed=seed) for seed in (0, 1)]
    found = analyse_bias_variance(runs, NOTHING_PUBLISHED)
    replicates = found[found["metric"] == "bias_replicate"].groupby("item")["value"].unique()
    assert {item: list(values) for item, values in replicates.items()} == {"cat": [0.0], "dog": [1.0]}
