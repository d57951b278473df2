"""Check of an external network: one training step, in the precision of its recipe."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from phasebench.cli.main import app
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json
from phasebench.models.external import ExternalNetwork
from phasebench.specs.run import AnyRecipe, ExternalModel, FullBatchRecipe, Recipe, RunSpec
from phasebench.training.network_check import check_network
from phasebench.training.optimizers import build_optimizer

NETWORKS = """
import torch
from torch import nn


class Dense(nn.Module):
    def __init__(self, n_classes, in_channels, dtype=torch.complex64):
        super().__init__()
        self.head = nn.Linear(in_channels * 12, n_classes, dtype=dtype)
        self.shift = nn.Parameter(torch.zeros(n_classes))

    def forward(self, images):
        return self.head(images.flatten(1)).abs() + self.shift


class Single(Dense):
    def forward(self, images):
        return self.head(images.flatten(1).to(torch.complex64)).abs()


class Constant(Dense):
    def forward(self, images):
        return super().forward(images).detach()


class OnlyOne(Dense):
    def forward(self, images):
        if self.training:
            raise ValueError("no training\\nof this")
        return super().forward(images)
"""
BATCHES = Recipe(optimizer="adamw", learning_rate=0.1, batch_size=2, steps=1, validate_every=1)
FULL = FullBatchRecipe(procedure="full_batch", learning_rate=0.1, steps=1, snapshot_every=1)


def spec(folder: Path, name: str, recipe: AnyRecipe = BATCHES) -> RunSpec:
    (folder / "nets.py").write_text(NETWORKS)
    external = ExternalModel(target=f"{folder}/nets.py:{name}", domain="complex", input_shape=(2, 3, 4))
    names: dict[str, Any] = {"scale": "s", "suite": "s", "experiment": "e", "dataset": "d", "encoding": "lab"}
    return RunSpec(**names, model="mine", external=external, recipe=recipe, seed=0)


@pytest.mark.parametrize("recipe", [BATCHES, FULL], ids=["single", "double"])
def test_a_network_with_gradients_passes(tmp_path: Path, recipe: AnyRecipe) -> None:
    check_network(spec(tmp_path, "Dense", recipe))


@pytest.mark.parametrize(
    ("name", "recipe", "message"),
    [
        ("Constant", BATCHES, r"network 'mine' \(.*:Constant\) fails in a training step \(RuntimeError: element 0"),
        ("OnlyOne", BATCHES, r"fails in a training step \(ValueError: no training\); it has 4 images of type"),
        ("Single", FULL, r"fails in a training step \(RuntimeError: .*torch.float64"),
    ],
)
def test_a_network_that_cannot_be_trained_is_refused(
    tmp_path: Path, name: str, recipe: AnyRecipe, message: str
) -> None:
    with pytest.raises(PhasebenchError, match=message):
        check_network(spec(tmp_path, name, recipe))


def test_the_command_checks_all_networks_that_it_is_given(tmp_path: Path) -> None:
    given = [spec(tmp_path, name).model_dump(mode="json") for name in ("Dense", "OnlyOne")]
    assert CliRunner().invoke(app, ["check-networks"], input=canonical_json(given[:1])).exit_code == 0
    failed = CliRunner().invoke(app, ["check-networks"], input=canonical_json(given))
    assert isinstance(failed.exception, PhasebenchError)
    assert ":OnlyOne) fails in a training step" in str(failed.exception)


def test_complex_parameters_have_an_optimizer(tmp_path: Path) -> None:
    scope: dict[str, Any] = {}
    exec(NETWORKS, scope)
    network = ExternalNetwork(scope["Dense"](4, 1), "complex", ())
    before = network.network.head.weight.clone()  # type: ignore[union-attr]
    for parameter in network.parameters():
        parameter.grad = parameter.detach().clone() + 1.0
    build_optimizer(network, BATCHES).step()
    moved = network.network.head.weight - before  # type: ignore[union-attr]
    # AdamW takes real and imaginary parts apart.
    assert moved.real.abs().min() > 0.09
    assert moved.imag.abs().min() > 0.09
