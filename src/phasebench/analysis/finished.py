"""Finished runs as analyses see them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd
import pyarrow as pa

from phasebench.common.errors import PhasebenchError
from phasebench.specs.run import RunSpec

CELL_KEYS = ("dataset", "stands_in_for", "encoding", "variant", "train_fraction", "model")
"""What the runs of one cell of a table have in common; they differ in their seeds."""


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What a run left behind.

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
    """Read a run's folder, and the names of its classes from the folder of the prepared data sets.

    Raises
    ------
    PhasebenchError
        A file is missing or damaged.
    """
    path = folder / "run.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        spec = RunSpec.model_validate(record["spec"])
        accuracy, n_test = float(record["test_accuracy"]), int(record["n_test"])
        path = folder / "predictions.parquet"
        predictions = pd.read_parquet(path, columns=["index", "label", "prediction"])
        path = folder / "history.parquet"
        history = pd.read_parquet(path)
        path = prepared / f"{spec.dataset}.json"
        classes = tuple(json.loads(path.read_text(encoding="utf-8"))["classes"])
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise PhasebenchError(f"{path}: cannot be read ({error}); delete it and run snakemake again") from error
    return FinishedRun(spec, accuracy, n_test, classes, predictions, history)


def by_cell(runs: Iterable[FinishedRun]) -> list[tuple[dict[str, object], Sequence[FinishedRun]]]:
    """Group runs that differ in their seeds alone, with the values of :data:`CELL_KEYS`, in order of the seeds."""

    def cell(run: FinishedRun) -> tuple[str, ...]:
        return tuple(str(getattr(run.spec, key)) for key in CELL_KEYS)

    ordered = sorted(runs, key=lambda run: (cell(run), run.spec.seed))
    groups = [list(group) for _, group in groupby(ordered, key=cell)]
    return [({key: getattr(group[0].spec, key) for key in CELL_KEYS}, group) for group in groups]
