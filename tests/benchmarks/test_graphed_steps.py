"""A training step captured as a CUDA graph trains as the eager one; it imports nothing that a bare machine lacks."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from gpu_parts.steps import NETWORKS, WARM_UP, build, capture, random_images
from training_step import training_step

REPLAYS = 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NETWORKS)
def test_replays_train_as_eager_steps_do(name: str) -> None:
    images = random_images("cuda")
    eager, graphed = build(name, "cuda"), build(name, "cuda")
    step = training_step(eager, eager, images, wait=False)
    for _ in range(WARM_UP + REPLAYS):
        step()
    start = [parameter.detach().clone() for parameter in graphed.parameters()]
    replay = capture(training_step(graphed, graphed, images, wait=False))
    captured = [parameter.detach().clone() for parameter in graphed.parameters()]
    for _ in range(REPLAYS):
        replay()
    torch.cuda.synchronize()
    pairs = list(zip(start, captured, eager.parameters(), graphed.parameters(), strict=True))
    # AdamW moves a number by at most about its rate, 1e-3, in a step, and rounding may turn a step around.
    moved = [float((after - before).abs().mean()) for before, after, _, _ in pairs]
    replayed = [float((last - after).abs().mean()) for _, after, _, last in pairs]
    apart = [float((last - expected).abs().mean()) for _, _, expected, last in pairs]

    assert min(moved) > 0.0
    assert min(replayed) > 0.0
    assert sum(apart) < 0.2 * sum(replayed)
