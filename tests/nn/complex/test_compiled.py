"""A compiled network computes what the eager one does."""

import shutil

import pytest
import torch
from torch import Tensor, nn

from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.gtrelu import EquivariantGTReLU, GTReLU
from phasebench.nn.complex.invariant import Division


class Layers(nn.Module):
    """The layers that take another path when compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = ComplexConv2d(2, 4, 3, padding=1), ComplexConv2d(4, 4, 3, padding=1, groups=2)
        self.division = Division(4, 3, padding=1, single_filter=True, offset=1e-2)
        self.activation1, self.activation2 = GTReLU(4), EquivariantGTReLU(4)

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, 2, H, W)`` to ``(N, 2, 4, H, W)``."""
        maps = self.division.after(self.conv1, planes, self.activation1.scale)
        return self.activation2.after(self.conv2, self.activation1.threshold_phase(maps))


@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="no C++ compiler")
def test_compiled_step_equals_eager_step() -> None:
    torch.manual_seed(0)
    model, planes = Layers(), torch.randn(4, 2, 2, 6, 6)
    compiled = torch.compile(model, dynamic=False)
    results = []
    for forward in (model, compiled):
        maps = forward(planes)
        gradients = torch.autograd.grad((maps - 1.0).square().sum(), tuple(model.parameters()))
        results.append([maps, *gradients])
    for eager, fused in zip(*results, strict=True):
        assert eager.abs().max() > 0.0
        torch.testing.assert_close(fused, eager, rtol=1e-4, atol=1e-4)
