"""Loss of accuracy under a rotation of the input's phase, for each model."""

import math
from dataclasses import dataclass

import pandas as pd

from phasebench.common.statistics import FRACTION, Summary, summarise
from phasebench.reporting import measurements
from phasebench.reporting.experiments import ROTATION_ACCURACY, Experiment, Setting
from phasebench.tables.read import ReportTables

FULL_ROTATION = 180.0
"""Degrees: phases uniform over the whole circle."""


@dataclass(frozen=True)
class RotationRow:
    """A model on a setting; accuracies are fractions, summarised over seeds.

    Attributes
    ----------
    upright, rotated
        Accuracy without rotation and with phases uniform in ±180 degrees.
    loss
        ``upright - rotated``, taken run by run, so that the spread between seeds cancels.
    runs
        Ids of the runs summarised.
    """

    setting: Setting
    model: str
    upright: Summary
    rotated: Summary
    loss: Summary
    runs: tuple[str, ...]


def rotation_measurements(tables: ReportTables, experiment: Experiment) -> pd.DataFrame:
    """The rotation accuracies of an experiment.

    Returns
    -------
    DataFrame
        run, model, seed, column (position in the experiment's settings), metric, condition (half-width of the range of
        phases, degrees), value.
    """
    return measurements.of_runs(tables.metrics, experiment, ROTATION_ACCURACY)


def rotation_rows(accuracies: pd.DataFrame, experiment: Experiment) -> list[RotationRow]:
    """Accuracy at 0 and at 180 degrees and what lies between, in the order of the experiment's table."""
    groups = dict(list(accuracies.groupby(["column", "model"])))
    return [
        _row(setting, model, groups[column, model])
        for column, setting in enumerate(experiment.settings)
        for model in experiment.models
        if (column, model) in groups
    ]


def tidy(rows: list[RotationRow], experiment: Experiment) -> pd.DataFrame:
    """One line per row; accuracies and losses are fractions."""
    return pd.DataFrame(
        {
            **experiment.keys(row.setting),
            "model": row.model,
            "n": max(row.upright.n, row.rotated.n),
            "accuracy_0": row.upright.mean,
            "accuracy_0_std": row.upright.std,
            "accuracy_180": row.rotated.mean,
            "accuracy_180_std": row.rotated.std,
            "loss": row.loss.mean,
            "loss_std": row.loss.std,
            "loss_interval_low": row.loss.low,
            "loss_interval_high": row.loss.high,
            "runs": " ".join(row.runs),
        }
        for row in rows
    )


def _row(setting: Setting, model: str, chosen: pd.DataFrame) -> RotationRow:
    by_run = chosen.pivot_table(index="run", columns="condition", values="value")
    nothing = pd.Series(math.nan, index=by_run.index)
    upright, rotated = (by_run.get(condition, nothing) for condition in (0.0, FULL_ROTATION))
    return RotationRow(
        setting,
        model,
        summarise(upright, FRACTION),
        summarise(rotated, FRACTION),
        summarise(upright - rotated),
        tuple(by_run.index),
    )
