"""Accuracy on the test set."""

import math

import pandas as pd

from phasebench.evaluation.trained import TrainedRun


def evaluate_accuracy(run: TrainedRun) -> pd.DataFrame:
    """One row: ``test_accuracy``, from 0 to 1."""
    row = {"metric": "test_accuracy", "condition": math.nan, "draw": 0, "value": run.test_accuracy()}
    return pd.DataFrame([row])
