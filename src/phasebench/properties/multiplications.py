"""Count of the real multiplications of convolutions and products of matrices, as torch computes them.

:class:`torch.utils.flop_counter.FlopCounterMode` does not know the operator of complex convolutions on a CPU, and it
imports torch's compiler first, which takes longer than all laws together.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from inspect import unwrap
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_CONVOLUTION, _BLOCK_CONVOLUTION = "aten.convolution", "phasebench.block_convolution"
"""The latter is that of complex convolutions on a CPU, with the arguments of a real one."""
_LEFT_FACTOR = {"aten.mm": 0, "aten.bmm": 0, "aten.addmm": 1, "aten.baddbmm": 1}
"""Product of matrices -> position of its left factor."""
_TRANSPOSED = 6


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = str(func.overloadpacket)
        if name in (_CONVOLUTION, _BLOCK_CONVOLUTION):
            # Each number of the wider side is made of, or goes into, one kernel.
            spread = args[0] if name == _CONVOLUTION and args[_TRANSPOSED] else result
            self.count += spread.numel() * math.prod(args[1].shape[1:])
        elif name in _LEFT_FACTOR:
            self.count += result.numel() * args[_LEFT_FACTOR[name]].shape[-1]
        return result


# The wrapper around it imports torch's compiler at the first operator.
_Counter.__torch_dispatch__ = unwrap(_Counter.__torch_dispatch__)  # type: ignore[method-assign]


def multiplications(compute: Callable[[], object]) -> int:
    """Real multiplications of the convolutions and products of matrices in a computation; a complex one counts once."""
    counter = _Counter()
    with torch.no_grad(), counter:
        compute()
    return counter.count
