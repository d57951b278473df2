"""Training loop on random batches: learning, diverging, dropout, the best weights."""

import math
from pathlib import Path

import pytest
import torch
from support.squares import RECIPE, make_spec, write_squares
from torch import nn

from phasebench.common.errors import DivergedError, PhasebenchError
from phasebench.data.batches.in_memory import DeviceData, load_device_data
from phasebench.specs.run import Recipe
from phasebench.training.loop import fit
from phasebench.training.session import Session


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squares(tmp_path_factory.mktemp("data"))


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


def test_a_recipe_may_validate_after_every_epoch(store: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"augmentation": "none", "epochs": 2, "steps": None, "validate_every": "epoch"})
    data = data_for(recipe, store)
    state = fit(Linear(), data, recipe, 0, Session(tmp_path / "c", "d", seconds=60))
    per_epoch = -(-len(data.train) // recipe.batch_size)
    assert [row["step"] for row in state.history] == [per_epoch, 2 * per_epoch]


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


def test_a_damaged_checkpoint_is_set_aside_and_the_run_goes_on(store: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "c.pt"
    recipe = RECIPE.model_copy(update={"steps": 3})
    data = data_for(recipe, store)
    fit(Linear(), data, recipe, 0, Session(checkpoint, "one", seconds=0))
    damaged = checkpoint.read_bytes()[:100]
    checkpoint.write_bytes(damaged)
    fit(Linear(), data, recipe, 0, Session(checkpoint, "one"))
    assert checkpoint.with_name("c.pt.damaged").read_bytes() == damaged


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
