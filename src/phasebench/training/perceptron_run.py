"""Training of Nie and Yuan: gradient descent on the whole training set, weights projected at snapshots (section 2)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from phasebench.errors import DivergedError, PhasebenchError
from phasebench.models.mlp import Perceptron, PreparedInputs, encode_pixels, prepare_inputs
from phasebench.progress import track
from phasebench.seeding import Stream, generator
from phasebench.training.projected_pass import projected_predictions
from phasebench.training.projections import STUDY_PROJECTIONS, find_projection, project

Row = tuple[int, str, str, str, float]
COLUMNS = ("step", "projection", "split", "metric", "value")
N_TRAIN = 30_000
"""Training images of the study: the first of MNIST, in file order."""


@dataclass(frozen=True)
class PerceptronSettings:
    """What decides a run besides the data."""

    hidden: tuple[int, ...]
    """Units of the hidden layers."""
    complex_valued: bool = True
    activated: tuple[bool, ...] | None = None
    """Whether the non-linearity follows each hidden layer; None: always."""
    learning_rate: float = 0.1
    """Of the gradient of the mean cross-entropy, dL/dRe W + i dL/dIm W."""
    iterations: int = 2000
    snapshot_every: int = 100
    seed: int = 2
    """Of the initial weights and of the random halves."""
    initial_scale: float = 0.01
    """Standard deviation of the real numbers in the initial weights."""
    projections: tuple[str, ...] | None = None
    """Evaluated at snapshots; None: those of the study."""
    unit_draws: int = 10
    """Random halves of the hidden units at each snapshot."""
    element_draws: int = 0
    """Random halves of the elements of all weights at each snapshot."""
    feedback: str | None = None
    """A projection whose result replaces the weights after every step. In the study, none does."""


FIGURES: Mapping[str, PerceptronSettings] = MappingProxyType(
    {
        "figure_1_left": PerceptronSettings(hidden=(100,)),
        "figure_1_right": PerceptronSettings(
            hidden=(512, 100), complex_valued=False, activated=(True, False), learning_rate=0.2
        ),
        "figure_3_a": PerceptronSettings(hidden=(512,)),
        "figure_3_b": PerceptronSettings(hidden=(20,)),
        "figure_3_c": PerceptronSettings(hidden=(512, 100)),
        "figure_3_d": PerceptronSettings(hidden=(50, 20)),
    }
)
"""The networks of the study's figures."""


@dataclass
class PerceptronResult:
    """What :func:`train_perceptron` returns."""

    network: Perceptron
    """With the last weights."""
    table: pd.DataFrame
    """Columns :data:`COLUMNS`, as :func:`train_perceptron` describes."""


@dataclass
class PerceptronState:
    """All that a run needs to go on after a snapshot; random halves follow from seed and step."""

    step: int
    """Steps done."""
    weights: list[Tensor]
    rows: list[Row]
    """The table so far."""


