"""Decisions by p-values, against counting by hand and SciPy, and their rates on simulated truth."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from phasebench.claims.decision import (
    LEVEL,
    Floats,
    Sample,
    Structure,
    Tails,
    at_least,
    drawn,
    seeds_to_decide,
    size_outcome,
)


def tails(holds: float, fails: float) -> Tails:
    return Tails(np.array(holds), np.array(fails))


@pytest.mark.parametrize("mean", [-0.3, 0.0, 0.2, 1.0])
@pytest.mark.parametrize("n", [2, 3, 10])
def test_tails_are_those_of_one_sided_t_tests(mean: float, n: int) -> None:
    values = mean + np.resize([-1.0, 0.5, 0.5], n)
    found = Sample(values.mean(), values.std(ddof=1), n, 0.0, math.inf).tails
    expected = [stats.ttest_1samp(values, 0.0, alternative=side).pvalue for side in ("greater", "less")]
    assert (float(found.holds), float(found.fails)) == pytest.approx(tuple(expected), rel=1e-6)
    above = Sample(values.mean(), values.std(ddof=1), n, -math.inf, 0.0).tails
    assert (float(above.holds), float(above.fails)) == pytest.approx(tuple(expected[::-1]), rel=1e-6)


def test_two_bounds_are_two_one_sided_tests() -> None:
    values = np.array([0.1, 0.2, 0.15])
    found = Sample(values.mean(), values.std(ddof=1), 3, 0.0, 0.4).tails
    sides = [stats.ttest_1samp(values, 0.0, alternative="greater"), stats.ttest_1samp(values, 0.4, alternative="less")]
    assert float(found.holds) == pytest.approx(max(side.pvalue for side in sides), rel=1e-6)


def test_values_without_spread_are_on_their_side_of_the_bound() -> None:
    assert float(Sample(0.5, 0.0, 3, 0.5, math.inf).tails.outcome) == 1.0
    assert float(Sample(0.49, 0.0, 3, 0.5, math.inf).tails.outcome) == -1.0
    assert float(Sample(0.9, math.nan, 1, 0.5, math.inf).tails.outcome) == 0.0


def test_all_of_several_need_no_correction_to_hold_and_holms_to_fail() -> None:
    found = at_least(3, [tails(0.001, 0.99), tails(0.02, 0.9), tails(0.99, 0.009)])
    assert (float(found.holds), float(found.fails)) == (0.99, pytest.approx(0.027))
    assert float(found.outcome) == 0.0
    assert float(at_least(3, [tails(0.02, 0.9)] * 3).outcome) == 1.0
    assert float(at_least(3, [tails(0.02, 0.9)] * 2 + [tails(1.0, 0.008)]).outcome) == -1.0


def test_the_best_of_several_is_corrected_by_their_number() -> None:
    found = at_least(1, [tails(0.02, 0.9), tails(0.5, 0.5)])
    assert (float(found.holds), float(found.fails)) == (0.04, 0.9)


@pytest.mark.parametrize("needed", [1, 2, 3, 4])
def test_some_of_several_against_bonferroni_over_all_subsets(needed: int) -> None:
    values = [0.001, 0.03, 0.2, 0.7]
    found = at_least(needed, [tails(value, 1 - value) for value in values])
    # At least k hold if in each choice of n - k + 1 of them one does, by Bonferroni within the choice.
    choices = itertools.combinations(values, len(values) - needed + 1)
    assert float(found.holds) == pytest.approx(max(min(1.0, len(choice) * min(choice)) for choice in choices))
    against = itertools.combinations([1 - value for value in values], needed)
    assert float(found.fails) == pytest.approx(max(min(1.0, len(choice) * min(choice)) for choice in against))


def test_a_structure_nests_settings_candidates_and_rivals() -> None:
    holds = Structure([[[0.001, 0.02]], [[0.5, 0.6], [0.004, 0.003]]], needed=2)
    found = holds.tails(lambda p: tails(p, 1 - p))
    assert float(found.holds) == pytest.approx(max(0.02, 2 * 0.004))
    assert float(Structure([[[0.001]]], needed=2).tails(lambda p: tails(p, 1 - p)).holds) == 1.0


def test_the_number_of_seeds_that_decides() -> None:
    def outcome_at(numbers: Floats) -> Floats:
        return Sample(0.01, 0.02, numbers, 0.0, math.inf).tails.outcome

    found = seeds_to_decide(outcome_at, 3)
    expected = next(n for n in range(4, 1000) if stats.t.sf(0.01 / 0.02 * math.sqrt(n), n - 1) <= LEVEL)
    assert found == expected == 18
    assert math.isnan(seeds_to_decide(lambda numbers: Sample(1e-6, 0.02, numbers, 0.0, math.inf).tails.outcome, 3))


def test_a_size_agrees_only_where_it_has_a_direction() -> None:
    close, vague = Sample(1.3, 0.2, 5, 0.0, math.inf), Sample(1.3, 4.0, 5, 0.0, math.inf)
    assert float(size_outcome(close, 1.4, None, 1)[0]) == 1.0
    assert float(size_outcome(vague, 1.4, None, 1)[0]) == 0.0
    assert float(size_outcome(close, 3.0, None, 1)[0]) == -1.0
    assert float(size_outcome(close, 3.0, 2.0, 5)[0]) == 1.0
    assert float(size_outcome(Sample(1.3, math.nan, 1, 0.0, math.inf), 1.4, None, 1)[0]) == 0.0


N_DRAWS = 400
# Three standard errors of a rate of 5 % over the draws.
MARGIN = 3.0 * math.sqrt(0.05 * 0.95 / N_DRAWS)


def rates(effects: list[float], needed: int, seeds: int, candidates: int = 1) -> tuple[float, float]:
    """Rates of 'reproduced' and 'not reproduced' for true effects in units of the spread, claimed to be above 0."""
    generator = np.random.default_rng(5)
    one = Sample(0.0, 1.0, seeds, 0.0, math.inf)
    structure = Structure([[[effect] for _ in range(candidates)] for effect in effects], needed)
    outcome = structure.tails(lambda effect: drawn(one, effect, N_DRAWS, generator).tails).outcome
    return float((outcome > 0).mean()), float((outcome < 0).mean())


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize(
    ("settings", "needed", "candidates"), [(1, 1, 1), (9, 9, 1), (27, 27, 1), (9, 5, 1), (9, 9, 2)]
)
def test_where_there_is_no_effect_both_errors_are_rare(settings: int, needed: int, candidates: int, seeds: int) -> None:
    reproduced, not_reproduced = rates([0.0] * settings, needed, seeds, candidates)
    assert reproduced <= 0.05 + MARGIN
    assert not_reproduced <= 0.05 + MARGIN


@pytest.mark.parametrize("settings", [1, 9, 27])
def test_large_effects_are_seen_with_the_right_sign(settings: int) -> None:
    reproduced, not_reproduced = rates([5.0] * settings, settings, 10)
    assert (reproduced >= 0.95, not_reproduced) == (True, 0.0)
    reproduced, not_reproduced = rates([-5.0] * settings, settings, 10)
    assert (reproduced, not_reproduced >= 0.95) == (0.0, True)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("published", [(None, 1), (1.0, 5)])
def test_a_size_that_is_exactly_right_is_refused_in_one_case_of_twenty(
    published: tuple[float | None, int], seeds: int
) -> None:
    generator = np.random.default_rng(6)
    one, (std, n) = Sample(0.0, 1.0, seeds, 0.0, math.inf), published
    printed = generator.normal(4.0, 1.0 / math.sqrt(n), N_DRAWS)
    ours = [drawn(one, 4.0, 1, generator) for _ in printed]
    outcomes = np.array([float(size_outcome(o, p, std, n)[0][0]) for o, p in zip(ours, printed, strict=True)])
    assert (outcomes < 0).mean() <= 0.05 + MARGIN
    nothing = drawn(one, 0.0, N_DRAWS, generator)
    assert (size_outcome(nothing, 4.0, std, n)[0] > 0).mean() <= 0.05 + MARGIN
