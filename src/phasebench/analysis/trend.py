"""Test error as a power of the size of the training set (Singhal, Xing and Yu 2022, Fig. 7a).

A line is fitted to the natural logarithm of the error over that of the training fraction. The study's caption says log
error and its text log accuracy; the figure shows the former.
"""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from scipy.stats import linregress

from phasebench.analysis.finished import FinishedRun, by_cell
from phasebench.specs.run import coordinates

# The study reads its lines at smaller training sets than it measured.
EXTRAPOLATED = 0.01
_LINE_KEYS = coordinates("suite", "experiment", "variant", "train_fraction", "seed")


def analyse_trend(runs: Sequence[FinishedRun], published: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``trend_slope``, ``trend_intercept`` and ``trend_error``, the line's value at one per cent.

    There are some for each model and seed; those of the study's own accuracies are called ``published_trend_slope`` and
    so on and have no seed. A line needs two fractions. A run without any error counts as half an error, since its
    logarithm would be infinite.

    ``lead`` is the error of the best other model of the study less that of a model, of the same fraction and seed.
    """
    measured = pd.DataFrame(
        [
            {
                **cell,
                "seed": run.spec.seed,
                "error": max(1.0 - run.test_accuracy, 0.5 / run.n_test),
            }
            for cell, group in by_cell(runs)
            for run in group
        ]
    )
    rows = []
    for _, line in measured.groupby([*_LINE_KEYS, "seed"], dropna=False, sort=False):
        first = {key: line[key].iloc[0] for key in [*_LINE_KEYS, "seed"]}
        rows += _line(first, "trend", line["train_fraction"], line["error"])
    outside = {run.spec.model for run in runs if run.spec.external is not None}
    rows += _leads(measured, outside)
    accuracies = published[published["metric"] == "test_accuracy"]
    for (dataset, encoding, model), line in accuracies.groupby(["dataset", "encoding", "model"], sort=False):
        first = {"dataset": dataset, "stands_in_for": None, "encoding": encoding, "model": model, "seed": None}
        rows += _line(first, "published_trend", line["train_fraction"], 1.0 - line["value"])
    return pd.DataFrame(rows)


def fit_trend(fractions: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the least-squares line through ``ln(error)`` over ``ln(fraction)``; float64 ``(n,)``."""
    line = linregress(np.log(fractions), np.log(errors))
    return float(line.slope), float(line.intercept)


def _line(first: dict[str, object], name: str, fractions: pd.Series, errors: pd.Series) -> list[dict[str, object]]:
    if fractions.nunique() < 2:
        return []
    slope, intercept = fit_trend(fractions.to_numpy(dtype=float), errors.to_numpy(dtype=float))
    error = float(np.exp(intercept + slope * np.log(EXTRAPOLATED)))
    return [
        {**first, "n": 1, "metric": f"{name}_slope", "value": slope},
        {**first, "n": 1, "metric": f"{name}_intercept", "value": intercept},
        {**first, "n": 1, "metric": f"{name}_error", "condition": EXTRAPOLATED, "value": error},
    ]


def _leads(measured: pd.DataFrame, outside: Collection[str]) -> list[dict[str, object]]:
    """Rows of ``lead``, over the best other network of the study; none where there is no other."""
    setting = [*coordinates("suite", "experiment", "variant", "model", "seed"), "seed"]
    rows: list[dict[str, object]] = []
    for _, rivals in measured.groupby(setting, dropna=False, sort=False):
        own = rivals["error"][~rivals["model"].isin(outside)]
        for index in rivals.index:
            others = own.drop(index, errors="ignore")
            if len(others):
                first = {key: rivals.at[index, key] for key in [*setting, "model"]}
                lead = others.min() - rivals.at[index, "error"]
                rows.append({**first, "n": 1, "metric": "lead", "value": float(lead)})
    return rows
