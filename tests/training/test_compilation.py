"""Compiled networks: what ran compiled, and what is only said to."""

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from phasebench.training.compilation import COMPILED, CompiledForward, ran_compiled


class Small(nn.Module):
    """A network whose graph may have to end in its middle."""

    def __init__(self, breaks: bool = False) -> None:
        super().__init__()
        self.layer, self.breaks = nn.Linear(3, 2), breaks

    def forward(self, planes: Tensor) -> Tensor:
        values = self.layer(planes)
        if self.breaks:
            torch._dynamo.graph_break()
        return values.relu()


@pytest.fixture(autouse=True)
def fresh_compiler() -> None:
    torch.compiler.reset()


def broken(graph: Any, inputs: Any) -> Any:
    raise RuntimeError("no such instruction")


def test_a_whole_network(caplog: pytest.LogCaptureFixture) -> None:
    model, images = Small(), torch.randn(4, 3)
    forward = CompiledForward(model, backend="eager")
    assert not forward.is_whole
    assert forward.outcome == "not yet compiled"
    assert torch.equal(forward(images), model(images))
    # A smaller last batch is compiled too.
    assert torch.equal(forward(images[:2]), model(images[:2]))
    assert forward.is_whole
    assert ran_compiled(forward)
    assert forward.outcome == COMPILED
    assert not [record for record in caplog.records if record.name.startswith("phasebench")]


def test_a_graph_break_is_told(caplog: pytest.LogCaptureFixture) -> None:
    model, images = Small(breaks=True), torch.randn(4, 3)
    forward = CompiledForward(model, backend="eager")
    with caplog.at_level(logging.WARNING, "phasebench"):
        assert torch.equal(forward(images), model(images))
    assert not ran_compiled(forward)
    assert forward.outcome.startswith("partly compiled: ")
    assert forward.outcome.endswith(" 1 graph breaks")
    assert [record.message for record in caplog.records if record.name.startswith("phasebench")] == [forward.outcome]


def test_a_compiler_that_fails_is_told() -> None:
    model, images = Small(), torch.randn(4, 3)
    forward = CompiledForward(model, backend=broken)
    assert torch.equal(forward(images), model(images))
    assert not ran_compiled(forward)
    assert forward.outcome == "eager: torch.compile failed"


def test_networks_are_told_apart() -> None:
    images = torch.randn(4, 3)
    whole, fails = CompiledForward(Small(), backend="eager"), CompiledForward(Small(), backend=broken)
    for forward in (whole, fails, whole, fails):
        forward(images)
    assert (whole.is_whole, fails.is_whole) == (True, False)
    assert not ran_compiled(Small())
