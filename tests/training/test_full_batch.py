"""Training on the whole training set: the study's own steps and losses, snapshots, resuming, failing."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from support.perceptron_oracle import loss_and_gradients, native
from support.training_process import assert_same_run, run_in_process, write_arguments
from torch import Tensor, nn
from torch.nn import functional
from torchvision import datasets

from phasebench.common.errors import DivergedError, PhasebenchError
from phasebench.data.batches.in_memory import DeviceData
from phasebench.data.encodings.registry import load_encoding
from phasebench.data.store import write_store
from phasebench.evaluation.trained import load_trained_run
from phasebench.models.mlp import (
    ComplexPerceptron,
    Perceptron,
    RealPerceptron,
    perceptron_100,
    perceptron_real_512_100,
)
from phasebench.specs.run import FullBatchRecipe, RunIdentity, RunSpec
from phasebench.training import full_batch
from phasebench.training.checkpoint import TrainingState, previous_checkpoint
from phasebench.training.full_batch import descend, train_full_batch
from phasebench.training.session import Session
from phasebench.training.snapshots import encoded_columns

RECIPE = FullBatchRecipe(procedure="full_batch", learning_rate=0.1, steps=6, snapshot_every=2)
DIVERGING = RECIPE.model_copy(update={"learning_rate": 3.0, "steps": 400})
PHASE, UNIT = "grey_proportional_phase", "grey_unit"
STUDY = ("origin", "half_units", "only_phase", "only_amplitude", "only_real", "only_imaginary")


def data_of(pixels: Tensor, labels: Tensor, n_train: int, n_classes: int, encoding: str = PHASE) -> DeviceData:
    indices, encode = torch.arange(len(labels)), load_encoding(encoding)
    subsets = indices[:n_train], indices[:0], indices[n_train:]
    classes = tuple(map(str, range(n_classes)))
    return DeviceData(pixels, labels, *subsets, encode, encode, torch.ones(()), classes, torch.float64)


def small_data(encoding: str = PHASE) -> DeviceData:
    """Images of 3 x 3 pixels, one of them black while training; 20 to train on and 30 to test."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(1, 256, (50, 3, 3, 1), generator=generator, dtype=torch.uint8)
    pixels[:20, 0, 0] = 0
    return data_of(pixels, torch.randint(4, (50,), generator=generator), 20, 4, encoding)


def small_network(**options: Any) -> ComplexPerceptron:
    return ComplexPerceptron(4, **{"hidden": (7,), "input_size": (3, 3), "scale": 0.3, **options})


def columns(network: Perceptron, data: DeviceData, indices: Tensor) -> Tensor:
    return encoded_columns(network, [data.batch(indices)])


def run(network: Perceptron, folder: Path, data: DeviceData | None = None, **changes: Any) -> pd.DataFrame:
    """The history by steps; random halves have seed 2."""
    recipe = RECIPE.model_copy(update=changes)
    state = descend(network, data or small_data(), recipe, 2, Session(folder / "c.pt", "d"))
    return pd.DataFrame(state.history).set_index("step")


def untimed(history: pd.DataFrame) -> pd.DataFrame:
    return history.drop(columns="images_per_second")


