"""Reader of the aggregated tables that a report is made of, with checks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import read_table, sha256_of_file

_KEYS = ("suite", "experiment", "dataset", "encoding", "variant", "model", "seed")

COLUMNS: dict[str, tuple[str, ...]] = {
    "benchmark": ("scale", "label", "description", "suites", "display_names", "config_digest"),
    "experiments": ("suite", "experiment", "title", "answers", "sorted_by", "author_seed"),
    "models": ("model", "label", "study", "published_parameters"),
    "published": (
        *("suite", "experiment", "dataset", "encoding", "train_fraction", "model", "metric", "condition"),
        *("value", "std", "where"),
    ),
    "runs": (
        *("run", *_KEYS, "stands_in_for", "train_fraction", "parameters", "published_parameters", "steps"),
        *("batch_size", "n_train", "n_validation", "n_test", "device", "images_per_second", "wall_seconds"),
        *("train_seconds", "peak_memory_bytes", "best_step", "best_validation_accuracy", "test_accuracy", "resumed"),
        *("decoded_images_per_second", "wait_seconds", "diverged_at", "processes", "threads", "settings"),
        *("environment", "git_commit", "torch", "python", "digest", "finished_at"),
    ),
    "metrics": (
        *("run", *_KEYS, "stands_in_for", "train_fraction", "metric", "condition", "value"),
        *("published", "published_where"),
    ),
    "items": ("run", *_KEYS, "stands_in_for", "train_fraction", "metric", "condition", "item", "value"),
    "analyses": (
        *("suite", "experiment", "analysis", "dataset", "stands_in_for", "encoding", "variant", "train_fraction"),
        *("model", "seed", "n", "metric", "condition", "item", "value"),
    ),
    "claims": (
        *("suite", "claim", "text", "where", "published", "unit", "threshold", "mean", "std", "low", "high", "n"),
        *("verdict", "reason", "paper_agrees", "detail", "runs"),
    ),
    "history": (
        *("run", *_KEYS, "step", "epoch", "train_loss", "validation_loss", "validation_accuracy"),
        *("train_accuracy", "test_loss", "test_accuracy", "learning_rate", "images_per_second"),
    ),
}
"""Table -> the columns it must have."""

_REMEDY = "aggregate the results again"
VERDICTS = ("reproduced", "not reproduced", "not decidable at this scale")
"""What may stand in the column ``verdict`` of the claims, in the order of the page."""

_TEXT = frozenset(
    (
        *("answers", "display_names", "sorted_by"),
        *("analysis", "claim", "config_digest", "dataset", "description", "detail", "device", "digest", "encoding"),
        *("environment", "experiment", "finished_at", "git_commit", "item", "label", "metric", "model", "paper_agrees"),
        *("published_where", "python", "reason", "run", "runs", "scale", "settings", "stands_in_for", "study", "suite"),
        *("suites", "text", "title", "torch", "unit", "variant", "verdict", "where"),
    )
)
# A claim quotes what the study printed; elsewhere the column holds a number.
_TEXT_OF = {"claims": frozenset(("published", "threshold"))}


@dataclass(frozen=True)
class ReportTables:
    """The aggregated tables; text columns hold str ('' for none), all others float64 (NaN for none).

    Attributes
    ----------
    benchmark
        One row: what was run.
    experiments
        One row per table or figure of a study.
    models, published, runs, metrics, history
        One row per model, published number, run, measured value and validation.
    items
        One row per value that belongs to a part of a measurement: an image, a pair of filters.
    analyses
        One row per value that was computed from several runs.
    claims
        One row per claim of a study, with its verdict.
    digests
        File name -> (rows, SHA-256).
    """

    benchmark: pd.DataFrame
    experiments: pd.DataFrame
    models: pd.DataFrame
    published: pd.DataFrame
    runs: pd.DataFrame
    metrics: pd.DataFrame
    items: pd.DataFrame
    analyses: pd.DataFrame
    claims: pd.DataFrame
    history: pd.DataFrame
    digests: dict[str, tuple[int, str]]


def read_tables(folder: Path) -> ReportTables:
    """Read all tables in ``folder``.

    Raises
    ------
    PhasebenchError
        A file is missing or cut, lacks a column, holds text in a column of numbers, names a run that
        ``runs.parquet`` does not have, or holds an unknown verdict.
    """
    frames = {name: _read(folder, name) for name in COLUMNS}
    if len(frames["benchmark"]) != 1:
        raise PhasebenchError(
            f"{folder / 'benchmark.parquet'}: scale: {len(frames['benchmark'])} rows where one is expected; {_REMEDY}"
        )
    _check_runs(folder, frames)
    _check_verdicts(folder, frames["claims"])
    digests = {
        f"{name}.parquet": (len(frame), sha256_of_file(folder / f"{name}.parquet"))
        for name, frame in frames.items()
        if (folder / f"{name}.parquet").is_file()
    }
    return ReportTables(**frames, digests=digests)


def _read(folder: Path, table: str) -> pd.DataFrame:
    path = folder / f"{table}.parquet"
    return _typed_frame(path, table, read_table(path, COLUMNS[table], _REMEDY))


def _typed_frame(path: Path, table: str, frame: pd.DataFrame) -> pd.DataFrame:
    text = _TEXT | _TEXT_OF.get(table, frozenset())
    return pd.DataFrame({column: _typed(path, frame[column], is_text=column in text) for column in COLUMNS[table]})


def _typed(path: Path, values: "pd.Series[Any]", *, is_text: bool) -> "pd.Series[Any]":
    if is_text:
        texts = ["" if missing else str(value) for value, missing in zip(values, values.isna(), strict=True)]
        return pd.Series(texts, dtype=object)
    try:
        numbers = pd.to_numeric(values, errors="raise").to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise PhasebenchError(f"{path}: {values.name}: not a column of numbers; {_REMEDY}") from error
    # Fractions are compared, and 0.1 has more than one neighbour.
    return pd.Series(numbers.round(9) if values.name == "train_fraction" else numbers)


def _check_runs(folder: Path, frames: dict[str, pd.DataFrame]) -> None:
    runs = frames["runs"]["run"]
    if runs.duplicated().any():
        name = runs[runs.duplicated()].iloc[0]
        raise PhasebenchError(f"{folder / 'runs.parquet'}: run: '{name}' occurs twice; {_REMEDY}")
    for table in ("metrics", "items", "history"):
        strangers = set(frames[table]["run"]) - set(runs)
        if strangers:
            raise PhasebenchError(
                f"{folder / table}.parquet: run: '{min(strangers)}' is not in runs.parquet; {_REMEDY}"
            )


def _check_verdicts(folder: Path, claims: pd.DataFrame) -> None:
    unknown = sorted(set(claims["verdict"]) - set(VERDICTS))
    if unknown:
        raise PhasebenchError(f"{folder / 'claims.parquet'}: verdict: '{unknown[0]}' is unknown; {_REMEDY}")
