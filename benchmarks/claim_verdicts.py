"""Rates of the five marks on simulated truth, as a table of Markdown.

Each draw is a small benchmark with a known truth: the study claims a lead of :data:`EFFECT` standard deviations of a
paired difference between two networks, and here it is exactly so, nothing, or reversed. Where a claim has several
settings, the truth is the same in all of them; of two candidates, one has the effect. A printed size has the scatter of
the study's own runs. A property is a relative change of logits, claimed to be at most 0.01: 1e-6 where it is true, 0.5
where it is not. Decisions are those of the aggregation, :mod:`phasebench.claims.decision`.
"""

import argparse
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from phasebench.claims.decision import Floats, Sample, Structure, Tails, size_outcome
from phasebench.claims.marks import BY_CONSTRUCTION, NOT_REPRODUCED, OPEN, REPRODUCED

EFFECT = 2.0
"""Claimed lead in standard deviations of a difference of two runs with the same seed."""
TRUTHS: Mapping[str, float] = {"exactly right": EFFECT, "no effect": 0.0, "reversed": -EFFECT}
SEEDS = (3, 5, 10)
N_DRAWS = 1000
_TOLERANCE = 0.01

Outcome = Callable[[float, int, int, np.random.Generator], Floats]
"""True effect, seeds, draws and generator to the outcomes of the draws: 1, 0 or -1."""


@dataclass(frozen=True)
class Kind:
    """A kind of claim; ``positive`` is its mark where it holds."""

    name: str
    outcome: Outcome
    positive: str = REPRODUCED


def sample(effect: float, n_seeds: int, n_draws: int, generator: np.random.Generator) -> Sample:
    """Means and deviations of ``(n_draws, n_seeds)`` differences, claimed to be at least 0."""
    values = generator.normal(effect, 1.0, (n_draws, n_seeds))
    return Sample(values.mean(axis=1), values.std(axis=1, ddof=1), n_seeds, 0.0, math.inf)


def settings(n_settings: int, needed: int, n_candidates: int = 1) -> Outcome:
    """A lead in ``needed`` of some settings, of one of some candidates, of which all but the first have no effect."""

    def outcome(effect: float, n_seeds: int, n_draws: int, generator: np.random.Generator) -> Floats:
        candidates = [effect, *[min(effect, 0.0)] * (n_candidates - 1)]
        structure = Structure([[[one] for one in candidates] for _ in range(n_settings)], needed)

        def tails_of(one: float) -> Tails:
            return sample(one, n_seeds, n_draws, generator).tails

        return structure.tails(tails_of).outcome

    return outcome


def size(published_n: int) -> Outcome:
    """A printed lead, of a single run or with the deviation of several."""

    def outcome(effect: float, n_seeds: int, n_draws: int, generator: np.random.Generator) -> Floats:
        runs = generator.normal(EFFECT, 1.0, (n_draws, published_n))
        deviations = runs.std(axis=1, ddof=1) if published_n > 1 else None
        ours = sample(effect, n_seeds, n_draws, generator)
        return size_outcome(ours, runs.mean(axis=1), deviations, published_n)[0]

    return outcome


def properties(effect: float, n_seeds: int, n_draws: int, generator: np.random.Generator) -> Floats:
    """A property that every network has to have."""
    level = 1e-6 if effect > 0.0 else 0.5
    changes = level * generator.lognormal(0.0, 0.5, (n_draws, n_seeds))
    return np.where((changes <= _TOLERANCE).all(axis=1), 1.0, -1.0)


KINDS = (
    Kind("direction", settings(1, 1)),
    Kind("size, one published run", size(1)),
    Kind("size, five published runs", size(5)),
    Kind("all of 9 settings", settings(9, 9)),
    Kind("all of 27 settings", settings(27, 27)),
    Kind("5 of 9 settings", settings(9, 5)),
    Kind("one of 2 candidates, all of 9 settings", settings(9, 9, 2)),
    Kind("property", properties, BY_CONSTRUCTION),
)


def rates(kind: Kind, effect: float, n_seeds: int, n_draws: int = N_DRAWS) -> dict[str, float]:
    """Share of the draws that have each mark."""
    # The seed depends on the case alone, so that a case does not change with those before it.
    generator = np.random.default_rng(zlib.crc32(f"{kind.name} {effect} {n_seeds}".encode()))
    outcomes = kind.outcome(effect, n_seeds, n_draws, generator)
    marks = {kind.positive: 1.0, NOT_REPRODUCED: -1.0, OPEN: 0.0}
    return {mark: float((outcomes == value).mean()) for mark, value in marks.items()}


def table(n_draws: int = N_DRAWS) -> str:
    """Markdown, a line for each kind and truth; in a cell the rates of holding, failing and open, in per cent."""
    lines = [
        "| claim | truth | " + " | ".join(f"{n} seeds" for n in SEEDS) + " |",
        "|---|---|" + "---|" * len(SEEDS),
    ]
    for kind in KINDS:
        for truth, effect in TRUTHS.items():
            cells = [
                " / ".join(f"{100 * rate:.1f}" for rate in rates(kind, effect, n, n_draws).values()) for n in SEEDS
            ]
            lines.append(f"| {kind.name} | {truth} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=N_DRAWS, help="simulated benchmarks of each case")
    print(table(parser.parse_args().draws))


if __name__ == "__main__":
    main()
