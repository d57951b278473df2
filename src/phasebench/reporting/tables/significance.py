"""Paired tests of the differences between an experiment's models, seed by seed, for the whole accuracy table."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from phasebench.common.statistics import LEAST_PAIRS, PairedTest, holm, paired_test
from phasebench.common.wording import counted
from phasebench.reporting.cells import Column, PlainCell, PlainTable, number_cell
from phasebench.reporting.experiments import Experiment, Setting
from phasebench.reporting.labels import NONE, points
from phasebench.reporting.tables.accuracy import AccuracyTable, Cell, Row

MOST_MODELS = 4
"""Of more models in a column, each is compared with the best alone."""
TOO_FEW = "too few seeds for a test"


@dataclass(frozen=True)
class Comparison:
    """Two models in a column; ``corrected`` is the p-value corrected for all tests of the table."""

    setting: Setting
    first: Row
    second: Row
    test: PairedTest
    corrected: float


def comparisons(table: AccuracyTable) -> list[Comparison]:
    """Every pair of models of a column, or, of more than :data:`MOST_MODELS`, the best mean against each other one.

    The first of a pair has the higher mean accuracy over its own seeds.
    """
    pairs = [
        (setting, first, second, paired_test(dict(cell.by_seed), dict(other.by_seed)))
        for column, setting in enumerate(table.experiment.settings)
        for (first, cell), (second, other) in _pairs([(row, row.cells[column]) for row in table.rows])
    ]
    corrected = holm([test.p for *_, test in pairs])
    return [Comparison(*pair, p) for pair, p in zip(pairs, corrected, strict=True)]


def significance_table(compared: list[Comparison], experiment: Experiment) -> PlainTable | None:
    """The comparisons as a table of the page; None if none of them has seeds enough."""
    tested = [one for one in compared if one.test.difference.n >= LEAST_PAIRS]
    if not tested:
        return None
    family = sum(not math.isnan(one.test.p) for one in tested)
    columns = (
        Column("Data", "text"),
        Column("Model", "text", names_row=True),
        Column("Against", "text"),
        *(Column(heading) for heading in ("Seeds", "Difference, points", "95 % interval", "p", "p, corrected")),
    )
    return PlainTable(
        "Paired tests between models.",
        "Test accuracy of the first model less that of the second, seed by seed over the seeds that both have, with "
        "Student's 95 % interval of the mean; p of the two-sided paired t-test, and corrected by Holm's method over "
        f"all {counted(family, 'test')} of this table. A column with up to {MOST_MODELS} models has every pair; of "
        "more models, the one with the best mean is compared with each other, which favours small p, since the same "
        f"values chose it. Fewer than {LEAST_PAIRS} seeds in common are too few for a test.",
        columns,
        tuple(_cells(one, experiment) for one in compared),
        _frame(compared, experiment),
    )


def too_few_note(compared: list[Comparison]) -> str:
    """A sentence in place of the table, '' where there is nothing to compare."""
    if not compared:
        return ""
    return f"Differences between models: {TOO_FEW}. No two models have {LEAST_PAIRS} seeds in common."


def _pairs(column: list[tuple[Row, Cell]]) -> Iterator[tuple[tuple[Row, Cell], tuple[Row, Cell]]]:
    measured = sorted((pair for pair in column if pair[1].summary.n), key=lambda pair: -pair[1].summary.mean)
    if len(measured) <= MOST_MODELS:
        yield from combinations(measured, 2)
    else:
        yield from ((measured[0], other) for other in measured[1:])


def _cells(one: Comparison, experiment: Experiment) -> tuple[PlainCell, ...]:
    difference = one.test.difference
    title = ""
    if difference.n < LEAST_PAIRS:
        title = TOO_FEW
    elif math.isnan(one.test.p):
        title = "all differences are the same: no test"
    interval = f"{points(difference.low)} to {points(difference.high)}" if difference.n > 1 else NONE
    return (
        PlainCell(experiment.title(one.setting)),
        PlainCell(one.first.label),
        PlainCell(one.second.label),
        PlainCell(str(difference.n)),
        number_cell(difference.mean, points),
        PlainCell(interval, order=f"{difference.low:.7g}" if difference.n > 1 else ""),
        number_cell(one.test.p, _probability, title),
        number_cell(one.corrected, _probability, title),
    )


def _probability(p: float) -> str:
    if math.isnan(p):
        return NONE
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def _frame(compared: list[Comparison], experiment: Experiment) -> pd.DataFrame:
    """The comparisons for a file; differences are fractions."""
    return pd.DataFrame(
        {
            **experiment.keys(one.setting),
            "model": one.first.model,
            "against": one.second.model,
            "n": one.test.difference.n,
            "difference": one.test.difference.mean,
            "interval_low": one.test.difference.low,
            "interval_high": one.test.difference.high,
            "p": one.test.p,
            "p_holm": one.corrected,
        }
        for one in compared
    )
