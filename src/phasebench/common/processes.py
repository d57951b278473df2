"""Processes that train one run together: rank, shares of a batch, and collective operations."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed

Sliceable = TypeVar("Sliceable", Tensor, list[int])


@dataclass(frozen=True)
class Processes:
    """One of ``count`` processes, each with its share of every batch. Alone, every method returns what it is given.

    With several, ``torch.distributed`` has to be initialised, and every process has to call the same methods in the
    same order.

    Attributes
    ----------
    rank
        This process, from 0. The first one writes all files.
    count
        All of them.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """True in the process that writes files."""
        return self.rank == 0

    def share(self, items: Sliceable) -> Sliceable:
        """Every ``count``-th item, from this process' own on."""
        return items if self.count == 1 else items[self.rank :: self.count]

    def total(self, value: Tensor) -> Tensor:
        """Sum over all processes."""
        if self.count == 1:
            return value
        value = value.clone()
        distributed.all_reduce(value)
        return value

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """True, for each flag, if it is up in at least one process."""
        if self.count == 1:
            return flags
        # On the CPU, where nothing waits for a device.
        raised = torch.tensor(flags, dtype=torch.int32)
        distributed.all_reduce(raised)
        return tuple(map(bool, raised.tolist()))

    def interleave(self, rows: Tensor, count: int) -> Tensor:
        """Put the rows of all shares back in their order.

        Parameters
        ----------
        rows : Tensor
            What this process made of its :meth:`share`.
        count : int
            Rows of all processes.
        """
        if self.count == 1:
            return rows
        longest = -(-count // self.count)
        padded = rows.new_zeros((longest, *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.count)]
        distributed.all_gather(parts, padded)
        return torch.stack(parts, dim=1).flatten(0, 1)[:count]

    def take_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors with those of the first process."""
        if self.count > 1:
            for tensor in tensors:
                distributed.broadcast(tensor, 0)


ALONE = Processes()
