"""Baselines of an accuracy table: chance, the majority class and the linear classifier."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from phasebench.common.statistics import FRACTION, Summary, summarise
from phasebench.reporting import measurements
from phasebench.reporting.experiments import Experiment, Setting
from phasebench.reporting.labels import listed
from phasebench.tables.read import ReportTables

NAMES = {
    "chance": "Chance",
    "majority": "Majority class",
    "linear": "Linear classifier",
}
"""Name of a baseline in files -> its label."""
_ON_DISK = "the images stay in shards on disk, and a linear classifier would need all of them at once"


@dataclass(frozen=True)
class BaselineCell:
    """A baseline on a setting; ``note`` says why a number is missing, '' where nothing was run at all."""

    setting: Setting
    summary: Summary
    note: str = ""


@dataclass(frozen=True)
class BaselineRow:
    """A baseline with its cells, one for each setting."""

    name: str
    label: str
    cells: tuple[BaselineCell, ...]


@dataclass(frozen=True)
class Baselines:
    """The baselines of an accuracy table; no rows where none were measured. ``caption`` says what they are."""

    rows: tuple[BaselineRow, ...] = ()
    caption: str = ""


def baselines_of(tables: ReportTables, experiment: Experiment) -> Baselines:
    """Summarise the baselines over seeds for every setting of an experiment."""
    measured = measurements.of_cells(tables.analyses, experiment, "baselines")
    if not len(measured):
        return Baselines()
    by_column = {(column, metric): part["value"] for (column, metric), part in measured.groupby(["column", "metric"])}
    rows = tuple(
        BaselineRow(
            name,
            label,
            tuple(_cell(by_column, name, column, setting) for column, setting in enumerate(experiment.settings)),
        )
        for name, label in NAMES.items()
    )
    return Baselines(rows, _caption(measured, experiment))


def _cell(by_column: dict[Any, "pd.Series[float]"], name: str, column: int, setting: Setting) -> BaselineCell:
    values = by_column.get((column, f"{name}_accuracy"), pd.Series(dtype="float64"))
    # Chance is the same for every seed, and no measurement.
    summary = summarise(values[:1] if name == "chance" else values, FRACTION)
    was_measured = (column, "majority_accuracy") in by_column
    return BaselineCell(setting, summary, _ON_DISK if was_measured and not summary.n else "")


def _caption(measured: pd.DataFrame, experiment: Experiment) -> str:
    text = (
        "Baselines, measured here and printed by no study: chance is one over the number of classes; the majority "
        "class is the most frequent one of the training samples; the linear classifier is logistic regression with a "
        "quadratic penalty on the same encoded input, standardised, of the same training samples without augmentation."
    )
    wide = measured.pivot_table(index="column", columns="metric", values="value")
    wide = wide.reindex(columns=["linear_accuracy", "linear_pooling", "linear_features"])
    pooled = [
        f"{experiment.title(experiment.settings[column])}, squares of {side:.0f} by {side:.0f} pixels, "
        f"{features:,.0f} numbers"
        for column, _, side, features in wide[wide["linear_pooling"] > 1].itertuples(name=None)
    ]
    if pooled:
        text += f" For the linear classifier, large inputs were averaged over squares first: {listed(pooled)}."
    if wide["linear_accuracy"].isna().any():
        text += f" Where it was not fitted, {_ON_DISK}."
    return text
