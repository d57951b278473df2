"""Test accuracy at the snapshots of a training, also with projected weights where the network offers that."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeGuard

import torch
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.common.seeding import Stream, generator
from phasebench.data.batches.in_memory import DeviceData
from phasebench.models.inference import EVALUATION_BATCH
from phasebench.models.mlp import PreparedInputs
from phasebench.nn.complex.weight_projections import find_projection
from phasebench.specs.run import FullBatchRecipe
from phasebench.training.projected_pass import projected_predictions
from phasebench.training.validation import predict_together

Snapshot = Callable[[int], dict[str, float]]
"""Accuracies after a step, from its number: columns of the history."""
ORIGIN = "origin"
"""The projection that leaves the weights as they are."""


class MatrixNetwork(Protocol):
    """A network of weight matrices and activations alone, such as :class:`phasebench.models.mlp.Perceptron`.

    A model that has these attributes is tested with projected weights at its snapshots, all projections in one pass,
    and keeps the constraint that it names.
    """

    weights: nn.ParameterList
    """Real planes ``(P, out, in)`` each, first layer first; P is 2 for complex weights and 1 for real ones."""
    activated: tuple[bool, ...]
    """True for each hidden layer that an activation follows."""
    constraint: str | None
    """A projection that is applied to all weights after every step."""

    def columns(self, images: Tensor) -> Tensor:
        """Encoded images ``(N, 2, C, H, W)`` as ``(P, features, N)``."""

    def scores(self, inputs: Tensor | PreparedInputs) -> Tensor:
        """Class scores ``(classes, N)`` of columns."""


def is_matrix_network(model: object) -> TypeGuard[MatrixNetwork]:
    """True if a model has all attributes of a :class:`MatrixNetwork`."""
    # Parameters are no attributes in the eyes of isinstance, which from Python 3.12 on looks at classes alone.
    return all(hasattr(model, name) for name in ("weights", "activated", "constraint", "columns", "scores"))


def find_snapshot(model: nn.Module, data: DeviceData, recipe: FullBatchRecipe, seed: int) -> Snapshot:
    """Choose the test of a snapshot: projected weights if the model offers them, else the plain accuracy alone.

    Parameters
    ----------
    model : nn.Module
        It is left as it is.
    data : DeviceData
        Its test subset is used.
    recipe : FullBatchRecipe
        Projections, and numbers of random halves.
    seed : int
        With the step, decides the random halves.

    Returns
    -------
    callable
        From a step to ``accuracy_<projection>`` between 0 and 1, the mean over draws for random halves, and
        ``deviation_<projection>``, the sample standard deviation over the draws where there are several.

    Raises
    ------
    PhasebenchError
        There is no such projection, or the model cannot be tested with projected weights.
    """
    if not is_matrix_network(model):
        return _plain_snapshot(model, data, recipe)
    complex_valued = len(model.weights[0]) == 2
    for name in recipe.projections:
        find_projection(name, complex_valued)
    inputs, labels = encoded_columns(model, data.batches(data.test, EVALUATION_BATCH)), data.labels[data.test]

    def measure(step: int) -> dict[str, float]:
        names, predictions = projected_predictions(
            [weight.detach() for weight in model.weights],
            inputs,
            model.activated,
            recipe.projections,
            generator(seed, Stream.PROJECTION, step),
            recipe.unit_draws,
            recipe.element_draws,
        )
        return _by_projection(names, (predictions == labels).double().mean(dim=1))

    return measure


def _plain_snapshot(model: nn.Module, data: DeviceData, recipe: FullBatchRecipe) -> Snapshot:
    if {*recipe.projections} - {ORIGIN} or recipe.element_draws:
        raise PhasebenchError(
            f"recipe.projections, recipe.element_draws: {type(model).__name__} is not tested with projected weights "
            "while it trains; leave them out, and list the evaluation 'weight_projections'"
        )
    labels = data.labels[data.test]

    def measure(step: int) -> dict[str, float]:
        predictions = predict_together(model, data, data.test).argmax(dim=1)
        return {f"accuracy_{ORIGIN}": (predictions == labels).double().mean().item()}

    return measure


def _by_projection(names: list[str], accuracies: Tensor) -> dict[str, float]:
    """Mean and deviation of the accuracies of each name."""
    found = {}
    for name in dict.fromkeys(names):
        values = accuracies[[index for index, other in enumerate(names) if other == name]]
        found[f"accuracy_{name}"] = values.mean().item()
        if len(values) > 1:
            found[f"deviation_{name}"] = values.std().item()
    return found


@torch.no_grad()
def encoded_columns(model: MatrixNetwork, batches: Iterable[Tensor]) -> Tensor:
    """Encoded batches as one matrix of columns ``(P, features, samples)``."""
    return torch.cat([model.columns(batch) for batch in batches], dim=2)
