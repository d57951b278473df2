"""Projected weights of trained networks."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.in_memory import DeviceData
from phasebench.data.encodings.registry import load_encoding
from phasebench.evaluation.trained import TrainedRun
from phasebench.evaluation.weight_projections import N_DRAWS, evaluate_weight_projections
from phasebench.models.registry import build_model
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.specs.run import Recipe, RunSpec

RECIPE = Recipe(optimizer="sgd", learning_rate=0.1, batch_size=8, steps=1, validate_every=1)


def make_run(model: str, encoding: str) -> TrainedRun:
    """A freshly drawn network on noise."""
    torch.manual_seed(0)
    keys = {"scale": "demo", "suite": "s", "experiment": "e", "dataset": "noise", "seed": 0, "recipe": RECIPE}
    images = torch.randint(0, 256, (40, 28, 28, 1), dtype=torch.uint8)
    indices, encode, one = torch.arange(40), load_encoding(encoding), torch.ones(())
    labels = torch.randint(10, (40,))
    data = DeviceData(images, labels, indices[:8], indices[:0], indices[8:], encode, encode, one, tuple("abcdefghij"))
    network = build_model(model, n_classes=10, in_channels=1, planes=encode.nonzero_planes)
    return TrainedRun(RunSpec(encoding=encoding, model=model, **keys), network, data)


def accuracies(run: TrainedRun) -> pd.DataFrame:
    return evaluate_weight_projections(run).set_index(["metric", "draw"])["value"]


def projected_by_hand(run: TrainedRun, convert: Any) -> float:
    """Accuracy with every complex weight replaced by a function of the native one; the network is changed."""
    with torch.no_grad():
        for module in run.model.modules():
            if isinstance(module, ComplexConv2d):
                native = convert(torch.complex(*module.weight))
                module.weight.copy_(torch.stack((native.real, native.imag)))
    return replace(run).test_accuracy()


def test_every_projection_and_ten_draws_of_the_halves() -> None:
    table = evaluate_weight_projections(make_run("lenet_complex", "grey_proportional_phase"))
    names = ("origin", "only_phase", "only_amplitude", "only_real", "only_imaginary", "imaginary_axis")
    assert table["metric"].value_counts().to_dict() == {
        **{f"accuracy_{name}": 1 for name in names},
        "accuracy_half_units": N_DRAWS,
        "accuracy_half_elements": N_DRAWS,
    }
    assert table["value"].between(0, 1).all()


@pytest.mark.parametrize(
    ("name", "convert"),
    [
        ("only_phase", lambda weight: weight / weight.abs() * weight.abs().mean()),
        ("only_amplitude", lambda weight: weight.abs() + 0j),
        ("only_real", lambda weight: weight.real + 0j),
        ("imaginary_axis", lambda weight: 1j * weight.imag),
    ],
)
def test_against_native_complex_weights(name: str, convert: Any) -> None:
    run = make_run("lenet_complex", "grey_proportional_phase")
    before = {key: tensor.clone() for key, tensor in run.model.state_dict().items()}
    found = accuracies(run)
    assert all(torch.equal(tensor, before[key]) for key, tensor in run.model.state_dict().items())
    assert found["accuracy_origin", 0] == run.test_accuracy()
    assert found[f"accuracy_{name}", 0] == projected_by_hand(run, convert)


def test_real_networks_keep_signs_or_absolute_values() -> None:
    run = make_run("lenet_real", "grey_unit")
    found = accuracies(run)
    assert {"accuracy_only_sign", "accuracy_only_absolute"} < {metric for metric, _ in found.index}
    with torch.no_grad():
        for module in run.model.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                module.weight.abs_()
    assert found["accuracy_only_absolute", 0] == replace(run).test_accuracy()


def test_a_network_without_such_layers_is_named() -> None:
    with pytest.raises(PhasebenchError, match="weight_projections: 'perceptron_20' has no ComplexConv2d to project"):
        evaluate_weight_projections(make_run("perceptron_20", "grey_proportional_phase"))
