"""`phasebench evaluate`: all evaluations of a run in one process, of which only those are computed that have to be."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phasebench.cli.main import app
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_file
from phasebench.data.store import write_store
from phasebench.evaluation import run as evaluation_run
from phasebench.evaluation.trained import load_trained_run
from phasebench.specs.evaluated import EVALUATED, index_evaluations, read_evaluation, read_index
from phasebench.specs.run import Recipe, RunIdentity, RunSpec
from phasebench.specs.run_folder import read_record, write_record
from phasebench.specs.stage import StageIdentity
from phasebench.training.minibatch import train_run

NAMES = ("confidence", "mixed_batches", "rotation")
COLUMNS = ("metric", "condition", "value")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A run of one training step and the spec files of three evaluations."""
    rng = np.random.default_rng(0)
    write_store(
        tmp_path / "noise.h5",
        tmp_path / "noise.json",
        samples=rng.integers(0, 255, (40, 32, 32, 3)).astype(np.uint8),
        labels=rng.integers(0, 2, 40),
        splits={"train": np.arange(20), "test": np.arange(20, 40)},
        classes=["a", "b"],
        source={"source": "generated"},
    )
    recipe = Recipe(optimizer="sgd", learning_rate=0.1, batch_size=16, steps=1, validate_every=1)
    spec = RunSpec(
        scale="demo",
        suite="s",
        experiment="e",
        dataset="noise",
        encoding="lab",
        model="cifarnet_real",
        recipe=recipe,
        seed=0,
    )
    identity = RunIdentity(run=spec, code={}, environment={})
    train_run(identity, tmp_path / "noise.h5", tmp_path / "run", tmp_path / "c.pt", device="cpu")
    for name in NAMES:
        write_spec(tmp_path, name)
    return tmp_path


def write_spec(root: Path, name: str, version: str = "1") -> None:
    """A spec file without hashes, which is not checked against the code."""
    identity = StageIdentity(stage="evaluate", settings={"evaluation": name}, code={}, environment={"torch": version})
    (root / f"{name}.json").write_text(identity.to_json())


class Evaluate:
    """Evaluates as the workflow does, and says what was computed, kept and removed and how often the run was loaded."""

    def __init__(self, root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.run, self._caplog, self.loaded = root, root / "run", caplog, 0
        caplog.set_level(logging.INFO, logger="phasebench")

        def load(*arguments: object) -> object:
            self.loaded += 1
            return load_trained_run(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(evaluation_run, "load_trained_run", load)

    def __call__(self, *names: str) -> dict[str, str]:
        self._caplog.clear()
        specs = [str(self.root / f"{name}.json") for name in names or NAMES]
        places = ["--data", str(self.root / "noise.h5"), "--run", str(self.run), "--device", "cpu"]
        app(["evaluate", *specs, *places], standalone_mode=False)
        messages = (message.split(": ") for message in self._caplog.messages)
        return {name: outcome.split(",")[0] for name, outcome in messages if name in NAMES}

    def table(self, name: str) -> Path:
        return self.run / "evaluation" / f"{name}.parquet"


@pytest.fixture
def evaluate(root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    return Evaluate(root, caplog, monkeypatch)


def all_but(name: str, outcome: str) -> dict[str, str]:
    return {**dict.fromkeys(NAMES, "kept"), name: outcome}


def test_a_run_is_loaded_once_for_all_evaluations(evaluate: Evaluate) -> None:
    assert evaluate() == dict.fromkeys(NAMES, "computed")
    assert evaluate.loaded == 1
    index = read_index(evaluate.run)
    assert index.evaluations.keys() == set(NAMES)
    for name in NAMES:
        assert index.evaluations[name].sha256 == sha256_of_file(evaluate.table(name))
        assert index.evaluations[name].origin["spec"] == sha256_of_file(evaluate.root / f"{name}.json")
        assert len(read_evaluation(evaluate.run, index, name, COLUMNS))


def test_what_is_current_is_kept_and_nothing_is_loaded(evaluate: Evaluate) -> None:
    evaluate()
    before = {path: path.stat().st_mtime_ns for path in map(evaluate.table, NAMES)}
    index = (evaluate.run / EVALUATED).read_bytes()
    # Snakemake deletes the outputs of a rule before it starts its job.
    (evaluate.run / EVALUATED).unlink()
    assert evaluate() == dict.fromkeys(NAMES, "kept")
    assert evaluate.loaded == 1
    assert {path: path.stat().st_mtime_ns for path in map(evaluate.table, NAMES)} == before
    assert (evaluate.run / EVALUATED).read_bytes() == index


def cut(evaluate: Evaluate) -> None:
    path = evaluate.table("rotation")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_in_the_middle(evaluate: Evaluate) -> None:
    """The end of a Parquet file says what is in it; the values come before."""
    path = evaluate.table("rotation")
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(60) + content[64:])


def forget_the_origin(evaluate: Evaluate) -> None:
    pd.DataFrame(pd.read_parquet(evaluate.table("rotation")).to_dict("list")).to_parquet(evaluate.table("rotation"))


@pytest.mark.parametrize(
    "change",
    [
        lambda evaluate: evaluate.table("rotation").unlink(),
        lambda evaluate: write_spec(evaluate.root, "rotation", "2"),
        cut,
        cut_in_the_middle,
        forget_the_origin,
    ],
    ids=["missing", "changed", "cut", "damaged", "of unknown origin"],
)
def test_one_evaluation_is_computed_alone(evaluate: Evaluate, change: Callable[[Evaluate], None]) -> None:
    evaluate()
    first = pd.read_parquet(evaluate.table("rotation"))
    change(evaluate)
    assert evaluate() == all_but("rotation", "computed")
    pd.testing.assert_frame_equal(pd.read_parquet(evaluate.table("rotation")), first, check_exact=True)
    assert evaluate() == dict.fromkeys(NAMES, "kept")


def test_a_run_that_was_trained_anew_is_evaluated_anew(evaluate: Evaluate) -> None:
    evaluate()
    write_record(evaluate.run, {**read_record(evaluate.run), "finished_at": "later"})
    assert evaluate() == dict.fromkeys(NAMES, "computed")


def test_a_new_evaluation_is_computed_alone(evaluate: Evaluate) -> None:
    evaluate("confidence", "rotation")
    assert evaluate() == all_but("mixed_batches", "computed")


def test_an_evaluation_that_is_no_longer_asked_for_is_removed(evaluate: Evaluate) -> None:
    evaluate()
    assert evaluate("confidence", "mixed_batches") == all_but("rotation", "removed")
    assert not evaluate.table("rotation").exists()
    assert read_index(evaluate.run).evaluations.keys() == {"confidence", "mixed_batches"}


def test_a_job_that_ends_early_keeps_what_is_finished(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(run: object) -> pd.DataFrame:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("phasebench.evaluation.rotation.evaluate_rotation", end)
        with pytest.raises(MemoryError):
            evaluate()
    assert not (evaluate.run / EVALUATED).exists()
    assert evaluate() == all_but("rotation", "computed")


def test_a_table_that_is_missing_is_not_indexed(tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match=r"rotation\.parquet: there is no such file; run snakemake again"):
        index_evaluations(tmp_path, {"rotation": {}})
