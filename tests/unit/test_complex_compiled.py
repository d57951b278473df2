"""A compiled network computes what the eager one does."""

import shutil

import pytest
import torch
from torch import Tensor, nn

from phasebench.nn.complex.activation import EquivariantGeneralizedTangentReLU, GeneralizedTangentReLU
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.invariant import Division
from phasebench.nn.complex.norm import EquivariantBatchNorm2d
from phasebench.nn.complex.prototype import InvariantPrototypeDistance


class EveryLayer(nn.Module):
    """The layers that take another path, or another order of sums, when compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = ComplexConv2d(2, 4, 3, padding=1), ComplexConv2d(4, 4, 3, padding=1, groups=2)
        self.division = Division(4, 3, padding=1, single_filter=True, offset=1e-2)
        self.activation1, self.activation2 = GeneralizedTangentReLU(4), EquivariantGeneralizedTangentReLU(4)
        self.norm, self.head = EquivariantBatchNorm2d(4), InvariantPrototypeDistance(4, 3)

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, 2, H, W)`` to logits ``(N, 3)``."""
        maps = self.division.after(self.conv1, planes, self.activation1.scale)
        maps = self.activation2.after(self.conv2, self.activation1.threshold_phase(maps))
        logits: Tensor = self.head(self.norm(maps).mean(dim=(3, 4)))
        return logits


@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="no C++ compiler")
def test_compiled_step_equals_eager_step() -> None:
    torch.manual_seed(0)
    model, planes = EveryLayer(), torch.randn(4, 2, 2, 6, 6)
    compiled = torch.compile(model, dynamic=False)
    results = []
    for forward in (model, compiled):
        logits = forward(planes)
        gradients = torch.autograd.grad(logits.square().sum(), tuple(model.parameters()))
        results.append([logits, *gradients])
    for eager, fused in zip(*results, strict=True):
        assert eager.abs().max() > 0.0
        torch.testing.assert_close(fused, eager, rtol=1e-4, atol=1e-4)
