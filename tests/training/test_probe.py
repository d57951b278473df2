"""Measurements of feature maps while a network trains."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.in_memory import DeviceData, load_device_data
from phasebench.data.store import write_store
from phasebench.models.registry import build_model
from phasebench.specs.run import Recipe, RunIdentity, RunSpec
from phasebench.training.checkpoint import TrainingState
from phasebench.training.loop import fit
from phasebench.training.minibatch import train_run
from phasebench.training.probe import PERCENTILES, find_probe
from phasebench.training.session import Session

RECIPE = Recipe(
    optimizer="sgd",
    learning_rate=0.02,
    momentum=0.9,
    batch_size=8,
    epochs=1,
    validate_every=1,
    augmentation="crop_flip",
    channels_last=True,
    probe_modules=(3, 4),
    probe_images=12,
)


def spec(model: str = "resnet18_sbn34", recipe: Recipe = RECIPE) -> RunSpec:
    return RunSpec(
        scale="demo",
        suite="spectral_batch_norm",
        experiment="table_1",
        dataset="noise",
        encoding="rgb_normalised",
        model=model,
        recipe=recipe,
        seed=0,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "noise.h5"
    random = np.random.default_rng(0)
    write_store(
        path,
        path.with_suffix(".json"),
        samples=random.integers(0, 256, (26, 32, 32, 3), dtype=np.uint8),
        labels=np.arange(26, dtype=np.int64) % 2,
        splits={"train": np.arange(18), "test": np.arange(18, 26)},
        classes=["even", "odd"],
        source={"source": "generated"},
    )
    return path


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build_model(name, n_classes=2, in_channels=3, planes=(0, 1, 2))


def data(store: Path) -> DeviceData:
    return load_device_data(spec(), store, torch.device("cpu"))


@pytest.mark.parametrize(("name", "ratios"), [("resnet18", (1.0, 1.0)), ("resnet18_sbn34", (1 / 8, 1 / 4))])
def test_at_the_start_a_spectral_layer_divides_by_the_root_of_the_number_of_pixels(
    store: Path, name: str, ratios: tuple[float, float]
) -> None:
    model, images = network(name), data(store)
    probe = find_probe(model, images, RECIPE)
    assert probe is not None
    rows = {(row["metric"], row["item"]): row["value"] for row in probe.measure(model, images, 0, 0.0)}
    for (item, ratio), size in zip(zip(("module3", "module4"), ratios, strict=True), (256 * 64, 512 * 16), strict=True):
        assert rows["map_rms", item] == pytest.approx(ratio, rel=0.05)
        assert rows["map_norm", item] == pytest.approx(rows["map_rms", item] * (12 * size) ** 0.5)


@pytest.mark.parametrize("name", ["resnet18_sbn34", "vgg16_2bn4"])
def test_it_measures_what_the_second_normalisation_returns_and_changes_nothing(store: Path, name: str) -> None:
    model, images = network(name), data(store)
    probe = find_probe(model, images, RECIPE.model_copy(update={"probe_modules": (4,)}))
    assert probe is not None
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.eval()
    rows = {row["metric"]: row["value"] for row in probe.measure(model, images, 5, 2.5)}
    assert not model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    # The same by a hook of our own, in a pass that may move statistics.
    seen = []
    second = model.get_submodule(probe.places["module4"]).get_submodule("second")
    second.register_forward_hook(lambda _, __, output: seen.append(output.detach().clone()))
    model.train()(images.batch(probe.indices))
    expected = seen[0].double().flatten()
    assert rows["map_norm"] == pytest.approx(expected.norm().item(), rel=1e-6)
    for percentile in PERCENTILES:
        exact = torch.quantile(expected, percentile / 100, interpolation="nearest").item()
        assert rows[f"map_percentile_{percentile}"] == pytest.approx(exact, rel=1e-3, abs=1e-6)
    assert rows["map_percentile_100"] == pytest.approx(expected.max().item(), rel=1e-6)
    assert rows["map_percentile_0"] == pytest.approx(expected.min().item(), rel=1e-6)


def test_a_run_records_the_start_and_every_validation_and_learns_the_same_without(store: Path, tmp_path: Path) -> None:
    accuracies = []
    for name, recipe in (("with", RECIPE), ("without", RECIPE.model_copy(update={"probe_modules": ()}))):
        identity = RunIdentity(run=spec(recipe=recipe), code={}, environment={})
        train_run(identity, store, tmp_path / name, tmp_path / "c.pt", device="cpu")
        history = pd.read_parquet(tmp_path / name / "history.parquet")
        accuracies.append(history["train_loss"].tolist())
    assert accuracies[0] == accuracies[1]
    probes = pd.read_parquet(tmp_path / "with" / "probes.parquet")
    assert sorted(set(zip(probes["step"], probes["epoch"], strict=True))) == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert len(probes) == 3 * 2 * (2 + len(PERCENTILES))
    assert not len(pd.read_parquet(tmp_path / "without" / "probes.parquet"))
    # Means and deviations of three colours come back as they were measured.
    statistics = json.loads((tmp_path / "with" / "run.json").read_text())["statistics"]
    assert torch.equal(torch.tensor(statistics), data(store).statistics)


def test_modules_that_a_network_does_not_have_are_named(store: Path) -> None:
    recipe = RECIPE.model_copy(update={"probe_modules": (3, 5)})
    with pytest.raises(PhasebenchError, match=r"probe_modules: ResNet has no module 5; known: 1, 2, 3, 4"):
        find_probe(network("resnet18"), data(store), recipe)
    with pytest.raises(PhasebenchError, match=r"probe_modules: Linear has no module 3; known: none"):
        find_probe(nn.Linear(1, 1), data(store), recipe)


class Small(nn.Module):
    """A network with one numbered module, which may stop a training in its midst."""

    def __init__(self, stops_at: int | None = None) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.layer = nn.Linear(3, 2)
        self.module_ends = {3: "norm"}
        self.passes, self.stops_at = 0, stops_at

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        if self.training and torch.is_grad_enabled():
            self.passes += 1
            if self.passes == self.stops_at:
                raise KeyboardInterrupt
        logits: torch.Tensor = self.layer(self.norm(planes[:, 0]).square().mean(dim=(2, 3)))
        return logits


def test_rows_survive_an_interruption(store: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"probe_modules": (3,), "epochs": 3})
    torch.manual_seed(0)
    initial = Small().state_dict()

    def train(model: Small, checkpoint: Path) -> TrainingState:
        model.load_state_dict(initial)
        return fit(model, data(store), recipe, 0, Session(checkpoint, "d", seconds=0))

    undisturbed = train(Small(), tmp_path / "one.pt")
    with pytest.raises(KeyboardInterrupt):
        train(Small(stops_at=4), tmp_path / "two.pt")
    resumed = train(Small(), tmp_path / "two.pt")
    assert resumed.resumed == 1
    assert resumed.probes == undisturbed.probes
    assert [row["step"] for row in resumed.probes if row["metric"] == "map_norm"] == list(range(7))
