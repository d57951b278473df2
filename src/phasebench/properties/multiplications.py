"""Count of the real multiplications of convolutions and matrix products, as Python asks torch for them.

:class:`torch.utils.flop_counter.FlopCounterMode` counts more kinds of operations; it imports torch's compiler first,
which takes longer than all laws together.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

BLOCK_CONVOLUTION = "phasebench.block_convolution.default"
"""The operator of complex convolutions on a CPU, with the arguments of a real convolution."""


class _Counter(TorchFunctionMode):
    count: int

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is functional.conv2d or str(func) == BLOCK_CONVOLUTION:
            self.count += result.numel() * math.prod(args[1].shape[1:])
        elif func in (Tensor.__matmul__, Tensor.matmul, torch.matmul):
            self.count += result.numel() * args[0].shape[-1]
        return result


def multiplications(compute: Callable[[], object]) -> int:
    """Real multiplications that a computation asks of two-dimensional convolutions and of matrix products."""
    counter = _Counter()
    with torch.no_grad(), counter:
        compute()
    return counter.count
