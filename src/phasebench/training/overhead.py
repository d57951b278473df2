"""Training overhead: seconds of a training step beside those of a baseline (Cakaj, Mehnert and Yang 2023, Table VI).

A step is the forward pass, the cross-entropy, the backward pass and the optimiser, on random images that are on the
device already. All networks that are compared with one baseline take turns with it.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from phasebench.common.devices import find_device
from phasebench.common.files import canonical_json
from phasebench.common.memory import keep_freed_memory
from phasebench.models.registry import build_model, find_model
from phasebench.specs.run import Recipe, coordinates
from phasebench.specs.value_tables import write_values
from phasebench.training.compilation import compile_if_possible
from phasebench.training.numerics import autocast, place
from phasebench.training.optimizers import build_optimizer
from phasebench.training.timing import interleaved_seconds

ROUNDS = {"cpu": 5, "cuda": 50}
N_CLASSES = 10
_BASELINE = "baseline"
_KEYS = (*coordinates("suite", "experiment", "seed"), "item")


def measure_overheads(
    networks: Sequence[Mapping[str, Any]],
    output: Path,
    *,
    device: str = "auto",
    attributes: Mapping[str, object] | None = None,
) -> None:
    """Time networks beside their baselines and write a tidy table with the columns of an analysis.

    Parameters
    ----------
    networks : sequence of mapping
        ``model``, ``options``, ``recipe`` and ``size`` (height and width of the images) of each, those of its
        ``baseline``, and for the table the keys of a cell (``dataset`` and so on) and ``item``.
    output : Path
        The Parquet file to write.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes a GPU if there is one.
    attributes : mapping, optional
        Kept with the table, as JSON.
    """
    keep_freed_memory()
    target = find_device(device)

    def baseline(network: Mapping[str, Any]) -> str:
        return canonical_json({"baseline": network["baseline"], "size": network["size"]})

    rows: list[dict[str, object]] = []
    for _, group in groupby(sorted(networks, key=baseline), key=baseline):
        rows += _overheads(list(group), target)
    write_values(output, pd.DataFrame(rows), attributes)


def overhead_rows(network: Mapping[str, Any], own: Sequence[float], baseline: Sequence[float]) -> list[dict[str, Any]]:
    """Rows about one network, from the seconds of its steps and of its baseline's in the same rounds.

    ``training_overhead``, ``..._low`` and ``..._high`` are the median and the quartiles over rounds of how much longer
    the step was, as a share of the baseline's; ``step_seconds`` and ``baseline_seconds`` are medians.
    """
    ratios = np.asarray(own) / np.asarray(baseline) - 1.0
    values = {
        "training_overhead": float(np.median(ratios)),
        "training_overhead_low": float(np.quantile(ratios, 0.25)),
        "training_overhead_high": float(np.quantile(ratios, 0.75)),
        "step_seconds": float(np.median(own)),
        "baseline_seconds": float(np.median(baseline)),
    }
    keys = {key: network[key] for key in _KEYS}
    return [{**keys, "n": len(own), "metric": metric, "value": value} for metric, value in values.items()]


def _overheads(networks: Sequence[Mapping[str, Any]], device: torch.device) -> list[dict[str, Any]]:
    """Rows of networks with one baseline."""
    size = networks[0]["size"]
    steps = {_BASELINE: _network_step(networks[0]["baseline"], size, device)}
    steps |= {str(position): _network_step(network, size, device) for position, network in enumerate(networks)}
    seconds = interleaved_seconds(steps, ROUNDS[device.type])
    return [
        row
        for position, network in enumerate(networks)
        for row in overhead_rows(network, seconds[str(position)], seconds[_BASELINE])
    ]


def _network_step(network: Mapping[str, Any], size: int, device: torch.device) -> Callable[[], None]:
    """One step of training as a function without arguments."""
    recipe = Recipe.model_validate(network["recipe"])
    channels = find_model(network["model"]).input_shape[0]
    model = build_model(
        network["model"], n_classes=N_CLASSES, in_channels=channels, planes=range(channels), **network["options"]
    )
    # As many images as one of the training's processes has.
    batch = recipe.batch_size // recipe.processes
    images = torch.randn(batch, 2, channels, size, size, device=device)
    return training_step(model, recipe, images, torch.arange(batch, device=device) % N_CLASSES)


def training_step(model: nn.Module, recipe: Recipe, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """One step of training on the same batch again and again, as a function without arguments.

    Parameters
    ----------
    model : nn.Module
        Freshly built; it is moved to the device of the images.
    recipe : Recipe
        Precision, optimiser, compilation.
    images : Tensor
        Planes ``(B, 2, C, H, W)``.
    labels : Tensor
        int64 ``(B,)``, on the same device.
    """
    device = images.device
    model = place(model, recipe, device)
    forward = compile_if_possible(model)[0] if recipe.compile else model
    optimizer = build_optimizer(model, recipe)

    def step() -> None:
        with autocast(recipe, device):
            logits = forward(images)
        loss = functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step
