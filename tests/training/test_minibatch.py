"""The training loop: learning, resuming, stopping, failing."""

import json
import math
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from support.training_process import assert_same_run, run_in_process, write_arguments
from torch import nn

from phasebench.common.errors import DivergedError, PhasebenchError
from phasebench.data.batches.in_memory import DeviceData, load_device_data
from phasebench.data.store import write_store
from phasebench.specs.run import Recipe, RunIdentity, RunSpec
from phasebench.training.loop import fit
from phasebench.training.minibatch import train_run
from phasebench.training.numerics import place
from phasebench.training.optimizers import build_optimizer, learning_rate
from phasebench.training.session import Session

RECIPE = Recipe(
    optimizer="adamw",
    learning_rate=1e-3,
    betas=(0.99, 0.999),
    weight_decay=0.1,
    batch_size=16,
    steps=40,
    validate_every=10,
    augmentation="crop_flip",
)


def make_spec(recipe: Recipe = RECIPE, model: str = "cifarnet_type_i", seed: int = 3) -> RunSpec:
    return RunSpec(
        scale="demo",
        suite="study",
        experiment="table",
        dataset="squares",
        encoding="lab",
        model=model,
        recipe=recipe,
        seed=seed,
    )


def make_identity(**arguments: object) -> RunIdentity:
    return RunIdentity(run=make_spec(**arguments), code={}, environment={"torch": "2"})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 32x32 images: bright left half, bright right half."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 140)
    samples = rng.integers(0, 60, (140, 32, 32, 3), dtype=np.uint8)
    for image, label in zip(samples, labels, strict=True):
        image[:, 16 * label : 16 * label + 16] += 120
    path = tmp_path_factory.mktemp("data") / "squares.h5"
    write_store(
        path,
        path.with_suffix(".json"),
        samples=samples,
        labels=labels.astype(np.int64),
        splits={"train": np.arange(100), "test": np.arange(100, 140)},
        classes=["left", "right"],
        source={"source": "generated"},
    )
    return path


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
    assert arguments["checkpoint"].exists()
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


def data_for(recipe: Recipe, store: Path) -> DeviceData:
    return load_device_data(make_spec(recipe), store, torch.device("cpu"))


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4 * 32 * 32, 2)

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        return self.layer(planes.flatten(1))


def test_it_learns_what_is_easy(store: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"augmentation": "none", "steps": None, "epochs": 10})
    data = data_for(recipe, store)
    model = Linear()
    state = fit(model, data, recipe, 0, Session(tmp_path / "c.pt", "d"))
    assert state.step == 10 * math.ceil(90 / 16)
    assert state.best_accuracy == 1.0
    assert state.history[-1]["train_loss"] < state.history[0]["train_loss"] / 2


def test_the_best_validation_weights_are_kept(store: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"augmentation": "none", "steps": 60})
    data = data_for(recipe, store)
    model = Linear()
    state = fit(model, data, recipe, 0, Session(tmp_path / "c.pt", "d"))
    with torch.no_grad():
        logits = model(data.batch(data.validation))
    accuracy = (logits.argmax(1) == data.labels[data.validation]).double().mean().item()
    assert accuracy == state.best_accuracy


def test_a_diverging_run_stops_and_keeps_its_last_checkpoint(store: Path, tmp_path: Path) -> None:
    class Exploding(Linear):
        calls = 0

        def forward(self, planes: torch.Tensor) -> torch.Tensor:
            Exploding.calls += 1
            return super().forward(planes) * (math.nan if Exploding.calls > 5 else 1.0)

    checkpoint = tmp_path / "c.pt"
    with pytest.raises(DivergedError, match=r"step 6: .*not finite.*learning_rate"):
        fit(Exploding(), data_for(RECIPE, store), RECIPE, 0, Session(checkpoint, "d", seconds=0))
    state = torch.load(checkpoint, weights_only=True)["state"]
    assert state["step"] == 5
    assert all(torch.isfinite(tensor).all() for tensor in state["model"].values())