def test_training_follows_the_derivatives_of_the_appendix(tmp_path: Path) -> None:
    data, network = small_data(), small_network()
    history = run(network, tmp_path, data)
    first, second = map(native, small_network().weights)
    inputs, labels = native(columns(network, data, data.train)), data.labels[data.train].numpy()
    losses = []
    for _ in range(6):
        loss, d_first, d_second = loss_and_gradients(first, second, inputs, labels)
        first, second = first - 0.1 * d_first, second - 0.1 * d_second
        losses.append(loss)
    np.testing.assert_allclose(history["train_loss"], losses, rtol=1e-12)
    np.testing.assert_allclose(native(network.weights[0]), first, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(native(network.weights[1]), second, rtol=1e-10, atol=1e-13)

    hidden = first @ native(columns(network, data, data.test))
    outputs = second @ (np.maximum(hidden.real, 0) + 1j * np.maximum(hidden.imag, 0))
    right = np.abs(outputs).argmax(axis=0) == data.labels[data.test].numpy()
    assert history["accuracy_origin"][6] == right.mean()


def test_the_second_hidden_layer_of_a_real_network_can_be_linear(tmp_path: Path) -> None:
    data = small_data(UNIT)

    def build() -> RealPerceptron:
        return RealPerceptron(4, hidden=(7, 5), activated=(True, False), input_size=(3, 3), scale=0.3)

    network = build()
    history = run(network, tmp_path, data, projections=("origin", "only_sign", "only_absolute"))
    assert {"accuracy_only_sign", "accuracy_only_absolute"} < set(history.columns)
    weights = [weight[0].detach().clone().requires_grad_() for weight in build().weights]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    rows = functional.pad(data.batch(data.train)[:, 0].double().flatten(1), (0, 1), value=1.0)
    for _ in range(6):
        optimizer.zero_grad()
        logits = (rows @ weights[0].T).relu() @ weights[1].T @ weights[2].T
        functional.cross_entropy(logits, data.labels[data.train]).backward()
        optimizer.step()
    for ours, reference in zip(network.weights, weights, strict=True):
        torch.testing.assert_close(ours[0], reference, rtol=1e-10, atol=1e-13)


def test_the_history_has_every_loss_and_every_projection_at_snapshots(tmp_path: Path) -> None:
    projections = ("origin", "only_phase", "only_amplitude", "only_real", "only_imaginary")
    history = run(small_network(), tmp_path, projections=projections, element_draws=3, steps=7)
    assert history.index.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert history["train_loss"].notna().all()
    accuracies = history.filter(regex="^accuracy_")
    assert set(accuracies.columns) == {f"accuracy_{name}" for name in (*STUDY, "half_elements")}
    # The last step is a snapshot too.
    assert accuracies.dropna().index.tolist() == accuracies.dropna(how="all").index.tolist() == [2, 4, 6, 7]
    assert accuracies.dropna().stack().between(0, 1).all()
    assert set(history.filter(regex="^deviation_").columns) == {"deviation_half_units", "deviation_half_elements"}
    assert history["validation_accuracy"].isna().all()


def test_mean_and_deviation_are_those_of_the_draws(tmp_path: Path) -> None:
    # With one hidden unit nothing is zeroed, so that every draw is the network itself.
    row = run(small_network(hidden=(1,)), tmp_path).loc[4]
    assert row["accuracy_half_units"] == pytest.approx(row["accuracy_origin"], rel=1e-14)
    assert row["deviation_half_units"] == pytest.approx(0.0, abs=1e-14)


def test_what_is_tested_is_a_choice(tmp_path: Path) -> None:
    history = run(small_network(), tmp_path, projections=("origin", "imaginary_axis"), unit_draws=0)
    assert set(history.filter(regex="^(accuracy|deviation)_")) == {"accuracy_origin", "accuracy_imaginary_axis"}
    with pytest.raises(PhasebenchError, match="projection 'only_sign' is unknown for complex weights"):
        run(small_network(), tmp_path, projections=("only_sign",))


def test_snapshots_do_not_touch_the_training(tmp_path: Path) -> None:
    one, other = small_network(), small_network()
    rare, often = run(one, tmp_path, snapshot_every=6), run(other, tmp_path, snapshot_every=1)
    for weight, same in zip(one.weights, other.weights, strict=True):
        assert torch.equal(weight, same)
    pd.testing.assert_series_equal(untimed(rare).loc[6], untimed(often).loc[6])


def test_images_are_counted_in_the_time_of_their_steps(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"steps": 5})
    state = descend(small_network(), small_data(), recipe, 2, Session(tmp_path / "c.pt", "d"))
    assert state.train_images == 5 * 20
    rates = pd.DataFrame(state.history).dropna(subset=["images_per_second"])
    assert rates["step"].tolist() == [2, 4, 5]
    seconds = np.array([40, 40, 20]) / rates["images_per_second"]
    assert seconds.sum() == pytest.approx(state.train_seconds)


def test_phases_that_are_kept_leave_one_modulus_in_every_layer(tmp_path: Path) -> None:
    network = small_network(constraint="only_phase")
    history = run(network, tmp_path)
    for weight in network.weights:
        modulus = torch.hypot(weight[0], weight[1])
        torch.testing.assert_close(modulus, modulus.mean().expand_as(modulus), rtol=1e-13, atol=0)
    free = run(small_network(), tmp_path)
    # The first loss is that of the initial weights in both.
    assert history["train_loss"][1] == free["train_loss"][1]
    assert history["train_loss"][2] != free["train_loss"][2]