def train_perceptron(
    settings: PerceptronSettings,
    train_pixels: Tensor,
    train_labels: Tensor,
    test_pixels: Tensor,
    test_labels: Tensor,
    n_classes: int = 10,
    state: PerceptronState | None = None,
    save: Callable[[PerceptronState], None] | None = None,
) -> PerceptronResult:
    """Train by gradient descent in double precision and evaluate projected weights at snapshots.

    Parameters
    ----------
    settings : PerceptronSettings
        Network and recipe.
    train_pixels, test_pixels : Tensor
        In [0, 1], shape ``(samples, ...)``, any floating type, on the device that is to do the work.
    train_labels, test_labels : Tensor
        int64, shape ``(samples,)``, same device.
    n_classes : int
        Outputs.
    state : PerceptronState, optional
        Where an earlier run with the same settings and data stood. The result is then the same as without a break.
    save : callable, optional
        Is given a copy of the state after every snapshot.

    Returns
    -------
    PerceptronResult
        In its table, ``loss`` of split ``train`` stands at every step, taken before the update of that step, which is
        the first, 1, for the initial weights. At each snapshot, which is taken after the update, every projection has
        ``accuracy`` of split ``test`` between 0 and 1, a mean over draws for random halves, which have
        ``accuracy_std`` too (divided by n - 1).

    Raises
    ------
    PhasebenchError
        There is no such projection, or one that feeds back would not stay what it is when it is repeated.
    DivergedError
        The loss, or a weight at a snapshot, is not finite.
    """
    check_feedback(settings)
    inputs = prepare_inputs(_columns(train_pixels, settings))
    test_inputs = _columns(test_pixels, settings)
    widths = (test_inputs.shape[1], *settings.hidden, n_classes)
    network = Perceptron(
        widths, settings.complex_valued, settings.activated, seed=settings.seed, scale=settings.initial_scale
    ).to(test_inputs.device)
    weights = [weight.detach() for weight in network.weights]
    names = settings.projections or STUDY_PROJECTIONS[settings.complex_valued]
    done, rows = 0, list[Row]()
    if state is not None:
        done, rows = state.step, list(state.rows)
        for weight, saved in zip(weights, state.weights, strict=True):
            weight.copy_(saved)

    for step in track(range(done + 1, settings.iterations + 1), "full-batch gradient descent"):
        loss = gradient_step(network, inputs, train_labels, settings.learning_rate)
        rows.append((step, "origin", "train", "loss", loss.item()))
        _check_finite([loss], step, settings)
        if settings.feedback is not None:
            for weight in weights:
                weight.copy_(project(weight, settings.feedback))
        if step % settings.snapshot_every == 0:
            _check_finite(weights, step, settings)
            tested, predictions = projected_predictions(
                weights,
                test_inputs,
                network.activated,
                names,
                # A random half of the units is the first half of them in a random order.
                generator(settings.seed, Stream.ORDER, step),
                settings.unit_draws,
                settings.element_draws,
            )
            rows += _accuracy_rows(step, tested, (predictions == test_labels).double().mean(dim=1))
            if save is not None:
                save(PerceptronState(step, [weight.clone() for weight in weights], list(rows)))
    return PerceptronResult(network, pd.DataFrame(rows, columns=list(COLUMNS)))


def gradient_step(network: Perceptron, inputs: PreparedInputs, labels: Tensor, learning_rate: float) -> Tensor:
    """``W <- W - learning_rate dL/dW`` for all samples (equations 1 and 2), in place.

    Returns
    -------
    Tensor
        The mean cross-entropy L before the update, a scalar.
    """
    weights = list(network.weights)
    loss = functional.cross_entropy(network(inputs).T, labels)
    gradients = torch.autograd.grad(loss, weights)
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.sub_(gradient, alpha=learning_rate)
    return loss.detach()


def check_feedback(settings: PerceptronSettings) -> None:
    """Refuse a projection that cannot replace the weights step after step.

    Raises
    ------
    PhasebenchError
        Repeating it would change its own result.
    """
    if settings.feedback is not None and not find_projection(settings.feedback, settings.complex_valued).idempotent:
        raise PhasebenchError(f"feedback: '{settings.feedback}' changes its own result; use 'imaginary_axis'")


def _columns(pixels: Tensor, settings: PerceptronSettings) -> Tensor:
    """Images as encoded columns, ``(P, features + 1, samples)``, float64."""
    return encode_pixels(pixels.flatten(1).double().T.contiguous(), settings.complex_valued)


def _accuracy_rows(step: int, names: list[str], accuracies: Tensor) -> list[Row]:
    """Mean, and standard deviation over the draws, of the networks of one name."""
    rows: list[Row] = []
    for name in dict.fromkeys(names):
        values = accuracies[[index for index, other in enumerate(names) if other == name]]
        rows.append((step, name, "test", "accuracy", values.mean().item()))
        if len(values) > 1:
            rows.append((step, name, "test", "accuracy_std", values.std().item()))
    return rows


def _check_finite(tensors: Sequence[Tensor], step: int, settings: PerceptronSettings) -> None:
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):
        raise DivergedError(
            f"step {step}: loss or weights are not finite at learning rate {settings.learning_rate} "
            f"with seed {settings.seed}; take a smaller learning rate"
        )
