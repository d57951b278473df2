"""The training loop. It reads from top to bottom; everything random follows from the seed and the step's number."""

import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from phasebench.common.errors import DivergedError, InterruptedRunError
from phasebench.common.processes import ALONE, Processes
from phasebench.common.progress import track
from phasebench.common.seeding import Stream, generator
from phasebench.data.batches.interface import TrainingData
from phasebench.models.inference import EVALUATION_BATCH, predict
from phasebench.specs.run import Recipe
from phasebench.training.checkpoint import TrainingState, resume, save_checkpoint
from phasebench.training.clock import Clock
from phasebench.training.interrupt import StopRequest
from phasebench.training.numerics import autocast
from phasebench.training.optimizers import build_optimizer, learning_rate, set_learning_rate
from phasebench.training.probe import find_probe

# On a GPU, looking at the loss waits for the device; the sum of losses tells of a NaN as well, only later.
_STEPS_BETWEEN_LOOKS = {"cpu": 1, "cuda": 100}


def fit(
    model: nn.Module,
    data: TrainingData,
    recipe: Recipe,
    seed: int,
    *,
    processes: Processes = ALONE,
    forward: Callable[[Tensor], Tensor] | None = None,
    checkpoint: Path,
    digest: str,
    checkpoint_seconds: float = 60.0,
) -> TrainingState:
    """Train ``model`` in place, from the checkpoint if there is one, and leave it with its best-validation weights.

    Parameters
    ----------
    model : nn.Module
        Maps planes ``(B, 2, C, H, W)`` to logits ``(B, K)``; on the data's device.
    data : TrainingData
        Training and validation subset.
    recipe : Recipe
        Optimiser, length, schedule, augmentation.
    seed : int
        Decides the order of the samples and the augmentation.
    processes : Processes
        Those that train together, of which the first writes the checkpoint. With several, ``forward`` has to average
        the gradients.
    forward : callable, optional
        A compiled or distributed form of ``model``, used for the training steps.
    checkpoint : Path
        Where the unfinished run is kept.
    digest : str
        Digest of the run's identity; a checkpoint of another one is refused.
    checkpoint_seconds : float
        Time between two checkpoints.

    Returns
    -------
    TrainingState
        The finished state.

    Raises
    ------
    DivergedError
        The loss is not finite; the last checkpoint stays.
    InterruptedRunError
        A signal asked the run to stop; the checkpoint was written.
    """
    forward = model if forward is None else forward
    optimizer = build_optimizer(model, recipe)
    state = resume(checkpoint, digest, model, optimizer)
    n_train = len(data.train)
    batches_per_epoch = math.ceil(n_train / recipe.batch_size)
    n_steps = recipe.n_steps(batches_per_epoch)
    look_every = _STEPS_BETWEEN_LOOKS[data.device.type]
    # Every process adds up its own share; what a checkpoint holds is everybody's.
    loss_sum = torch.tensor(state.loss_sum if processes.is_first else 0.0, dtype=torch.float64, device=data.device)
    correct = torch.tensor(state.correct if processes.is_first else 0, device=data.device)
    has_dropout = any(isinstance(module, nn.Dropout) for module in model.modules())
    probe = find_probe(model, data, recipe)
    if probe and not state.step:
        state.probes += probe.measure(model, data, 0, 0.0)
    clock = Clock(state)
    read_before = state.reader

    def add_up() -> None:
        read = data.reader_totals(processes)
        state.reader = {name: total + read_before.get(name, 0.0) for name, total in read.items()}
        state.loss_sum, state.correct = float(processes.total(loss_sum)), int(processes.total(correct))

    def save() -> None:
        add_up()
        if not processes.is_first:
            return
        state.interval_seconds, state.wall_seconds = clock.interval, clock.wall
        state.model = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
        state.optimizer = optimizer.state_dict()
        save_checkpoint(checkpoint, digest, state)
        clock.saved()

    model.train()
    steps = range(state.step, n_steps)
    batches = data.training_batches(recipe, seed, steps, processes)
    with StopRequest() as stop, closing(batches):
        shown = track(steps, "training", len(steps)) if processes.is_first else steps
        for step, (planes, labels) in zip(shown, batches, strict=True):
            rate = learning_rate(recipe, step / batches_per_epoch)
            set_learning_rate(optimizer, rate)

            if has_dropout:
                # Layers draw from the one global generator of their device.
                draw = step * processes.count + processes.rank
                torch.manual_seed(generator(seed, Stream.DROPOUT, draw).initial_seed())
            with autocast(recipe, data.device):
                logits = forward(planes)
            loss = functional.cross_entropy(logits.float(), labels)
            if processes.count > 1:
                # The mean over the shares' gradients is then that of the mean over the whole batch.
                whole = _images_seen(n_train, recipe.batch_size, step + 1) - _images_seen(
                    n_train, recipe.batch_size, step
                )
                loss = loss * (len(labels) * processes.count / whole)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            loss_sum += loss.detach()
            correct += (logits.detach().argmax(dim=1) == labels).sum()
            state.step = step + 1

            validates = state.step % recipe.validate_every == 0 or state.step == n_steps
            stops, saves = processes.any(bool(stop), processes.is_first and clock.since_save >= checkpoint_seconds)
            saves = saves or stops
            if (validates or saves or state.step % look_every == 0) and not math.isfinite(loss_sum):
                raise DivergedError(
                    f"step {state.step}: the training loss is not finite; lower recipe.learning_rate. "
                    f"The last checkpoint is {checkpoint}"
                )
            if validates:
                add_up()
                processes.take_from_first(model.buffers())
                _validate(model, data, state, recipe, rate, clock.interval, processes)
                if probe:
                    state.probes += probe.measure(model, data, state.step, state.step / batches_per_epoch)
                loss_sum.zero_()
                correct.zero_()
                clock.restart_interval()
            if saves:
                save()
            if stops:
                reason = stop.signal or "another of its processes"
                raise InterruptedRunError(f"stopped by {reason} after step {state.step} of {n_steps}")

    state.wall_seconds = clock.wall
    model.load_state_dict(state.best_model)
    return state


