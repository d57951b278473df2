"""One training step on a batch: forward pass, loss, backward pass, clipping, optimiser; none waits for a card."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from phasebench.common.processes import ALONE, Processes
from phasebench.specs.run import Recipe
from phasebench.training.numerics import autocast
from phasebench.training.tally import Tally, share_of_loss

Forward = Callable[[Tensor], Tensor]


class Step(Protocol):
    """A function that takes one step."""

    def __call__(self, planes: Tensor, labels: Tensor, n_batch: int) -> None:
        """Take planes ``(B, 2, C, H, W)``, labels ``(B,)``, and the number of images in the batch of all processes."""


class TrainingStep:
    """Steps of one network by a recipe, each an eager call.

    Parameters
    ----------
    model : nn.Module
        The network, whose gradients are clipped.
    forward : callable
        The network or a compiled or distributed form of it, from planes to logits ``(B, K)``.
    optimizer : torch.optim.Optimizer
        Over the network's parameters.
    recipe : Recipe
        Precision and clipping.
    tally : Tally
        Adds up losses and correct predictions.
    processes : Processes
        All processes that share the batch.
    """

    def __init__(
        self,
        model: nn.Module,
        forward: Forward,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        tally: Tally,
        processes: Processes = ALONE,
    ) -> None:
        self._model, self._forward, self._optimizer = model, forward, optimizer
        self._recipe, self._tally, self._processes = recipe, tally, processes

    def __call__(self, planes: Tensor, labels: Tensor, n_batch: int) -> None:
        """Take one step; see :class:`Step`."""
        with autocast(self._recipe, planes.device):
            logits = self._forward(planes)
        loss = functional.cross_entropy(logits.float(), labels)
        loss = share_of_loss(loss, len(labels), n_batch, self._processes)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self._recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._model.parameters(), self._recipe.clip_norm)
        self._optimizer.step()
        self._tally.add(loss, logits, labels)