def test_a_checkpoint_of_another_version_is_refused(store: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "c.pt"
    recipe = RECIPE.model_copy(update={"steps": 3})
    data = data_for(recipe, store)
    fit(Linear(), data, recipe, 0, Session(checkpoint, "one", seconds=0))
    with pytest.raises(PhasebenchError, match=r"c\.pt: .*another version"):
        fit(Linear(), data, recipe, 0, Session(checkpoint, "two"))
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(PhasebenchError, match=r"c\.pt: .*cannot be read"):
        fit(Linear(), data, recipe, 0, Session(checkpoint, "one"))


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


def test_the_schedule_is_linear_between_its_knots() -> None:
    recipe = RECIPE.model_copy(update={"schedule": [(0.0, 0.01), (10.0, 0.2), (100.0, 0.01)]})
    assert learning_rate(recipe, 5.0) == pytest.approx(0.105)
    assert learning_rate(recipe, 55.0) == pytest.approx(0.105)
    assert learning_rate(recipe, 200.0) == pytest.approx(0.01)
    assert learning_rate(RECIPE, 7.0) == RECIPE.learning_rate


def test_milestones_change_the_rate_from_their_epoch_on() -> None:
    recipe = Recipe(**{**RECIPE.model_dump(), "learning_rate": 0.1, "milestones": (60, 120), "milestone_factor": 0.2})
    rates = [learning_rate(recipe, epoch) for epoch in (0.0, 59.99, 60.0, 119.99, 120.0, 199.0)]
    assert rates == pytest.approx([0.1, 0.1, 0.02, 0.02, 0.004, 0.004])
    with pytest.raises(ValueError, match="at most one of 'schedule' and 'milestones'"):
        Recipe(**{**recipe.model_dump(), "schedule": [(0.0, 0.1)]})


def test_kernels_may_have_channels_last_and_compute_the_same() -> None:
    torch.manual_seed(0)
    model, images = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)), torch.randn(2, 3, 9, 9)
    expected = model(images)
    assert place(model, RECIPE, torch.device("cpu"))[0].weight.is_contiguous()
    recipe = RECIPE.model_copy(update={"channels_last": True})
    assert place(model, recipe, torch.device("cpu")) is model
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    found = model(images)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected)


class Noisy(Linear):
    """A network with dropout, and the outputs of its training passes."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.logits: list[torch.Tensor] = []

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        logits = super().forward(self.dropout(planes))
        if self.training:
            self.logits.append(logits.detach())
        return logits


def test_dropout_follows_the_seed_and_the_step_alone(store: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"steps": 4, "validate_every": 2, "augmentation": "none"})
    data = data_for(recipe, store)
    torch.manual_seed(0)
    initial = Linear().state_dict()
    outputs = []
    for noise, seed in ((1, 0), (2, 0), (1, 5)):
        model = Noisy()
        model.load_state_dict(initial)
        torch.manual_seed(noise)
        fit(model, data, recipe, seed, Session(tmp_path / "c.pt", "d"))
        outputs.append(torch.stack(model.logits))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_optimisers_take_the_recipes_settings() -> None:
    adamw = build_optimizer(Linear(), RECIPE)
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.defaults["betas"] == (0.99, 0.999)
    assert adamw.defaults["weight_decay"] == 0.1
    sgd = build_optimizer(Linear(), RECIPE.model_copy(update={"optimizer": "sgd", "momentum": 0.9, "nesterov": True}))
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.defaults["momentum"] == 0.9
    assert sgd.defaults["nesterov"]


def test_a_recipe_has_one_length() -> None:
    with pytest.raises(ValueError, match="exactly one of 'steps' and 'epochs'"):
        Recipe(optimizer="adamw", learning_rate=1e-3, batch_size=8, validate_every=1)


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
