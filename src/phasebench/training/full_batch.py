"""Training of Nie and Yuan: gradient descent on the whole training set, weights projected at snapshots (section 2)."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from phasebench.common.devices import find_device
from phasebench.common.errors import DivergedError, InterruptedRunError, PhasebenchError
from phasebench.common.memory import keep_freed_memory
from phasebench.common.progress import track
from phasebench.common.seeding import Stream, generator
from phasebench.data.batches.in_memory import DeviceData, load_device_data
from phasebench.models.inference import EVALUATION_BATCH, predict
from phasebench.models.mlp import Perceptron, PreparedInputs, prepare_inputs
from phasebench.models.registry import build_for_run
from phasebench.nn.complex.weight_projections import find_projection, project
from phasebench.specs.run import FullBatchRecipe, RunIdentity, RunSpec
from phasebench.training.checkpoint import TrainingState, resume, save_checkpoint
from phasebench.training.clock import Clock
from phasebench.training.interrupt import StopRequest
from phasebench.training.projected_pass import projected_predictions
from phasebench.training.results import announce, write_results

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
    """Train a perceptron by its :class:`phasebench.specs.run.FullBatchRecipe`, or go on with it, and write its folder.

    Parameters, files and errors are those of :func:`phasebench.training.minibatch.train_run`. The history has a row for
    every step; at snapshots it has the test accuracies ``accuracy_<projection>`` and, for random halves,
    ``deviation_<projection>``, the sample standard deviation over the draws.

    The study's rates are at the edge of stability. A run that diverges keeps what it measured: its history ends before
    the step that is named as ``diverged_at`` in ``run.json``, and its weights are those of its last snapshot.
    """
    keep_freed_memory()
    spec, target = identity.run, find_device(device)
    recipe = spec.recipe
    if not isinstance(recipe, FullBatchRecipe):
        raise TypeError(f"{spec.id}: the recipe is for the procedure '{recipe.procedure}'")
    data = load_device_data(spec, data_path, target, dtype=torch.float64)
    network = build_perceptron(spec, data).to(target)
    announce(spec, data, network, "off")
    if target.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    state = descend(
        network,
        data,
        recipe,
        spec.seed,
        checkpoint=checkpoint,
        digest=identity.digest,
        checkpoint_seconds=checkpoint_seconds,
    )
    diverged_at = state.step + 1 if state.step < recipe.steps else None
    if diverged_at:
        print(f"diverged at step {diverged_at} of {recipe.steps}; the results are those of step {state.best_step}")
    prediction = predict(network, data.batches(data.test, EVALUATION_BATCH)).argmax(dim=1)
    further = {"compiled": False, "diverged_at": diverged_at, **(provenance or {})}
    write_results(identity, data, network, state, prediction, output, further)
    checkpoint.unlink(missing_ok=True)


def build_perceptron(spec: RunSpec, data: DeviceData) -> Perceptron:
    """The run's network with the initial weights that its seed decides, on the CPU.

    Raises
    ------
    PhasebenchError
        The model is no perceptron, or part of the samples is to validate, which this procedure has no use for.
    """
    network = build_for_run(spec, data)
    if not isinstance(network, Perceptron):
        raise PhasebenchError(f"{spec.id}: recipe.procedure: 'full_batch' trains perceptrons; '{spec.model}' is none")
    if len(data.validation):
        raise PhasebenchError(f"{spec.id}: validation_fraction: the procedure 'full_batch' validates nothing; set it 0")
    network.initialise(spec.seed)
    return network


def descend(
    network: Perceptron,
    data: DeviceData,
    recipe: FullBatchRecipe,
    seed: int,
    *,
    checkpoint: Path,
    digest: str,
    checkpoint_seconds: float = 60.0,
) -> TrainingState:
    """Train ``network`` in place, from the checkpoint if there is one.

    The loss of a step is taken before its update, so that the first is that of the initial weights; the accuracies of
    a snapshot are taken after it.

    Parameters
    ----------
    network : Perceptron
        On the data's device.
    data : DeviceData
        All its training samples are used in every step.
    recipe : FullBatchRecipe
        Rate, length, snapshots.
    seed : int
        Decides the random halves.
    checkpoint : Path
        Where the unfinished run is kept.
    digest : str
        Digest of the run's identity; a checkpoint of another one is refused.
    checkpoint_seconds : float
        Time between two checkpoints.

    Returns
    -------
    TrainingState
        The finished state. Where its step is not the recipe's last one the training diverged: the loss of the next
        step, or a weight after it, is not finite, and ``network`` is as it was at the last snapshot.

    Raises
    ------
    DivergedError
        That happened before the first snapshot; nothing was measured.
    InterruptedRunError
        A signal asked the run to stop; the checkpoint was written.
    """
    complex_valued = len(network.weights[0]) == 2
    for name in recipe.projections:
        find_projection(name, complex_valued)
    state = resume(checkpoint, digest, network)
    random = generator(seed, Stream.AUGMENTATION)
    train_batches = (data.training_batch(part, random) for part in data.train.split(EVALUATION_BATCH))
    inputs, labels = prepare_inputs(encoded_columns(network, train_batches)), data.labels[data.train]
    test_inputs = encoded_columns(network, data.batches(data.test, EVALUATION_BATCH))
    test_labels = data.labels[data.test]
    clock = Clock(state)

    def save() -> None:
        state.interval_seconds, state.wall_seconds = clock.interval, clock.wall
        state.model = _copy(network)
        save_checkpoint(checkpoint, digest, state)
        clock.saved()

    with StopRequest() as stop:
        for step in track(range(state.step + 1, recipe.steps + 1), "full-batch gradient descent"):
            loss = gradient_step(network, inputs, labels, recipe.learning_rate).item()
            snapshot = step % recipe.snapshot_every == 0 or step == recipe.steps
            finite = math.isfinite(loss) and (not snapshot or all(bool(w.isfinite().all()) for w in network.weights))
            if not finite:
                if not state.best_model:
                    raise DivergedError(
                        f"step {step}: loss or weights are not finite before the first snapshot; "
                        "lower recipe.learning_rate"
                    )
                network.load_state_dict(state.best_model)
                break
            state.step = step
            row = {"step": step, "epoch": step, "train_loss": loss, "learning_rate": recipe.learning_rate}
            row |= dict.fromkeys((*_UNUSED, "images_per_second"), math.nan)
            if snapshot:
                n_images, seconds = len(labels) * (step - _last_snapshot(state)), clock.interval
                state.train_seconds += seconds
                state.train_images += n_images
                row["images_per_second"] = n_images / seconds
                # A random half of the units is the first half of them in a random order.
                halves = generator(seed, Stream.PROJECTION, step)
                row |= snapshot_accuracies(network, recipe, halves, test_inputs, test_labels)
                state.best_step, state.best_model = step, _copy(network)
                clock.restart_interval()
            state.history.append(row)
            if clock.since_save >= checkpoint_seconds or stop:
                save()
            if stop:
                raise InterruptedRunError(f"stopped by {stop.signal} after step {step} of {recipe.steps}")
    state.wall_seconds = clock.wall
    return state


def _copy(network: nn.Module) -> dict[str, Tensor]:
    """The weights as they are now, on the CPU."""
    return {name: tensor.to("cpu", copy=True) for name, tensor in network.state_dict().items()}


def gradient_step(network: Perceptron, inputs: PreparedInputs, labels: Tensor, learning_rate: float) -> Tensor:
    """``W <- W - learning_rate dL/dW`` for all samples (equations 1 and 2), then the network's constraint, in place.

    Returns
    -------
    Tensor
        The mean cross-entropy L before the update, a scalar.
    """
    weights = list(network.weights)
    loss = functional.cross_entropy(network.scores(inputs).T, labels)
    gradients = torch.autograd.grad(loss, weights)
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.sub_(gradient, alpha=learning_rate)
            if network.constraint is not None:
                weight.copy_(project(weight, network.constraint))
    return loss.detach()


@torch.no_grad()
def encoded_columns(network: Perceptron, batches: Iterable[Tensor]) -> Tensor:
    """Encoded batches as ``(P, features + 1, samples)``."""
    return torch.cat([network.columns(batch) for batch in batches], dim=2)


def _last_snapshot(state: TrainingState) -> int:
    """The step of the last snapshot, 0 before the first."""
    return next((int(row["step"]) for row in reversed(state.history) if row["images_per_second"] > 0), 0)


def snapshot_accuracies(
    network: Perceptron,
    recipe: FullBatchRecipe,
    halves: torch.Generator,
    inputs: Tensor,
    labels: Tensor,
) -> dict[str, float]:
    """Accuracy of every projection, the mean over draws for random halves, and the deviation of these.

    Parameters
    ----------
    network : Perceptron
        It is left as it is.
    recipe : FullBatchRecipe
        What is tested, and the numbers of draws of random halves.
    halves : Generator
        Of the random halves; on the CPU.
    inputs : Tensor
        Columns ``(P, features + 1, samples)``.
    labels : Tensor
        int64 ``(samples,)``.

    Returns
    -------
    dict
        ``accuracy_<projection>`` between 0 and 1; ``deviation_<projection>``, divided by n - 1, if there are draws.
    """
    weights = [weight.detach() for weight in network.weights]
    names, predictions = projected_predictions(
        weights,
        inputs,
        network.activated,
        recipe.projections,
        halves,
        recipe.unit_draws,
        recipe.element_draws,
    )
    accuracies = (predictions == labels).double().mean(dim=1)
    found = {}
    for name in dict.fromkeys(names):
        values = accuracies[[index for index, other in enumerate(names) if other == name]]
        found[f"accuracy_{name}"] = values.mean().item()
        if len(values) > 1:
            found[f"deviation_{name}"] = values.std().item()
    return found
