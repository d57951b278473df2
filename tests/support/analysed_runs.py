"""Finished runs as the analyses get them, written by hand."""

import json
from pathlib import Path

import pandas as pd

from phasebench.analysis.finished import FinishedRun
from phasebench.specs.run import Recipe, RunSpec

RECIPE = Recipe(optimizer="adamw", learning_rate=0.1, batch_size=32, steps=20, validate_every=10)
SPEC = RunSpec(
    scale="demo",
    suite="study",
    experiment="table",
    dataset="shapes",
    encoding="lab",
    model="net",
    recipe=RECIPE,
    seed=0,
)
NOTHING_PUBLISHED = pd.DataFrame(columns=["dataset", "encoding", "train_fraction", "model", "metric", "value"])
LABELS = [0, 0, 1, 1]
HISTORY = pd.DataFrame(
    {"epoch": range(1, 21), "step": range(10, 210, 10), "test_accuracy": [epoch / 20 for epoch in range(1, 21)]}
)


def finished_run(
    predictions: list[int], seed: int = 0, fraction: float = 1.0, accuracy: float = 0.5, model: str = "net"
) -> FinishedRun:
    """A run with these predictions of four test samples."""
    table = pd.DataFrame({"index": range(len(predictions)), "label": LABELS, "prediction": predictions})
    spec = SPEC.model_copy(update={"seed": seed, "train_fraction": fraction, "model": model})
    return FinishedRun(spec, accuracy, 200, ("cat", "dog", "owl"), table, HISTORY)


def write_run(folder: Path, finished: FinishedRun) -> None:
    """Leave the files that an analysis reads of a run."""
    run_folder = folder / "runs" / finished.spec.id
    run_folder.mkdir(parents=True)
    record = {"spec": finished.spec.model_dump(mode="json"), "test_accuracy": 0.5, "n_test": 4}
    (run_folder / "run.json").write_text(json.dumps(record))
    finished.predictions.to_parquet(run_folder / "predictions.parquet")
    finished.history.to_parquet(run_folder / "history.parquet")
    (folder / "shapes.json").write_text(json.dumps({"classes": list(finished.classes)}))
