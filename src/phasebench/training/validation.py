"""Validation of a network in training: a row of the history, and the best weights so far."""

import math

from torch import Tensor, nn
from torch.nn import functional

from phasebench.common.processes import ALONE, Processes
from phasebench.data.batches.interface import TrainingData
from phasebench.models.inference import EVALUATION_BATCH, predict
from phasebench.specs.run import Recipe
from phasebench.training.optimizers import learning_rate
from phasebench.training.session import Session, copy_of_weights
from phasebench.training.tally import Epoch


def validate(model: nn.Module, data: TrainingData, recipe: Recipe, session: Session) -> None:
    """Append a row to the history and keep the weights if they are strictly the best so far.

    Without a validation subset the last weights are kept. The sums over all processes have to be in the session's
    state, and every process has to call this.
    """
    state, processes = session.state, session.processes
    processes.take_from_first(model.buffers())
    epoch = Epoch(len(data.train), recipe.batch_size)
    since, seconds = int(state.history[-1]["step"]) if state.history else 0, session.clock.interval
    n_images = epoch.images_before(state.step) - epoch.images_before(since)
    state.train_seconds += seconds
    state.train_images += n_images
    row = {
        "step": state.step,
        "epoch": state.step / epoch.n_batches,
        # Each share's loss is weighted so that their mean is the batch's.
        "train_loss": state.loss_sum / (state.step - since) / processes.count,
        "train_accuracy": state.correct / n_images,
        **_loss_and_accuracy(model, data, data.validation, "validation", processes),
        "learning_rate": learning_rate(recipe, (state.step - 1) / epoch.n_batches),
        "images_per_second": n_images / seconds,
    }
    if recipe.track_test:
        row |= _loss_and_accuracy(model, data, data.test, "test", processes)
    state.history.append(row)
    accuracy = row["validation_accuracy"]
    if math.isnan(accuracy) or accuracy > state.best_accuracy:
        state.best_accuracy, state.best_step = -1.0 if math.isnan(accuracy) else accuracy, state.step
        state.best_model = copy_of_weights(model)


def predict_together(model: nn.Module, data: TrainingData, subset: Tensor, processes: Processes = ALONE) -> Tensor:
    """Logits ``(N, K)`` of a subset; every process computes those of its share and gets all of them."""
    logits = predict(model, data.batches(processes.share(subset), EVALUATION_BATCH))
    return processes.interleave(logits, len(subset))


def _loss_and_accuracy(
    model: nn.Module, data: TrainingData, subset: Tensor, name: str, processes: Processes
) -> dict[str, float]:
    """Loss and accuracy on one subset, under its name; NaN for an empty one."""
    if not len(subset):
        return {f"{name}_loss": math.nan, f"{name}_accuracy": math.nan}
    logits, labels = predict_together(model, data, subset, processes), data.labels[subset]
    return {
        f"{name}_loss": functional.cross_entropy(logits.double(), labels).item(),
        f"{name}_accuracy": (logits.argmax(dim=1) == labels).double().mean().item(),
    }
