"""CUDA graphs of whole training steps; small networks otherwise wait for their kernels to be launched, one by one."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from phasebench.common.errors import PhasebenchError

# Graphs are also measured where pydantic, which recipes need, is not installed.
if TYPE_CHECKING:
    from phasebench.specs.run import Recipe
    from phasebench.training.step import Step

Computation = Callable[[], None]
Capture = Callable[[Computation], Computation]
WARM_UP = 3


def replays(recipe: "Recipe", device: torch.device) -> bool:
    """True if a recipe's steps are replayed from a recording on this device."""
    return recipe.cuda_graph and device.type == "cuda"


class GraphedStep:
    """A step of which full batches are replayed from a recording; a smaller one, as the last of an epoch, is eager.

    The first full batches are eager too, since libraries set themselves up in them. Each is a step of the training as
    any other: recording computes nothing.

    Parameters
    ----------
    step : callable
        Takes one step. It may not wait for the card, and reads and writes the same tensors in every call.
    batch_size : int
        Images in a full batch.
    capture : callable, optional
        From a computation without arguments to one that repeats it; :func:`capture_on_card` by default.
    """

    def __init__(self, step: "Step", batch_size: int, capture: Capture | None = None) -> None:
        self._step, self._batch_size, self._capture = step, batch_size, capture or capture_on_card
        self._eager_left = WARM_UP
        self._planes = self._labels = torch.empty(0)
        self._replay: Computation | None = None

    def __call__(self, planes: Tensor, labels: Tensor, n_batch: int) -> None:
        """Take one step; see :class:`phasebench.training.step.Step`."""
        if len(labels) != self._batch_size:
            self._step(planes, labels, n_batch)
        elif self._eager_left:
            self._eager_left -= 1
            aside(lambda: self._step(planes, labels, n_batch), planes.device)
        else:
            self._repeat(planes, labels, n_batch)

    def _repeat(self, planes: Tensor, labels: Tensor, n_batch: int) -> None:
        if self._replay is None:
            self._planes, self._labels = planes.clone(), labels.clone()
            self._replay = self._capture(lambda: self._step(self._planes, self._labels, n_batch))
        else:
            self._planes.copy_(planes, non_blocking=True)
            self._labels.copy_(labels, non_blocking=True)
        self._replay()


def aside(compute: Computation, device: torch.device) -> None:
    """Compute on a stream of its own, as a recording will; on a CPU, compute."""
    if device.type != "cuda":
        compute()
        return
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        compute()
    torch.cuda.current_stream().wait_stream(stream)


def capture_on_card(compute: Computation) -> Computation:
    """Record a computation as a CUDA graph.

    Raises
    ------
    PhasebenchError
        It waits for the card, or does something else that cannot be recorded.
    """
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            compute()
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise PhasebenchError(
            f"recipe.cuda_graph: the step of this network cannot be recorded; set it to false ({reason})"
        ) from error
    return graph.replay
