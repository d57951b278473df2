"""Timing of networks beside their baselines."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from phasebench.specs.run import Recipe
from phasebench.training import overhead
from phasebench.training.overhead import ROUNDS, measure_overheads, overhead_rows

RECIPE = Recipe(
    optimizer="sgd", learning_rate=0.1, momentum=0.9, batch_size=2, steps=1, validate_every=1, channels_last=True
)


def network(model: str, item: str | None = None, **options: object) -> dict[str, Any]:
    recipe = RECIPE.model_dump(mode="json")
    return {
        "dataset": "shapes",
        "stands_in_for": "cifar10",
        "encoding": "rgb_normalised",
        "variant": None,
        "train_fraction": 1.0,
        "model": model,
        "item": item,
        "size": 16,
        "options": options,
        "recipe": recipe,
        "baseline": {"model": "resnet18", "options": {}, "recipe": recipe},
    }


def test_the_overhead_is_taken_round_by_round() -> None:
    rows = overhead_rows(network("resnet18_sbn34"), [1.2, 1.1, 9.0, 3.0, 1.3], [1.0, 1.0, 4.5, 2.0, 1.0])
    values = {row["metric"]: row["value"] for row in rows}
    assert values == pytest.approx(
        {
            "training_overhead": 0.3,
            # Round by round 0.2, 0.1, 1.0, 0.5, 0.3.
            "training_overhead_low": 0.2,
            "training_overhead_high": 0.5,
            "step_seconds": 1.3,
            "baseline_seconds": 1.0,
        }
    )
    assert {(row["model"], row["dataset"], row["n"]) for row in rows} == {("resnet18_sbn34", "shapes", 5)}


def test_a_step_has_the_images_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    drawn = torch.randn
    monkeypatch.setattr(overhead.torch, "randn", lambda *shape, **keys: shapes.append(shape) or drawn(*shape, **keys))
    shared = network("resnet18")
    shared["recipe"] = {**shared["recipe"], "batch_size": 8, "processes": 4}
    overhead._network_step(shared, 16, torch.device("cpu"))
    assert shapes[-1] == (2, 2, 3, 16, 16)


def test_every_network_has_a_row_beside_its_baseline(tmp_path: Path) -> None:
    networks = [network("resnet18_sbn34"), network("resnet18_sbn34", "fft", method="fft")]
    measure_overheads(networks, tmp_path / "overheads.parquet", device="cpu")
    table = pd.read_parquet(tmp_path / "overheads.parquet")
    overheads = table[table["metric"] == "training_overhead"]
    assert overheads["item"].isna().tolist() == [True, False]
    assert set(table["n"]) == {ROUNDS["cpu"]}
    values = table[table["item"] == "fft"].set_index("metric")["value"]
    assert values["training_overhead_low"] <= values["training_overhead"] <= values["training_overhead_high"]
    assert values["step_seconds"] > 0
    assert values["baseline_seconds"] > 0
