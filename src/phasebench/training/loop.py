"""Training loop on random batches; everything random follows from the seed and the step's number."""

from collections.abc import Callable
from contextlib import closing

from torch import Tensor, nn

from phasebench.data.batches.interface import TrainingData
from phasebench.specs.run import Recipe
from phasebench.training.checkpoint import TrainingState
from phasebench.training.cuda_graph import GraphedStep, replays
from phasebench.training.dropout import has_dropout, seed_dropout
from phasebench.training.optimizers import build_optimizer, learning_rate, set_learning_rate
from phasebench.training.probe import find_probe
from phasebench.training.session import STEPS_BETWEEN_LOOKS, Session
from phasebench.training.step import Step, TrainingStep
from phasebench.training.tally import Epoch, Tally
from phasebench.training.validation import validate


def fit(
    model: nn.Module,
    data: TrainingData,
    recipe: Recipe,
    seed: int,
    session: Session,
    forward: Callable[[Tensor], Tensor] | None = None,
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
        Decides the order of the samples, the augmentation and dropout.
    session : Session
        Checkpoint, and the processes that train together. With several, ``forward`` has to average the gradients.
    forward : callable, optional
        A compiled or distributed form of ``model``, used for the training steps.

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
    forward, processes = model if forward is None else forward, session.processes
    optimizer = build_optimizer(model, recipe)
    state = session.resume(model, optimizer)
    epoch = Epoch(len(data.train), recipe.batch_size)
    n_steps, look_every = recipe.n_steps(epoch.n_batches), STEPS_BETWEEN_LOOKS[data.device.type]
    interval = recipe.validation_interval(epoch.n_batches)
    tally, drops = Tally(session, data), has_dropout(model)
    advance: Step = TrainingStep(model, forward, optimizer, recipe, tally, processes)
    if replays(recipe, data.device):
        advance = GraphedStep(advance, recipe.batch_size)
    probe = find_probe(model, data, recipe)
    if probe and not state.step:
        state.probes += probe.measure(model, data, 0, 0.0)

    model.train()
    batches = data.training_batches(recipe, seed, range(state.step, n_steps), processes)
    with session, closing(batches):
        for step, (planes, labels) in zip(session.steps(n_steps, "training"), batches, strict=True):
            set_learning_rate(optimizer, learning_rate(recipe, step / epoch.n_batches))
            if drops:
                seed_dropout(seed, step, processes)
            advance(planes, labels, epoch.images_in(step))
            state.step = step + 1

            validates, saves = state.step % interval == 0 or state.step == n_steps, session.must_save()
            if validates or saves or state.step % look_every == 0:
                tally.check_finite()
            if validates:
                tally.total()
                validate(model, data, recipe, session)
                if probe:
                    state.probes += probe.measure(model, data, state.step, state.step / epoch.n_batches)
                tally.clear()
                session.clock.restart_interval()
            if saves:
                tally.total()
                session.save(model, optimizer)

    model.load_state_dict(state.best_model)
    return state
