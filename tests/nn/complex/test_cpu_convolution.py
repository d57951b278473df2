"""Block convolution on a CPU as a custom operator."""

import pytest
import torch


@pytest.mark.parametrize(("groups", "size"), [(1, 6), (2, 6), (4, 1)])
def test_cpu_operator_keeps_the_rules_of_custom_operators(groups: int, size: int) -> None:
    planes = torch.randn(2, 2, 4, size, size, requires_grad=True)
    kernel = torch.randn(16, 8 // groups, 1, 1, requires_grad=True)
    torch.library.opcheck(torch.ops.phasebench.block_convolution.default, (planes, kernel, 1, 0, groups))
