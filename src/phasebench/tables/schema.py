"""Columns of the aggregated tables and their kinds, for the writer and the reader."""

from collections.abc import Collection, Mapping
from typing import Literal

from phasebench.claims import verdicts
from phasebench.claims.marks import DIRECTIONS, KINDS, MARKS, PARTS
from phasebench.common.errors import PhasebenchError
from phasebench.properties import rows as property_rows
from phasebench.specs.run import coordinates
from phasebench.specs.value_tables import COLUMN_TYPES

Kind = Literal["text", "number"]
"""Text columns are read as str ('' for none), columns of numbers as float64 (NaN for none)."""
CURVES = ("train_accuracy", "test_loss", "test_accuracy")
"""Columns of the history that are empty where a run does not follow training and test."""
HISTORY_COORDINATES = coordinates("stands_in_for", "train_fraction")
PUBLISHED_COORDINATES = coordinates("stands_in_for", "variant", "seed")
"""Coordinates of a published number, beside its metric and condition."""
RECORDED = (
    *("parameters", "steps", "n_train", "n_validation", "n_test", "device", "images_per_second", "wall_seconds"),
    *("train_seconds", "peak_memory_bytes", "best_step", "best_validation_accuracy", "test_accuracy", "resumed"),
    *("threads", "git_commit", "python", "digest", "finished_at"),
)
"""Columns of the runs that are taken from ``run.json`` as they are."""
_NUMBERED_COORDINATES = ("train_fraction", "seed")


def _numbers(*names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, "number")


def _texts(*names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, "text")


def _placed(*names: str) -> dict[str, Kind]:
    """Coordinates of a cell."""
    return {name: "number" if name in _NUMBERED_COORDINATES else "text" for name in names}


_RUN: dict[str, Kind] = {
    **_texts("run"),
    **_placed(*HISTORY_COORDINATES, "stands_in_for", "train_fraction"),
}
COLUMNS: Mapping[str, Mapping[str, Kind]] = {
    "benchmark": _texts("scale", "label", "description", "suites", "studies", "display_names", "config_digest"),
    "experiments": {
        **_texts("suite", "experiment", "title", "answers", "reported", "sorted_by"),
        **_numbers("author_seed"),
    },
    "left_out": {
        **_placed(*coordinates("encoding", "variant", "train_fraction", "model", "seed")),
        **_numbers("runs", "is_whole"),
        **_texts("reason"),
    },
    "models": {**_texts("model", "label", "study"), **_numbers("published_parameters")},
    "published": {
        **_placed(*PUBLISHED_COORDINATES),
        **_texts("metric"),
        **_numbers("condition", "value", "std", "n"),
        **_texts("where"),
    },
    "runs": {
        **_RUN,
        **_numbers("parameters", "published_parameters", "steps", "batch_size", "n_train", "n_validation", "n_test"),
        **_texts("device"),
        **_numbers("images_per_second", "wall_seconds", "train_seconds", "peak_memory_bytes", "best_step"),
        **_numbers("best_validation_accuracy", "test_accuracy", "resumed", "decoded_images_per_second"),
        **_numbers("wait_seconds", "diverged_at", "processes", "threads"),
        **_texts("settings", "environment", "git_commit", "torch", "python", "digest", "finished_at", "origin"),
    },
    "metrics": {
        **_RUN,
        **_texts("metric"),
        **_numbers("condition", "value", "published"),
        **_texts("published_where"),
    },
    "items": {**_RUN, **_texts("metric"), **_numbers("condition"), **_texts("item"), **_numbers("value")},
    "analyses": {
        **_texts("suite", "experiment", "analysis"),
        **{name: "text" if kind == "string" else "number" for name, kind in COLUMN_TYPES.items()},
    },
    "unfinished": {**_RUN, **_texts("what", "state", "reason")},
    "properties": {name: "text" if kind == "string" else "number" for name, kind in property_rows.COLUMN_TYPES.items()},
    "claims": verdicts.COLUMNS,
    "history": {
        **_texts("run"),
        **_placed(*HISTORY_COORDINATES),
        **_numbers("step", "epoch", "train_loss", "validation_loss", "validation_accuracy", *CURVES),
        **_numbers("learning_rate", "images_per_second"),
    },
}
"""Table -> its columns and their kinds."""
CHOICES: Mapping[str, tuple[str, ...]] = {
    "mark": tuple(MARKS),
    "direction": DIRECTIONS,
    "part": PARTS,
    "kind": KINDS,
    "paper_agrees": verdicts.PAPER_AGREES,
}
"""Columns of the claims that have one of a few values, and these in the order of the page."""


def check_columns(table: str, found: Collection[str]) -> None:
    """Refuse to write a table with other columns than those that are read.

    Raises
    ------
    PhasebenchError
        A column is missing, or one is not known.
    """
    columns = COLUMNS[table]
    if missing := [column for column in columns if column not in found]:
        raise PhasebenchError(f"table '{table}': {', '.join(missing)}: missing column; the aggregation has to write it")
    if unknown := [column for column in found if column not in columns]:
        raise PhasebenchError(f"table '{table}': {', '.join(unknown)}: unknown column; add it to tables/schema.py")