def test_a_constraint_is_applied_after_every_step(tmp_path: Path) -> None:
    data, network = small_data(), small_network(constraint="only_real")
    run(network, tmp_path, data, steps=2)
    first, second = map(native, small_network().weights)
    inputs, labels = native(columns(network, data, data.train)), data.labels[data.train].numpy()
    for _ in range(2):
        _, d_first, d_second = loss_and_gradients(first, second, inputs, labels)
        first, second = (first - 0.1 * d_first).real + 0j, (second - 0.1 * d_second).real + 0j
    np.testing.assert_allclose(native(network.weights[0]), first, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(native(network.weights[1]), second, rtol=1e-11, atol=1e-14)


def test_a_run_that_diverges_before_it_measured_anything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"step \d: .* not finite before .*; lower recipe.learning_rate") as refused:
        run(small_network(), tmp_path, learning_rate=1e160, snapshot_every=6)
    assert "\n" not in str(refused.value)


def test_a_run_that_diverges_later_keeps_its_last_snapshot(tmp_path: Path) -> None:
    network = small_network()
    state = descend(network, small_data(), DIVERGING, 2, Session(tmp_path / "c.pt", "d"))
    history = pd.DataFrame(state.history).set_index("step")
    assert 2 < state.step < DIVERGING.steps
    assert history.index.tolist() == list(range(1, state.step + 1))
    assert np.isfinite(history["train_loss"]).all()
    assert state.best_step == state.step - state.step % 2 == history["accuracy_origin"].last_valid_index()
    # The same training, told to end there.
    ended = small_network()
    run(ended, tmp_path / "ended", learning_rate=DIVERGING.learning_rate, steps=state.best_step)
    for weight, other in zip(network.weights, ended.weights, strict=True):
        assert torch.equal(weight, other)


@pytest.mark.parametrize("every", [1, 3, 10**9])
def test_rarer_looks_at_the_loss_change_nothing(every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As on a card; a run may diverge between two looks.
    recipes = {"ends": {"steps": 11, "snapshot_every": 4}, "diverges": {"learning_rate": 3.0, "steps": 400}}
    expected = {name: run(small_network(), tmp_path, **changes) for name, changes in recipes.items()}
    monkeypatch.setattr(full_batch, "STEPS_BETWEEN_LOOKS", {"cpu": every})
    for name, changes in recipes.items():
        pd.testing.assert_frame_equal(untimed(run(small_network(), tmp_path, **changes)), untimed(expected[name]))
    assert len(expected["diverges"]) < DIVERGING.steps


# Models without projected weights.


class Small(nn.Module):
    """A network with all that has a state or a random part; it may stop a training in its midst."""

    def __init__(self, stops_at: int | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm1d(18), nn.Dropout(0.3), nn.Linear(18, 4)).double()
        self.passes, self.stops_at = 0, stops_at

    def forward(self, planes: Tensor) -> Tensor:
        self.passes += self.training
        if self.passes == self.stops_at:
            raise KeyboardInterrupt
        logits: Tensor = self.layers(planes.flatten(1))
        return logits


def trained(model: nn.Module, checkpoint: Path, initial: dict[str, Tensor], **changes: Any) -> TrainingState:
    model.load_state_dict(initial)
    recipe = RECIPE.model_copy(update=changes)
    return descend(model, small_data(), recipe, 2, Session(checkpoint, "d", seconds=0))


def test_any_network_descends_on_all_samples(tmp_path: Path) -> None:
    data, model, twin = small_data(), nn.Sequential(nn.Flatten(), nn.Linear(18, 4)).double(), nn.Linear(18, 4).double()
    twin.load_state_dict(model[1].state_dict())
    state = descend(model, data, RECIPE, 2, Session(tmp_path / "c.pt", "d"))
    inputs, labels = data.batch(data.train).flatten(1), data.labels[data.train]
    losses = []
    for _ in range(6):
        loss = functional.cross_entropy(twin(inputs), labels)
        for parameter, gradient in zip(
            twin.parameters(), torch.autograd.grad(loss, list(twin.parameters())), strict=True
        ):
            parameter.data -= 0.1 * gradient
        losses.append(loss.item())
    np.testing.assert_allclose([row["train_loss"] for row in state.history], losses, rtol=1e-12)
    torch.testing.assert_close(model[1].weight, twin.weight, rtol=1e-11, atol=1e-14)
    accuracy = (model(data.batch(data.test)).argmax(dim=1) == data.labels[data.test]).double().mean().item()
    columns = {column for row in state.history for column in row if column.startswith(("accuracy", "deviation"))}
    assert columns == {"accuracy_origin"}
    assert [row["step"] for row in state.history if "accuracy_origin" in row] == [2, 4, 6]
    assert state.history[-1]["accuracy_origin"] == accuracy


def test_any_network_is_resumed_bit_identically(tmp_path: Path) -> None:
    initial = Small().state_dict()
    torch.manual_seed(1)
    undisturbed = Small()
    state = trained(undisturbed, tmp_path / "one.pt", initial)
    with pytest.raises(KeyboardInterrupt):
        trained(Small(stops_at=4), tmp_path / "two.pt", initial)
    torch.manual_seed(2)
    resumed = Small()
    again = trained(resumed, tmp_path / "two.pt", initial)
    assert (again.resumed, resumed.passes) == (1, 3)
    for name, tensor in undisturbed.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name])
    histories = [pd.DataFrame(one.history).set_index("step") for one in (state, again)]
    pd.testing.assert_frame_equal(untimed(histories[0]), untimed(histories[1]), check_exact=True)


