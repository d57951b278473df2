import itertools
import math

import numpy as np
import pytest
from scipy import stats

from phasebench.common.statistics import (
    FRACTION,
    holm,
    paired_test,
    prediction_interval,
    student_tail,
    summarise,
    welch_test,
)


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


def test_no_interval_leaves_the_limits_of_the_quantity() -> None:
    scattered = [0.05, 0.9, 1.0]
    whole, limited = summarise(scattered), summarise(scattered, FRACTION)
    assert whole.low < 0.0 < 1.0 < whole.high
    assert (limited.low, limited.high) == FRACTION
    assert (limited.n, limited.mean, limited.std) == (whole.n, whole.mean, whole.std)
    narrow = [0.4, 0.5, 0.6]
    assert summarise(narrow, FRACTION) == summarise(narrow)


def test_limits_cut_off_no_true_mean() -> None:
    """The true mean is in the cut interval just as often as in the whole one."""
    truth, draws = 0.97, np.random.default_rng(0).beta(9.7, 0.3, (300, 3))
    both = [(summarise(draw), summarise(draw, FRACTION)) for draw in draws]
    assert all((whole.low <= truth <= whole.high) == (cut.low <= truth <= cut.high) for whole, cut in both)
    assert any(whole.high > 1.0 for whole, _ in both)


@pytest.mark.parametrize("n", [3, 5, 20])
def test_a_paired_test_agrees_with_the_formula(n: int) -> None:
    generator = np.random.default_rng(n)
    first, second = generator.normal(0.7, 0.02, n), generator.normal(0.69, 0.02, n)
    differences = first - second
    statistic = differences.mean() / (differences.std(ddof=1) / math.sqrt(n))
    test = paired_test(dict(enumerate(first)), dict(enumerate(second)))
    assert test.p == pytest.approx(2 * stats.t.sf(abs(statistic), n - 1), rel=1e-9)
    assert test.difference == summarise(differences)
    # The interval leaves zero out just where p is below five per cent.
    assert (test.difference.low > 0 or test.difference.high < 0) == (test.p < 0.05)


def test_only_seeds_in_common_are_paired() -> None:
    first, second = {0: 0.5, 1: 0.6, 2: 0.8, 7: 0.1}, {2: 0.7, 1: 0.58, 0: 0.49, 8: 0.9}
    test = paired_test(first, second)
    assert (test.difference.n, test.difference.mean) == (3, pytest.approx((0.01 + 0.02 + 0.1) / 3))
    assert test.p == paired_test({seed: first[seed] for seed in range(3)}, second).p


def test_few_seeds_and_equal_differences_have_no_test() -> None:
    two = paired_test({0: 0.5, 1: 0.6}, {0: 0.4, 1: 0.3})
    assert (two.difference.n, math.isnan(two.p)) == (2, True)
    assert paired_test({0: 0.5}, {1: 0.5}).difference.n == 0
    equal = paired_test({0: 0.3, 1: 0.6, 2: 0.7}, {0: 0.1, 1: 0.4, 2: 0.5})
    assert (equal.difference.mean, math.isnan(equal.p)) == (pytest.approx(0.2), True)


def test_holms_correction_of_a_worked_example() -> None:
    # Four hypotheses at five per cent, of which the step-down procedure rejects the first and the last.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("n", [1, 2, 6])
def test_holms_correction_is_the_closure_of_bonferronis(n: int) -> None:
    values = np.random.default_rng(n).uniform(0, 0.3, n)
    # A hypothesis is rejected if Bonferroni rejects every intersection that it is in.
    families = [family for size in range(1, n + 1) for family in itertools.combinations(range(n), size)]
    expected = [
        max(min(1.0, len(family) * values[list(family)].min()) for family in families if position in family)
        for position in range(n)
    ]
    assert holm(list(values)) == pytest.approx(expected)


