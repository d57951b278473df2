"""Bias and variance of classifiers, against numbers worked out by hand."""

import numpy as np
import pytest
from support.analysed_runs import NOTHING_PUBLISHED, finished_run

from phasebench.analysis.bias_variance import analyse_bias_variance, bias_and_variance
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
    table = analyse_bias_variance(runs, NOTHING_PUBLISHED).set_index(["metric", "item"])["value"]
    # Modes: 0, 1, a tie of 0, 1 and 2 (so 0), and 1.
    assert table["bias", "cat"] == 0.5
    assert table["bias", "dog"] == 0.5
    assert table["variance", "cat"] == pytest.approx((0 + 1 / 3) / 2)
    assert table["variance", "dog"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    whole = analyse_bias_variance(runs, NOTHING_PUBLISHED)
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