def test_snapshots_of_any_network_do_not_touch_its_training(tmp_path: Path) -> None:
    initial, models = Small().state_dict(), [Small(), Small()]
    for model, every in zip(models, (1, 6), strict=True):
        trained(model, tmp_path / f"{every}.pt", initial, snapshot_every=every)
    assert all(map(torch.equal, models[0].state_dict().values(), models[1].state_dict().values()))


@pytest.mark.parametrize("changes", [{"projections": ("origin", "only_real")}, {"element_draws": 2}])
def test_projections_of_a_network_that_has_none_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match=r"Small is not tested with projected weights .*'weight_projections'"):
        trained(Small(), tmp_path / "c.pt", Small().state_dict(), **changes)
    assert trained(Small(), tmp_path / "c.pt", Small().state_dict(), projections=("origin",)).step == 6


# The contract of a run's folder.


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise of 12 x 12 pixels, brighter on top or at the bottom."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 500)
    samples = rng.integers(0, 200, (500, 12, 12, 1), dtype=np.uint8)
    for image, label in zip(samples, labels, strict=True):
        image[6 * label : 6 * label + 6] += 50
    path = tmp_path_factory.mktemp("data") / "halves.h5"
    splits = {"train": np.arange(400), "test": np.arange(400, 500)}
    arrays = {"samples": samples, "labels": labels.astype(np.int64), "splits": splits}
    write_store(path, path.with_suffix(".json"), **arrays, classes=["top", "bottom"], source={"source": "generated"})
    return path


def test_the_files_of_a_run_that_diverged(store: Path, tmp_path: Path) -> None:
    identity = make_identity(recipe=DIVERGING.model_copy(update={"snapshot_every": 1}))
    train_full_batch(identity, store, tmp_path / "run", tmp_path / "c.pt", device="cpu")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    history = pd.read_parquet(tmp_path / "run" / "history.parquet").set_index("step")
    assert record["diverged_at"] == record["steps"] + 1 == history.index[-1] + 1 <= DIVERGING.steps
    assert record["test_accuracy"] == history["accuracy_origin"][record["best_step"]]
    assert load_trained_run(tmp_path / "run", store, torch.device("cpu")).test_accuracy() == record["test_accuracy"]
    assert not (tmp_path / "c.pt").exists()


def make_identity(**changes: Any) -> RunIdentity:
    spec = RunSpec(
        scale="demo",
        suite="study",
        experiment="figure",
        dataset="halves",
        encoding=PHASE,
        model="perceptron_20",
        train_fraction=0.5,
        validation_fraction=0.0,
        subset="first",
        recipe=FullBatchRecipe(procedure="full_batch", learning_rate=0.1, steps=300, snapshot_every=7),
        seed=3,
    )
    return RunIdentity(run=spec.model_copy(update=changes), code={}, environment={})


@pytest.fixture(scope="module")
def undisturbed(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    arguments = write_arguments(tmp_path_factory.mktemp("run") / "undisturbed", store, make_identity())
    assert run_in_process(arguments) == 0
    return arguments["output"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 75)])
