"""The order of the test set matters to a network that looks at its whole batch, and to no other."""

import pytest
import torch
from torch import Tensor, nn

from phasebench.data.batches.in_memory import DeviceData
from phasebench.data.encodings.registry import load_encoding
from phasebench.evaluation.mixed_batches import N_DRAWS, evaluate_mixed_batches
from phasebench.evaluation.trained import TrainedRun
from phasebench.specs.run import Recipe, RunSpec

SPEC = RunSpec(
    scale="demo",
    suite="study",
    experiment="graph",
    dataset="squares",
    encoding="grey",
    model="net",
    recipe=Recipe(optimizer="sgd", learning_rate=0.1, batch_size=4, steps=1, validate_every=1),
    seed=5,
)


class Brightness(nn.Module):
    """Two classes by the brightness of an image, or by that of the 32 around it."""

    def __init__(self, of_batch: bool) -> None:
        super().__init__()
        self.of_batch = of_batch

    def forward(self, planes: Tensor) -> Tensor:
        bright = planes[:, 0].mean(dim=(1, 2, 3))
        if self.of_batch:
            bright = torch.cat([part.mean().expand(len(part)) for part in bright.split(32)])
        return torch.stack((-bright, bright), dim=1)


def run(of_batch: bool) -> TrainedRun:
    """128 images in the order of their classes; of every class a quarter looks like the other."""
    labels = torch.arange(2).repeat_interleave(64)
    odd = torch.arange(128) % 4 == 0
    samples = torch.where(labels.bool() ^ odd, 200, 50).to(torch.uint8)[:, None, None, None].expand(-1, 4, 4, 1)
    encoding, test = load_encoding("grey"), torch.arange(128)
    data = DeviceData(
        *(samples.contiguous(), labels, test, test[:0], test, encoding, encoding, torch.tensor(1.0), ("dark", "bright"))
    )
    return TrainedRun(SPEC, Brightness(of_batch), data)


def test_each_image_by_itself_has_one_accuracy() -> None:
    trained = run(of_batch=False)
    table = evaluate_mixed_batches(trained)
    assert table["draw"].tolist() == list(range(N_DRAWS))
    assert set(table["metric"]) == {"mixed_batches_accuracy"}
    assert table["value"].tolist() == [trained.test_accuracy()] * N_DRAWS
    assert trained.test_accuracy() == 0.75


def test_a_batch_of_one_class_gives_the_class_away() -> None:
    trained = run(of_batch=True)
    assert trained.test_accuracy() == 1.0
    table = evaluate_mixed_batches(trained)
    assert table["value"].mean() == pytest.approx(0.5, abs=0.2)
    assert table["value"].tolist() == evaluate_mixed_batches(trained)["value"].tolist()
    assert table["value"].nunique() > 1