def test_what_was_not_tested_is_no_part_of_the_family() -> None:
    corrected = holm([0.02, math.nan, 0.01])
    assert corrected == pytest.approx([0.02, math.nan, 0.02], nan_ok=True)
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_the_prediction_interval_of_a_single_run_is_that_of_a_new_run_of_ours(n: int) -> None:
    values = np.random.default_rng(n).normal(0.6, 0.02, n)
    low, high = prediction_interval(values)
    half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) * math.sqrt(1 + 1 / n)
    assert (float(low), float(high)) == pytest.approx((values.mean() - half, values.mean() + half), rel=1e-9)


@pytest.mark.parametrize(("n", "published_std", "published_n"), [(3, 0.03, 5), (5, 0.01, 3), (4, 0.02, 4)])
def test_the_prediction_interval_has_the_ends_of_welchs_test(n: int, published_std: float, published_n: int) -> None:
    values = np.random.default_rng(n).normal(0.6, 0.02, n)
    low, high = prediction_interval(values, published_std, published_n)
    for end in (float(low), float(high)):
        test = stats.ttest_ind_from_stats(
            values.mean(), values.std(ddof=1), n, end, published_std, published_n, equal_var=False
        )
        assert test.pvalue == pytest.approx(0.05, rel=1e-6)


def test_prediction_intervals_are_computed_for_many_samples_at_once() -> None:
    values = np.random.default_rng(0).normal(0.6, 0.02, (4, 3, 5))
    low, high = prediction_interval(values, 0.01, 5)
    assert low.shape == high.shape == (4, 3)
    one = prediction_interval(values[2, 1], 0.01, 5)
    assert (low[2, 1], high[2, 1]) == pytest.approx((float(one[0]), float(one[1])))
    assert np.isnan(prediction_interval(values[..., :1])).all()
    assert float(prediction_interval([0.5, 0.5])[0]) == 0.5
    with pytest.raises(ValueError, match="at least two published values"):
        prediction_interval(values, 0.01, 1)


def test_a_prediction_interval_covers_the_published_mean_in_95_per_cent() -> None:
    generator = np.random.default_rng(1)
    ours = generator.normal(0.0, 1.0, (4000, 3))
    for published_n in (1, 5):
        printed = generator.normal(0.0, 1.0, (4000, published_n))
        low, high = prediction_interval(ours, None, published_n)
        inside = (low <= printed.mean(axis=1)) & (printed.mean(axis=1) <= high)
        assert inside.mean() == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize("t", [-math.inf, -2.0, 0.0, 3.0, math.inf])
def test_tails_of_student(t: float) -> None:
    assert float(student_tail(t, 4)) == pytest.approx(float(stats.t.sf(t, 4)), rel=1e-9)
    assert math.isnan(float(student_tail(math.nan, 4)))


def test_welch_agrees_with_scipy() -> None:
    random = np.random.default_rng(3)
    pairs = [(random.normal(0.6, 0.02, n), random.normal(0.62, 0.05, m)) for n, m in ((2, 3), (5, 5), (20, 4))]
    n, mean, std = (
        tuple(np.array([measure(pair[side]) for pair in pairs]) for side in (0, 1))
        for measure in (np.size, np.mean, stats.tstd)
    )
    found = welch_test(n, mean, std)
    for position, (first, second) in enumerate(pairs):
        expected = stats.ttest_ind(second, first, equal_var=False)
        interval = expected.confidence_interval(0.95)
        assert found.p[position] == pytest.approx(expected.pvalue, rel=1e-9)
        assert (found.low[position], found.high[position]) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert found.difference == pytest.approx(mean[1] - mean[0])


def test_welch_without_spread_or_with_a_single_value() -> None:
    found = welch_test(([3, 3, 1], [3, 3, 5]), ([0.5, 0.5, 0.5], [0.5, 0.6, 0.6]), ([0, 0, math.nan], [0, 0, 0.1]))
    assert found.p[:2].tolist() == [1.0, 0.0]
    assert found.low[:2] == pytest.approx([0.0, 0.1]) == found.high[:2]
    assert all(math.isnan(values[2]) for values in (found.low, found.high, found.p))
