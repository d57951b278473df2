"""Training loss and accuracy between two validations, added up over steps, processes and resumptions."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from phasebench.common.errors import DivergedError
from phasebench.common.processes import Processes
from phasebench.data.batches.interface import TrainingData
from phasebench.training.session import Session


@dataclass(frozen=True)
class Epoch:
    """Batches of an epoch, the last of which may be smaller."""

    n_images: int
    batch_size: int

    @property
    def n_batches(self) -> int:
        """Batches of one epoch."""
        return math.ceil(self.n_images / self.batch_size)

    def images_before(self, step: int) -> int:
        """Images in all steps before this one, counted from 0."""
        epochs, batches = divmod(step, self.n_batches)
        return epochs * self.n_images + batches * self.batch_size

    def images_in(self, step: int) -> int:
        """Images in the batch of this step, counted from 0."""
        return self.images_before(step + 1) - self.images_before(step)


class Tally:
    """Losses and correct predictions since the last validation.

    Every process adds up its own share on its device; the state of the session, and so a checkpoint, holds the sums
    over all processes.

    Parameters
    ----------
    session : Session
        Resumed already: the first process goes on from the sums in its state.
    data : TrainingData
        Gives the device, and what reading took.
    """

    def __init__(self, session: Session, data: TrainingData) -> None:
        self._session, self._data = session, data
        state, counts = session.state, session.processes.is_first
        self.loss = torch.tensor(state.loss_sum if counts else 0.0, dtype=torch.float64, device=data.device)
        self.correct = torch.tensor(state.correct if counts else 0, device=data.device)
        self._read_before = state.reader

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count one step: its loss, a scalar, its logits ``(B, K)`` and its labels ``(B,)``."""
        self.loss += loss.detach()
        self.correct += (logits.detach().argmax(dim=1) == labels).sum()

    def check_finite(self) -> None:
        """Raise a DivergedError if a loss was not finite; on a GPU this waits for the device."""
        if not math.isfinite(self.loss):
            raise DivergedError(
                f"step {self._session.state.step}: the training loss is not finite; lower recipe.learning_rate. "
                f"The last checkpoint is {self._session.checkpoint}"
            )

    def total(self) -> None:
        """Write the sums over all processes into the state; every process has to call it."""
        state, processes = self._session.state, self._session.processes
        read = self._data.reader_totals(processes)
        state.reader = {name: total + self._read_before.get(name, 0.0) for name, total in read.items()}
        state.loss_sum, state.correct = float(processes.total(self.loss)), int(processes.total(self.correct))

    def clear(self) -> None:
        """Start again after a validation."""
        self.loss.zero_()
        self.correct.zero_()


def share_of_loss(loss: Tensor, n_own: int, n_batch: int, processes: Processes) -> Tensor:
    """Weight the mean loss of one process's share of a batch.

    The mean over processes of the weighted losses, and of their gradients, is then that of the whole batch, although
    shares differ in size.

    Parameters
    ----------
    loss : Tensor
        Mean over the share, a scalar.
    n_own, n_batch : int
        Images in the share and in the whole batch.
    processes : Processes
        Alone, the loss is returned as it is.
    """
    return loss if processes.count == 1 else loss * (n_own * processes.count / n_batch)
