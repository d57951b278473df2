"""Finished runs as analyses read them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd

from phasebench.common.files import read_json
from phasebench.specs.imported import DATA_MANIFEST, read_mark
from phasebench.specs.paths import Prepared
from phasebench.specs.run import RunSpec, coordinates
from phasebench.specs.run_folder import (
    HISTORY,
    PREDICTIONS,
    check_file,
    read_record,
    read_run_table,
    recorded_number,
    recorded_spec,
)

CELL_KEYS = coordinates("suite", "experiment", "seed")
"""Fields that the runs of one cell of a table share; they differ in their seeds."""
_PREDICTED = ("index", "label", "prediction")


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """Results that a run left behind.

    Attributes
    ----------
    spec
        What was trained.
    test_accuracy
        From 0 to 1.
    n_test
        Test samples.
    classes
        Names of the labels.
    predictions
        Columns ``index`` (position in the data set), ``label`` and ``prediction``, one row per test sample.
    history
        What training recorded, one row per ``step`` that it looked at; ``epoch`` and ``test_accuracy`` where the run
        follows them.
    """

    spec: RunSpec
    test_accuracy: float
    n_test: int
    classes: tuple[str, ...]
    predictions: pd.DataFrame
    history: pd.DataFrame


def read_run(folder: Path, prepared: Path) -> FinishedRun:
    """Read a run's folder, and the names of its classes from the manifest of its data set.

    An imported run has that manifest in its folder; else it is in the folder of the prepared data sets.

    Raises
    ------
    PhasebenchError
        A file is missing or damaged, or another than was written.
    """
    record = read_record(folder)
    for file in (PREDICTIONS, HISTORY):
        check_file(folder, record, file)
    spec = recorded_spec(folder, record)
    accuracy, n_test = recorded_number(folder, record, "test_accuracy"), int(recorded_number(folder, record, "n_test"))
    predictions = read_run_table(folder, PREDICTIONS, _PREDICTED)[list(_PREDICTED)]
    # What was imported once and made again here keeps the file, which may be of other data.
    manifest = folder / DATA_MANIFEST if read_mark(folder) else Prepared(prepared).manifest(spec.dataset)
    classes = read_json(manifest, "prepare the data set again", ["classes"])["classes"]
    history = read_run_table(folder, HISTORY)
    return FinishedRun(spec, accuracy, n_test, tuple(classes), predictions, history)


def by_cell(runs: Iterable[FinishedRun]) -> list[tuple[dict[str, object], Sequence[FinishedRun]]]:
    """Group runs that differ in their seeds alone, with the values of :data:`CELL_KEYS`, in order of the seeds."""

    def cell(run: FinishedRun) -> tuple[str, ...]:
        return tuple(str(getattr(run.spec, key)) for key in CELL_KEYS)

    ordered = sorted(runs, key=lambda run: (cell(run), run.spec.seed))
    groups = [list(group) for _, group in groupby(ordered, key=cell)]
    return [({key: getattr(group[0].spec, key) for key in CELL_KEYS}, group) for group in groups]
