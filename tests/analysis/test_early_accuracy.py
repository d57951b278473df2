"""Accuracy early in the training, against numbers worked out by hand."""

import dataclasses

import pytest
from support.analysed_runs import HISTORY, NOTHING_PUBLISHED, finished_run

from phasebench.analysis.early_accuracy import analyse_early_accuracy


def test_early_accuracy_is_that_of_the_first_tenth_of_the_epochs() -> None:
    runs = [finished_run([0, 0, 1, 1], seed=seed) for seed in (0, 1)]
    table = analyse_early_accuracy(runs, NOTHING_PUBLISHED)
    # Epochs 1 and 2 of 20.
    assert table["value"].tolist() == pytest.approx([0.075, 0.075])
    assert (table["seed"].tolist(), set(table["metric"])) == ([0, 1], {"early_accuracy"})
    short = dataclasses.replace(runs[0], history=HISTORY.iloc[:3])
    assert analyse_early_accuracy([short], NOTHING_PUBLISHED)["value"].tolist() == [0.05]
    blind = dataclasses.replace(runs[0], history=HISTORY[["epoch"]])
    assert not len(analyse_early_accuracy([blind], NOTHING_PUBLISHED))
