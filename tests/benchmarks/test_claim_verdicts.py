"""Rates of marks on simulated truth, and that the simulation decides as the aggregation does."""

import math
import sys

import numpy as np
import pandas as pd
import pytest
from support.checkout import ROOT

from phasebench.claims.decision import size_outcome
from phasebench.claims.marks import BY_CONSTRUCTION, MARKS, NOT_REPRODUCED, OPEN, REPRODUCED
from phasebench.claims.model import Claim, StudyClaims
from phasebench.claims.verdicts import judge_claims

sys.path.append(str(ROOT / "benchmarks"))
import claim_verdicts
from claim_verdicts import EFFECT, KINDS, SEEDS, Kind, rates

N_DRAWS = 400
MARGIN = 3.0 * math.sqrt(0.05 * 0.95 / N_DRAWS)
FINDINGS = [kind for kind in KINDS if kind.positive == REPRODUCED]


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("kind", FINDINGS, ids=lambda kind: kind.name)
def test_findings_come_out_wrong_in_one_case_of_twenty_at_most(kind: Kind, seeds: int) -> None:
    assert rates(kind, EFFECT, seeds, N_DRAWS)[NOT_REPRODUCED] <= 0.05 + MARGIN
    assert rates(kind, 0.0, seeds, N_DRAWS)[REPRODUCED] <= 0.05 + MARGIN
    assert rates(kind, -EFFECT, seeds, N_DRAWS)[REPRODUCED] <= 0.01
    if not kind.name.startswith("size"):
        # Where nothing differs, a direction neither holds nor fails.
        assert rates(kind, 0.0, seeds, N_DRAWS)[NOT_REPRODUCED] <= 0.05 + MARGIN


@pytest.mark.parametrize("kind", FINDINGS, ids=lambda kind: kind.name)
def test_findings_are_found_with_ten_seeds(kind: Kind) -> None:
    assert rates(kind, EFFECT, 10, N_DRAWS)[REPRODUCED] > 0.9
    assert rates(kind, -EFFECT, 10, N_DRAWS)[NOT_REPRODUCED] > 0.85


def test_properties_are_certain() -> None:
    (kind,) = (kind for kind in KINDS if kind.positive == BY_CONSTRUCTION)
    assert rates(kind, EFFECT, 3, N_DRAWS) == {BY_CONSTRUCTION: 1.0, NOT_REPRODUCED: 0.0, OPEN: 0.0}
    assert rates(kind, 0.0, 3, N_DRAWS)[NOT_REPRODUCED] == 1.0


def test_the_rates_are_of_marks() -> None:
    assert {mark for kind in KINDS for mark in rates(kind, 0.0, 3, 10)} < set(MARKS)


def test_the_documentation_has_the_table_that_the_script_prints() -> None:
    assert claim_verdicts.table() in (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("draw", range(8))
def test_the_aggregation_decides_as_the_simulation(draw: int) -> None:
    """Nine settings of two candidates, and a size, judged from tables of values."""
    generator = np.random.default_rng(draw)
    effect, seeds = (EFFECT, 1.0, 0.0, -EFFECT)[draw % 4], 5
    values = generator.normal(effect, 1.0, (9, 2, seeds))
    rows = [
        {"suite": "study", "experiment": "table", "metric": "score", "item": f"part{setting}", "seed": seed}
        | {"model": f"net{candidate}", "value": values[setting, candidate, seed], "run": f"{candidate}/{seed}"}
        for setting, candidate, seed in np.ndindex(9, 2, seeds)
    ]
    common = {"text": "Words.", "where": "Table 1", "unit": "number", "at_least": 0}
    measured = {"metric": "score", "experiment": "table"}
    claims = (
        Claim.model_validate(
            {**common, "id": "all", "measured": {**measured, "items": "each", "one_of": ["net0", "net1"]}}
        ),
        Claim.model_validate(
            {
                **common,
                "id": "size",
                "measured": {**measured, "items": ["part0"], "models": ["net0"]},
                "printed": EFFECT,
            }
        ),
    )
    nothing = pd.DataFrame(columns=["run", "parameters"])
    judged = judge_claims([StudyClaims(suite="study", claims=claims)], pd.DataFrame(rows), nothing, nothing, nothing)
    sampled = [
        [[claim_verdicts.Sample(one.mean(), one.std(ddof=1), seeds, 0.0, math.inf)] for one in setting]
        for setting in values
    ]
    structure = claim_verdicts.Structure(sampled, 9)
    size = size_outcome(sampled[0][0][0], EFFECT, None, 1)[0]
    outcomes = [structure.tails(lambda one: one.tails).outcome, sampled[0][0][0].tails.outcome, size]
    words = {1.0: REPRODUCED, -1.0: NOT_REPRODUCED, 0.0: OPEN}
    assert list(judged["mark"]) == [words[float(outcome)] for outcome in outcomes]
