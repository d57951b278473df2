"""Speed of learning: test accuracy early in the training (Cakaj, Mehnert and Yang 2023, section V-B and Fig. 4)."""

from collections.abc import Sequence

import pandas as pd

from phasebench.analysis.finished import FinishedRun, by_cell

EARLY = 0.1
"""Share of the training that counts as early."""


def analyse_early_accuracy(runs: Sequence[FinishedRun], published: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``early_accuracy`` for each run: its mean test accuracy over the validations of the first tenth.

    Where no validation is that early, the first one counts. Runs that do not follow the test have no row.
    """
    rows = []
    for cell, group in by_cell(runs):
        for run in group:
            if "test_accuracy" not in run.history:
                continue
            epochs, accuracy = run.history["epoch"], run.history["test_accuracy"]
            early = accuracy[epochs <= max(EARLY * epochs.max(), epochs.min())]
            rows.append(
                {**cell, "seed": run.spec.seed, "n": 1, "metric": "early_accuracy", "value": float(early.mean())}
            )
    return pd.DataFrame(rows)