def _validate(
    model: nn.Module,
    data: TrainingData,
    state: TrainingState,
    recipe: Recipe,
    rate: float,
    seconds: float,
    processes: Processes,
) -> None:
    """Append a row to the history and keep the weights if they are strictly the best so far.

    Without a validation subset the last weights are kept.
    """
    since = int(state.history[-1]["step"]) if state.history else 0
    n_train = len(data.train)
    n_images = _images_seen(n_train, recipe.batch_size, state.step) - _images_seen(n_train, recipe.batch_size, since)
    state.train_seconds += seconds
    state.train_images += n_images
    row = {
        "step": state.step,
        "epoch": state.step / math.ceil(n_train / recipe.batch_size),
        # Each share's loss is weighted so that their mean is the batch's.
        "train_loss": state.loss_sum / (state.step - since) / processes.count,
        "train_accuracy": state.correct / n_images,
        **_loss_and_accuracy(model, data, data.validation, "validation", processes),
        "learning_rate": rate,
        "images_per_second": n_images / seconds,
    }
    if recipe.track_test:
        row |= _loss_and_accuracy(model, data, data.test, "test", processes)
    state.history.append(row)
    accuracy = row["validation_accuracy"]
    if math.isnan(accuracy) or accuracy > state.best_accuracy:
        state.best_accuracy, state.best_step = -1.0 if math.isnan(accuracy) else accuracy, state.step
        state.best_model = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def predict_together(model: nn.Module, data: TrainingData, subset: Tensor, processes: Processes = ALONE) -> Tensor:
    """Logits ``(N, K)`` of a subset, every process computing those of its share."""
    logits = predict(model, data.batches(processes.share(subset), EVALUATION_BATCH))
    return processes.interleave(logits, len(subset))


def _loss_and_accuracy(
    model: nn.Module, data: TrainingData, subset: Tensor, name: str, processes: Processes
) -> dict[str, float]:
    """Both for one subset, under its name; NaN for an empty one."""
    if not len(subset):
        return {f"{name}_loss": math.nan, f"{name}_accuracy": math.nan}
    logits, labels = predict_together(model, data, subset, processes), data.labels[subset]
    return {
        f"{name}_loss": functional.cross_entropy(logits.double(), labels).item(),
        f"{name}_accuracy": (logits.argmax(dim=1) == labels).double().mean().item(),
    }


def _images_seen(n_train: int, batch_size: int, steps: int) -> int:
    """Images in the first steps; an epoch's last batch may be smaller."""
    epochs, batches = divmod(steps, math.ceil(n_train / batch_size))
    return epochs * n_train + batches * batch_size
