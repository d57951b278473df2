"""Procedure ``full_batch``: gradient descent on the whole training set in float64 (Nie and Yuan, section 2)."""

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from phasebench.common.errors import DivergedError, PhasebenchError
from phasebench.common.seeding import Stream, generator
from phasebench.data.batches.in_memory import DeviceData, load_device_data
from phasebench.models.inference import EVALUATION_BATCH
from phasebench.models.mlp import prepare_inputs
from phasebench.nn.complex.weight_projections import project
from phasebench.specs.run import FullBatchRecipe, RunIdentity
from phasebench.training.checkpoint import TrainingState
from phasebench.training.dropout import has_dropout, seed_dropout
from phasebench.training.optimizers import Sgd
from phasebench.training.run import begin, build_run_model, train_and_write
from phasebench.training.session import STEPS_BETWEEN_LOOKS, Session, copy_of_weights
from phasebench.training.snapshots import encoded_columns, find_snapshot, is_matrix_network

_LOGGER = logging.getLogger(__name__)
# Nothing validates, and the accuracies at snapshots have columns of their own.
_UNUSED = ("train_accuracy", "validation_loss", "validation_accuracy")


def train_full_batch(
    identity: RunIdentity,
    data_path: Path,
    output: Path,
    checkpoint: Path,
    *,
    device: str = "auto",
    checkpoint_seconds: float = 60.0,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Train a model by its :class:`phasebench.specs.run.FullBatchRecipe`, or resume it, and write its folder.

    Parameters, files and errors are those of :func:`phasebench.training.minibatch.train_run`. The history has a row for
    every step; at snapshots it has the test accuracies of :func:`phasebench.training.snapshots.find_snapshot`.

    The study's rates are at the edge of stability. A run that diverges keeps what it measured: its history ends before
    the step that is named as ``diverged_at`` in ``run.json``, and its weights are those of its last snapshot.
    """
    spec = identity.run
    recipe, target = begin(spec, FullBatchRecipe, device)
    data = load_device_data(spec, data_path, target, dtype=torch.float64)
    if len(data.validation):
        raise PhasebenchError(f"{spec.id}: validation_fraction: the procedure 'full_batch' validates nothing; set it 0")
    model = build_run_model(spec, data).to(target, torch.float64)
    session = Session(checkpoint, identity.digest, checkpoint_seconds)

    def train() -> TrainingState:
        return descend(model, data, recipe, spec.seed, session)

    def entries(state: TrainingState) -> dict[str, Any]:
        diverged_at = state.step + 1 if state.step < recipe.steps else None
        return {"compiled": False, "diverged_at": diverged_at, **(provenance or {})}

    train_and_write(identity, data, model, session, output, train=train, entries=entries)


def descend(model: nn.Module, data: DeviceData, recipe: FullBatchRecipe, seed: int, session: Session) -> TrainingState:
    """Train ``model`` in place, from the checkpoint if there is one.

    The loss of a step is taken before its update, so that the first is that of the initial weights; the accuracies of
    a snapshot are taken after it.

    Parameters
    ----------
    model : nn.Module
        Maps planes ``(N, 2, C, H, W)`` to logits ``(N, K)``; on the data's device, with weights of the data's type.
    data : DeviceData
        All its training samples are used in every step, in one pass.
    recipe : FullBatchRecipe
        Rate, length, snapshots.
    seed : int
        Decides noise on the inputs, dropout and the random halves.
    session : Session
        The checkpoint.

    Returns
    -------
    TrainingState
        The finished state. Where its step is not the recipe's last one the training diverged: the loss of the next
        step, or a weight after it, is not finite, and ``model`` is as it was at the last snapshot.

    Raises
    ------
    DivergedError
        That happened before the first snapshot; nothing was measured.
    InterruptedRunError
        A signal asked the run to stop; the checkpoint was written.
    """
    snapshot = find_snapshot(model, data, recipe, seed)
    state = session.resume(model)
    logits, labels = whole_set(model, data, seed), data.labels[data.train]
    optimizer, drops = Sgd(model.parameters(), lr=recipe.learning_rate), has_dropout(model)
    losses: list[Tensor] = []

    model.train()
    with session:
        for step in session.steps(recipe.steps, "full-batch gradient descent"):
            if drops:
                seed_dropout(seed, step)
            losses.append(gradient_step(model, logits, labels, optimizer))
            done = step + 1
            measures, saves = done % recipe.snapshot_every == 0 or done == recipe.steps, session.must_save()
            if not (measures or saves or done % STEPS_BETWEEN_LOOKS[data.device.type] == 0):
                continue
            _record(state, losses, recipe)
            if state.step == done and measures and not _is_finite(model):
                state.step -= 1
                state.history.pop()
            if state.step < done:
                _return_to_snapshot(model, state, recipe)
                break
            if measures:
                state.history[-1]["images_per_second"] = _count_images(state, len(labels), session.clock.interval)
                state.history[-1] |= snapshot(state.step)
                state.best_step, state.best_model = state.step, copy_of_weights(model)
                session.clock.restart_interval()
            if saves:
                session.save(model)
    return state


def _record(state: TrainingState, losses: list[Tensor], recipe: FullBatchRecipe) -> None:
    """Write the losses of the steps since the last look into the history, up to the first that is not finite.

    The list is emptied; on a GPU this waits for the device.
    """
    for loss in torch.stack(losses).tolist():
        if not math.isfinite(loss):
            break
        state.step += 1
        row = {"step": state.step, "epoch": state.step, "train_loss": loss, "learning_rate": recipe.learning_rate}
        state.history.append(row | dict.fromkeys((*_UNUSED, "images_per_second"), math.nan))
    losses.clear()


def whole_set(model: nn.Module, data: DeviceData, seed: int) -> Callable[[], Tensor]:
    """Encode the training set once, and return the function that computes its logits ``(N, K)``."""
    random = generator(seed, Stream.AUGMENTATION)
    batches = (data.training_batch(part, random) for part in data.train.split(EVALUATION_BATCH))
    if is_matrix_network(model):
        inputs = prepare_inputs(encoded_columns(model, batches))
        return lambda: model.scores(inputs).T
    planes = torch.cat(list(batches))
    return lambda: model(planes)


def gradient_step(
    model: nn.Module, logits: Callable[[], Tensor], labels: Tensor, optimizer: torch.optim.Optimizer
) -> Tensor:
    """``W <- W - learning_rate dL/dW`` for all samples (equations 1 and 2), then the model's constraint, in place.

    Returns
    -------
    Tensor
        The mean cross-entropy L before the update, a scalar.
    """
    loss = functional.cross_entropy(logits(), labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    _keep_constraint(model)
    return loss.detach()


@torch.no_grad()
def _keep_constraint(model: nn.Module) -> None:
    """Project the weights of a model that names a constraint."""
    if is_matrix_network(model) and model.constraint is not None:
        for weight in model.weights:
            weight.copy_(project(weight, model.constraint))


def _is_finite(model: nn.Module) -> bool:
    return all(bool(weight.isfinite().all()) for weight in model.parameters())


def _return_to_snapshot(model: nn.Module, state: TrainingState, recipe: FullBatchRecipe) -> None:
    """Give a run that diverged the weights of its last snapshot, or raise a DivergedError where there is none."""
    at = state.step + 1
    if not state.best_model:
        raise DivergedError(
            f"step {at}: loss or weights are not finite before the first snapshot; lower recipe.learning_rate"
        )
    _LOGGER.warning("diverged at step %d of %d; the results are those of step %d", at, recipe.steps, state.best_step)
    model.load_state_dict(state.best_model)


def _count_images(state: TrainingState, n_train: int, seconds: float) -> float:
    """Count the images since the last snapshot, and return how many passed in a second."""
    # Every snapshot gives the best weights.
    n_images = n_train * (state.step - state.best_step)
    state.train_seconds += seconds
    state.train_images += n_images
    return n_images / seconds
