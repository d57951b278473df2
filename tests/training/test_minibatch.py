"""Procedure ``minibatch``: a run's files, resuming, stopping."""

import json
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from support.squares import RECIPE, make_spec, write_squares
from support.training_process import assert_same_run, run_in_process, write_arguments

from phasebench.specs.run import RunIdentity
from phasebench.training.checkpoint import previous_checkpoint
from phasebench.training.minibatch import train_run


def make_identity(**arguments: object) -> RunIdentity:
    return RunIdentity(run=make_spec(**arguments), code={}, environment={"torch": "2"})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squares(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def undisturbed(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    arguments = write_arguments(tmp_path_factory.mktemp("run") / "undisturbed", store, make_identity())
    assert run_in_process(arguments) == 0
    return arguments["output"]


@pytest.mark.parametrize("wait", [0.0, 0.11, 0.37])
def test_a_killed_run_goes_on_bit_identically(wait: float, store: Path, undisturbed: Path, tmp_path: Path) -> None:
    arguments = write_arguments(tmp_path / "killed", store, make_identity())
    assert run_in_process(arguments, wait=wait, send=signal.SIGKILL) == -signal.SIGKILL
    assert not (arguments["output"] / "run.json").exists()
    assert run_in_process(arguments) == 0
    assert json.loads((arguments["output"] / "run.json").read_text())["resumed"] == 1
    assert_same_run(undisturbed, arguments["output"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_ends_in_a_checkpoint_and_status_75(
    number: int, store: Path, undisturbed: Path, tmp_path: Path
) -> None:
    arguments = write_arguments(tmp_path / "stopped", store, make_identity())
    assert run_in_process(arguments, send=number) == 75
    # A kill between two renamings leaves the checkpoint before alone.
    assert arguments["checkpoint"].exists() or previous_checkpoint(arguments["checkpoint"]).exists()
    assert not arguments["output"].exists()
    assert run_in_process(arguments) == 0
    assert not arguments["checkpoint"].exists()
    assert_same_run(undisturbed, arguments["output"])


def test_a_finished_run_says_what_made_it(undisturbed: Path) -> None:
    record = json.loads((undisturbed / "run.json").read_text())
    predictions = pd.read_parquet(undisturbed / "predictions.parquet")
    history = pd.read_parquet(undisturbed / "history.parquet")
    assert record["digest"] == make_identity().digest
    assert (undisturbed / "spec.json").read_text() == make_identity().to_json()
    assert record["n_train"] == 90
    assert record["n_validation"] == 10
    assert list(predictions["index"]) == list(range(100, 140))
    assert record["test_accuracy"] == pytest.approx((predictions["label"] == predictions["prediction"]).mean())
    assert list(history["step"]) == [10, 20, 30, 40]
    assert record["best_validation_accuracy"] == history["validation_accuracy"].max()
    assert record["best_step"] == history["step"][history["validation_accuracy"].idxmax()]
    # 40 steps of 16 are six epochs of 90 in batches of 16 and 10, and four batches.
    assert record["images_per_second"] * record["train_seconds"] == pytest.approx(6 * 90 + 4 * 16)


def test_initial_weights_follow_the_seed_alone(store: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"steps": 1, "validate_every": 1})
    folders = []
    for index, (seed, noise) in enumerate([(3, 0), (3, 99), (4, 0)]):
        torch.manual_seed(noise)
        folders.append(tmp_path / str(index))
        train_run(make_identity(recipe=recipe, seed=seed), store, folders[-1], tmp_path / "c.pt", device="cpu")
    weights = [load_file(folder / "weights.safetensors")["conv1.weight"] for folder in folders]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_train_and_test_curves_and_no_validation(store: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"track_test": True, "augmentation": "none", "steps": 21, "validate_every": 7})
    identity = make_identity(recipe=recipe)
    spec = identity.run.model_copy(update={"validation_fraction": 0.0})
    output = tmp_path / "run"
    train_run(identity.model_copy(update={"run": spec}), store, output, tmp_path / "run.pt", device="cpu")
    history = pd.read_parquet(output / "history.parquet")
    record = json.loads((output / "run.json").read_text())
    assert (record["n_train"], record["n_validation"]) == (100, 0)
    # The last weights are kept, and what is reported of them is the curve's last point.
    assert (record["best_step"], record["best_validation_accuracy"]) == (21, None)
    assert history["test_accuracy"].iloc[-1] == record["test_accuracy"]
    assert history["validation_accuracy"].isna().all()
    # Seven batches of 16, the seventh with the 4 that are left of 100.
    rightly = history["train_accuracy"] * 100
    assert rightly.tolist() == pytest.approx(rightly.round().tolist())
    assert history["train_accuracy"].is_monotonic_increasing
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
