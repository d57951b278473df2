"""A small data set of two classes, and a run that learns it."""

from pathlib import Path

import numpy as np

from phasebench.data.store import write_store
from phasebench.specs.run import Recipe, RunSpec

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


def write_squares(folder: Path) -> Path:
    """Write images of 32x32 pixels: bright left half, bright right half."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 140)
    samples = rng.integers(0, 60, (140, 32, 32, 3), dtype=np.uint8)
    for image, label in zip(samples, labels, strict=True):
        image[:, 16 * label : 16 * label + 16] += 120
    path = folder / "squares.h5"
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
