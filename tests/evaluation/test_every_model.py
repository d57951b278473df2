"""Every registered model in every evaluation that a suite lists: it works, or it is refused by name before training."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from support.shipped import SUITES, shipped_suite
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.in_memory import DeviceData
from phasebench.data.encodings.registry import load_encoding
from phasebench.evaluation import (
    colour_jitter,
    confidence,
    embedding,
    mixed_batches,
    phase_normalisation,
    robustness,
    rotation,
    weight_projections,
)
from phasebench.evaluation.registry import EVALUATIONS, load_evaluation
from phasebench.evaluation.requirements import encoding_refusal, model_refusal
from phasebench.evaluation.trained import TrainedRun
from phasebench.models import resnet
from phasebench.models.registry import REGISTRY, build_model
from phasebench.nn.complex import weight_projections as projections
from phasebench.specs.run import FullBatchRecipe, Recipe, RunSpec

LISTED = sorted(
    {
        name
        for suite in SUITES
        for experiment in shipped_suite(suite).experiments.values()
        for name in experiment.evaluations
    }
)
N_IMAGES = 3
# By the number of channels that a model usually reads.
ENCODINGS = {1: "complex", 2: "lab", 3: "rgb"}
MINIBATCH = Recipe(optimizer="sgd", learning_rate=0.1, batch_size=2, steps=1, validate_every=1)
FULL_BATCH = FullBatchRecipe(procedure="full_batch", learning_rate=0.1, steps=1, snapshot_every=1)


@pytest.fixture(autouse=True)
def few_conditions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One condition of each kind, residual networks of one block a module, and masks that cost no sorting."""
    for module in (rotation, phase_normalisation):
        monkeypatch.setattr(module, "RANGES_DEGREES", (0, 90))
    for module in (rotation, phase_normalisation, colour_jitter, mixed_batches, weight_projections):
        monkeypatch.setattr(module, "N_DRAWS", 1)
    monkeypatch.setattr(colour_jitter, "STRENGTHS", (0.0, 1.0))
    changes = {name: (robustness.CHANGES[name][0], (2.0,)) for name in ("noise", "quadratic_phase", "magnitude")}
    monkeypatch.setattr(robustness, "CHANGES", changes)
    monkeypatch.setattr(confidence, "ANGLES_DEGREES", (0, 90))
    monkeypatch.setattr(embedding, "ANGLES_DEGREES", (0, 90, 180, 270))
    blocks = {depth: (block, (1, 1, 1, 1)) for depth, (block, _) in resnet.BLOCKS.items()}
    monkeypatch.setattr(resnet, "BLOCKS", blocks)
    monkeypatch.setattr(projections, "half_mask", lambda shape, n_axes, generator: torch.ones(tuple(shape)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tiny_run(name: str) -> TrainedRun:
    """An untrained network and three random samples of its usual kind, as small as it takes them."""
    channels, height, width = REGISTRY[name].input_shape
    encoding = "complex" if height == 128 else ENCODINGS[channels]
    if height == 128:
        height = width = 100
    if "resnet" in REGISTRY[name].target:
        height = width = 8
    random = np.random.default_rng(0)
    samples = random.integers(0, 256, (N_IMAGES, height, width, 3), dtype=np.uint8)
    if encoding == "complex":
        samples = (random.normal(size=(2, N_IMAGES, height, width)).T @ [1, 1j]).T.astype(np.complex64)
    full_batch = REGISTRY[name].study == "phase_matters"
    spec = RunSpec(
        **{"scale": "demo", "suite": "s", "experiment": "e", "dataset": "d", "encoding": encoding, "model": name},
        recipe=FULL_BATCH if full_batch else MINIBATCH,
        seed=0,
    )
    encode, positions, stored = load_encoding(encoding), torch.arange(N_IMAGES), torch.from_numpy(samples)
    data = DeviceData(
        stored,
        torch.arange(N_IMAGES) % 2,
        positions,
        positions[:0],
        positions,
        encode,
        encode,
        encode.statistics(stored),
        ("a", "b"),
        torch.float64 if full_batch else torch.float32,
    )
    torch.manual_seed(0)
    network: nn.Module = build_model(
        name,
        n_classes=2,
        in_channels=encode.n_channels,
        planes=encode.nonzero_planes,
        input_size=data.input_size,
    )
    return TrainedRun(spec, network, data)


def test_every_evaluation_is_in_some_suite() -> None:
    assert sorted(EVALUATIONS) == LISTED


@pytest.mark.parametrize("name", REGISTRY)
def test_a_model_is_evaluated_or_refused(name: str) -> None:
    run = tiny_run(name)
    before: dict[str, Tensor] = {key: value.clone() for key, value in run.model.state_dict().items()}
    for evaluation in LISTED:
        refused = model_refusal(evaluation, name) or encoding_refusal(evaluation, run.spec.encoding)
        if refused:
            assert f"'{name}'" in refused or f"'{run.spec.encoding}'" in refused
            # A refusal of what works would be a mistake too.
            with pytest.raises(PhasebenchError):
                load_evaluation(evaluation)(run)
            continue
        table = load_evaluation(evaluation)(run)
        assert {"metric", "condition", "value"} <= set(table.columns), evaluation
        assert len(table), evaluation
        measured = table[table["metric"].str.contains("accuracy|confidence")]["value"]
        assert measured.between(0.0, 1.0).all(), evaluation
    for key, value in run.model.state_dict().items():
        assert torch.equal(value, before[key]), key
