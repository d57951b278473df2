import math

import numpy as np
import pytest
from scipy import stats

from phasebench.statistics import summarise


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_summary_agrees_with_scipy(n: int) -> None:
    values = np.random.default_rng(n).normal(0.7, 0.02, n)
    summary = summarise(values)
    interval = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert summary.n == n
    assert summary.mean == pytest.approx(values.mean(), rel=1e-12)
    assert summary.std == pytest.approx(stats.tstd(values), rel=1e-12)
    assert (summary.low, summary.high) == pytest.approx(interval, rel=1e-12)


def test_one_seed_has_no_spread_and_none_has_no_mean() -> None:
    one, nothing = summarise([0.5]), summarise([])
    assert (one.n, one.mean, nothing.n) == (1, 0.5, 0)
    assert all(math.isnan(value) for value in (one.std, one.low, one.high, nothing.mean, nothing.std, nothing.low))


def test_missing_values_do_not_count() -> None:
    assert summarise([0.2, math.nan, 0.4]) == summarise([0.2, 0.4])


def test_equal_seeds_have_an_interval_of_no_width() -> None:
    summary = summarise([0.25, 0.25, 0.25])
    assert (summary.std, summary.low, summary.high) == (0.0, 0.25, 0.25)
