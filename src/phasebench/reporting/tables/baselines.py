"""What the accuracies of a table are read beside: chance, the most frequent class, a linear classifier."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from phasebench.common.statistics import Summary, summarise
from phasebench.reporting import measurements
from phasebench.reporting.experiments import Experiment, Setting
from phasebench.reporting.labels import listed
from phasebench.tables.read import ReportTables

NAMES = {
    "chance": "Chance",
    "majority": "Majority class",
    "linear": "Linear classifier",
}
"""Name of a control in files -> its label."""
_ON_DISK = "the images stay in shards on disk, and a linear classifier would need all of them at once"


@dataclass(frozen=True)
class ControlCell:
    """A control on a setting; ``note`` says why a number is missing, '' where nothing was run at all."""

    setting: Setting
    summary: Summary
    note: str = ""


@dataclass(frozen=True)
class ControlRow:
    """A control with its cells, one for each setting."""

    name: str
    label: str
    cells: tuple[ControlCell, ...]


@dataclass(frozen=True)
class Controls:
    """The controls of an accuracy table; no rows where none were measured. ``caption`` says what they are."""

    rows: tuple[ControlRow, ...] = ()
    caption: str = ""


def controls_of(tables: ReportTables, experiment: Experiment) -> Controls:
    """Summarise the controls over seeds for every setting of an experiment."""
    measured = measurements.of_cells(tables.analyses, experiment, "controls")
    if not len(measured):
        return Controls()
    by_column = {(column, metric): part["value"] for (column, metric), part in measured.groupby(["column", "metric"])}
    rows = tuple(
        ControlRow(
            name,
            label,
            tuple(_cell(by_column, name, column, setting) for column, setting in enumerate(experiment.settings)),
        )
        for name, label in NAMES.items()
    )
    return Controls(rows, _caption(measured, experiment))


def _cell(by_column: dict[Any, "pd.Series[float]"], name: str, column: int, setting: Setting) -> ControlCell:
    values = by_column.get((column, f"{name}_accuracy"), pd.Series(dtype="float64"))
    # Chance is the same for every seed, and no measurement.
    summary = summarise(values[:1] if name == "chance" else values)
    was_measured = (column, "majority_accuracy") in by_column
    return ControlCell(setting, summary, _ON_DISK if was_measured and not summary.n else "")


def _caption(measured: pd.DataFrame, experiment: Experiment) -> str:
    text = (
        "Controls, measured here and printed by no study: chance is one over the number of classes; the majority class "
        "is the most frequent one of the training samples; the linear classifier is logistic regression with a "
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