def test_a_stopped_run_goes_on_bit_identically(
    number: int, status: int, store: Path, undisturbed: Path, tmp_path: Path
) -> None:
    arguments = write_arguments(tmp_path / "stopped", store, make_identity())
    assert run_in_process(arguments, wait=0.03, send=number) == status
    # A kill between two renamings leaves the checkpoint before alone.
    assert arguments["checkpoint"].exists() or previous_checkpoint(arguments["checkpoint"]).exists()
    assert not (arguments["output"] / "run.json").exists()
    assert run_in_process(arguments) == 0
    assert not arguments["checkpoint"].exists()
    assert json.loads((arguments["output"] / "run.json").read_text())["resumed"] == 1
    assert_same_run(undisturbed, arguments["output"])


def test_a_registered_model_that_is_no_perceptron(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "noise.h5"
    samples, labels = rng.integers(0, 256, (40, 28, 28, 1), dtype=np.uint8), np.arange(40, dtype=np.int64) % 2
    arrays = {"samples": samples, "labels": labels, "splits": {"train": np.arange(30), "test": np.arange(30, 40)}}
    write_store(path, path.with_suffix(".json"), **arrays, classes=["even", "odd"], source={"source": "generated"})
    identity = make_identity(model="lenet_complex", recipe=RECIPE.model_copy(update={"steps": 3}))
    train_full_batch(identity, path, tmp_path / "run", tmp_path / "c.pt", device="cpu")
    history = pd.read_parquet(tmp_path / "run/history.parquet").set_index("step")
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert history.index.tolist() == [1, 2, 3]
    assert record["test_accuracy"] == history["accuracy_origin"][3]
    found = load_trained_run(tmp_path / "run", path, torch.device("cpu"))
    assert found.test_accuracy() == record["test_accuracy"]
    assert {tensor.dtype for tensor in found.model.parameters()} == {torch.float64}


def test_a_finished_run_has_its_files(undisturbed: Path, store: Path) -> None:
    record = json.loads((undisturbed / "run.json").read_text())
    history = pd.read_parquet(undisturbed / "history.parquet").set_index("step")
    predictions = pd.read_parquet(undisturbed / "predictions.parquet")
    assert (record["n_train"], record["n_validation"], record["n_test"], record["steps"]) == (200, 0, 100, 300)
    assert record["parameters"] == 2 * (145 * 20 + 20 * 2)
    assert record["diverged_at"] is None
    assert record["images_per_second"] * record["train_seconds"] == pytest.approx(300 * 200)
    assert history["accuracy_origin"][300] == record["test_accuracy"]
    assert (predictions["label"] == predictions["prediction"]).mean() == record["test_accuracy"]
    assert history["train_loss"][300] < history["train_loss"][1]
    # Evaluations load it like any other run.
    trained = load_trained_run(undisturbed, store, torch.device("cpu"))
    assert trained.test_accuracy() == record["test_accuracy"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation_fraction": 0.1}, "validation_fraction: the procedure 'full_batch' validates nothing; set it 0"),
    ],
)
def test_what_the_procedure_cannot_do(changes: dict[str, Any], message: str, store: Path, tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match=message):
        train_full_batch(make_identity(**changes), store, tmp_path / "run", tmp_path / "c.pt", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(
    "PHASEBENCH_MNIST" not in os.environ, reason="PHASEBENCH_MNIST names no folder that holds MNIST/raw of torchvision"
)
@pytest.mark.parametrize(
    ("build", "encoding", "rate", "stored"),
    [
        (perceptron_100, PHASE, 0.1, {10: 2.302589, 100: 2.3025, 300: 2.25481, 400: 0.627377, 600: 0.214732}),
        (perceptron_real_512_100, UNIT, 0.2, {10: 2.301362, 50: 2.288691, 100: 1.526980}),
    ],
    ids=["figure_1_left", "figure_1_right"],
)
def test_the_authors_losses_are_replayed(
    build: Any, encoding: str, rate: float, stored: dict[int, float], tmp_path: Path
) -> None:
    parts = [datasets.MNIST(os.environ["PHASEBENCH_MNIST"], train=train) for train in (True, False)]
    pixels = torch.cat([part.data[:30_000] for part in parts])[..., None]
    data = data_of(pixels, torch.cat([part.targets[:30_000] for part in parts]), 30_000, 10, encoding)
    steps = max(stored)
    losses = run(build(10), tmp_path, data, learning_rate=rate, steps=steps, snapshot_every=steps)["train_loss"]
    # Printed with six decimals; the path is chaotic later on.
    assert {step: round(losses[step], 6) for step in stored} == pytest.approx(stored, abs=1.5e-6)
