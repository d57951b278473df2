"""Two small runs of one experiment, written by hand, and the specification by which they are aggregated."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from phasebench.common.files import write_text
from phasebench.specs.evaluated import EVALUATED, index_evaluations
from phasebench.specs.run import Recipe, RunIdentity, RunSpec
from phasebench.specs.stage import StageIdentity

RECIPE = Recipe(optimizer="adamw", learning_rate=0.1, batch_size=32, steps=20, validate_every=10)
FIRST = RunSpec(
    scale="demo",
    suite="study",
    experiment="table_1",
    dataset="shapes",
    stands_in_for="cifar10",
    encoding="lab",
    variant=None,
    model="net",
    recipe=RECIPE,
    seed=0,
)
SECOND = FIRST.model_copy(
    update={"dataset": "cifar10", "stands_in_for": None, "variant": "fraction010", "train_fraction": 0.1, "seed": 1}
)


def published(**changes: object) -> dict[str, object]:
    """A number that the study printed."""
    row = {"suite": "study", "experiment": "table_1", "dataset": "cifar10", "encoding": "lab", "train_fraction": 1.0}
    return {
        **row,
        "model": "net",
        "metric": "test_accuracy",
        "value": 0.67,
        "std": None,
        "n": None,
        "where": "Table 1",
        **changes,
    }


SPEC = StageIdentity(
    stage="aggregate",
    settings={
        "scale": "demo",
        "label": "DEMO",
        "description": "Words.",
        "suites": ["study", "other"],
        "studies": {"study": {"title": "Words", "citation": "Somebody", "question": "Is it so?"}},
        "display_names": {"cifar10": "CIFAR-10"},
        "experiments": [
            {
                **{"suite": "study", "experiment": "table_1", "title": "Table 1: words"},
                **{
                    "answers": {"trend": "Figure 7a"},
                    "reported": {"trend": "It falls."},
                    "sorted_by": "net",
                    "author_seed": 2,
                },
            }
        ],
        "runs": {FIRST.id: {"rotation": "rotation-of-64"}, SECOND.id: {}},
        "imported": {},
        "analyses": {},
        "overheads": {},
        "properties": [],
        "baselines": {},
        "claims": [],
        "shortened": [],
        "left_out": [],
        "models": {"net": {"label": "Net", "study": "study", "published_parameters": 123}},
        "published": [
            published(),
            published(train_fraction=0.1, value=0.5, where="Table 2"),
            published(encoding="rgb", value=0.9),
            published(metric="parameters", dataset=None, encoding=None, train_fraction=None, value=123.0),
        ],
    },
    code={},
    environment={},
)


def evaluation(*rows: tuple[str, float, int, float]) -> pd.DataFrame:
    """Rows of an evaluation."""
    return pd.DataFrame(rows, columns=["metric", "condition", "draw", "value"])


def write_run(results: Path, spec: RunSpec, accuracy: float) -> Path:
    """Everything that training and evaluation leave behind; returns the run's folder."""
    identity = RunIdentity(run=spec, code={"module": "hash"}, environment={"torch": "1"})
    folder = results / "runs" / spec.id
    for path in (results / "specs" / "runs" / f"{spec.id}.json", folder / "spec.json"):
        write_text(path, identity.to_json())
    record: dict[str, Any] = {
        "spec": spec.model_dump(mode="json"),
        "digest": identity.digest,
        "packages": {"torch": "2.13.0"},
        "device": "cpu",
        "git_commit": "abc",
        "python": "3.11.7",
        "finished_at": "2026-01-01T00:00:00+00:00",
    }
    numbers = "parameters steps n_train n_validation n_test images_per_second wall_seconds train_seconds"
    numbers += " peak_memory_bytes best_step best_validation_accuracy test_accuracy resumed threads"
    record |= {name: index for index, name in enumerate(numbers.split())}
    record["test_accuracy"] = accuracy
    (folder / "run.json").write_text(json.dumps(record))
    history: dict[str, Any] = {
        "step": [10, 20],
        "epoch": [1.0, 2.0],
        "train_loss": [1.0, 0.5],
        "train_accuracy": [0.4, 0.7],
        "validation_loss": [1.0, 0.6],
    }
    history |= {"validation_accuracy": [0.5, 0.6], "learning_rate": [0.1, 0.1], "images_per_second": [9.0, 9.0]}
    pd.DataFrame(history).to_parquet(folder / "history.parquet")
    probes = {"step": [0], "epoch": [0.0], "metric": ["map_rms"], "item": ["module3"], "value": [0.125]}
    pd.DataFrame(probes).to_parquet(folder / "probes.parquet")
    (folder / "evaluation").mkdir()
    rotations = [("rotation_accuracy", angle, draw, angle / 1000 + draw) for angle in (0.0, 90.0) for draw in (0, 1, 2)]
    evaluation(*rotations).to_parquet(folder / "evaluation" / "rotation.parquet")
    index(folder)
    return folder


def index(folder: Path) -> None:
    """Index the evaluations that there are."""
    names = [path.stem for path in (folder / "evaluation").iterdir()]
    write_text(folder / EVALUATED, index_evaluations(folder, {name: {} for name in names}).to_json())
