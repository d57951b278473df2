"""All projections of a perceptron evaluated in one batched pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from phasebench.models.mlp import class_scores, matrix_product
from phasebench.nn.complex.weight_projections import (
    HALF_ELEMENTS,
    HALF_UNITS,
    Projection,
    find_projection,
    half_mask,
    part_of,
)


@dataclass(frozen=True)
class _Variant:
    """One of the networks that a pass evaluates."""

    name: str
    projection: Projection
    elements: int | None = None
    """Number of the draw of the element masks on its weights."""

    def keys(self, n_planes: int) -> list[tuple[str | None, int | None]]:
        """Keys of its planes, part and draw, by which variants share them."""
        parts = (self.projection.re, self.projection.im)[:n_planes]
        return [(part, None if part is None else self.elements) for part in parts]


@torch.no_grad()
def projected_predictions(
    weights: Sequence[Tensor],
    inputs: Tensor,
    activated: Sequence[bool],
    projections: Sequence[str],
    generator: torch.Generator,
    unit_draws: int = 10,
    element_draws: int = 0,
    samples_at_once: int = 1000,
) -> tuple[list[str], Tensor]:
    """Predictions of a perceptron under all projections.

    The first layer, which has most of the work, multiplies each part of its weight once, and the networks take their
    sums from these products. Networks with half of the units differ from ``origin`` in masks on the activations
    alone.

    Parameters
    ----------
    weights : sequence of Tensor
        ``(P, out, in)`` each, first layer first.
    inputs : Tensor
        Shape ``(P, features, samples)``.
    activated : sequence of bool
        As in :class:`phasebench.models.mlp.Perceptron`.
    projections : sequence of str
        Names for :func:`phasebench.nn.complex.weight_projections.project`.
    generator : torch.Generator
        Of the random masks; on the CPU.
    unit_draws, element_draws : int
        How many networks to evaluate with a random half of the units of every hidden layer, and with a random half
        of the elements of every weight, zeroed.
    samples_at_once : int
        Bounds the memory.

    Returns
    -------
    names : list of str
        One for each network; draws repeat ``half_units`` and ``half_elements``.
    predictions : Tensor
        Class of largest score, int64, shape ``(networks, samples)``.

    Raises
    ------
    PhasebenchError
        There is no such projection.
    """
    complex_valued = len(weights[0]) == 2
    origin = find_projection("origin", complex_valued)
    variants = [_Variant(name, find_projection(name, complex_valued)) for name in projections]
    variants += [_Variant(HALF_ELEMENTS, origin, draw) for draw in range(element_draws)]
    # Last, so that their activations are one slice.
    variants += [_Variant(HALF_UNITS, origin)] * unit_draws
    units = [half_mask((unit_draws, weight.shape[1]), 1, generator).to(weight) for weight in weights[:-1]]
    elements = [half_mask((element_draws, *weight.shape[1:]), 2, generator).to(weight) for weight in weights]

    position, planes = _distinct_planes(weights[0], variants, elements[0])
    stacks = [_stack(*layer, variants) for layer in zip(weights[1:], elements[1:], strict=True)]
    predictions = []
    for batch in inputs.split(samples_at_once, dim=2):
        products = (planes.flatten(0, 1) @ batch).unflatten(1, planes.shape[:2])
        hidden = _first_outputs(products, position, variants)
        for stack, unit_mask, has_activation in zip(stacks, units, activated, strict=True):
            hidden = hidden.relu_() if has_activation else hidden
            hidden[len(hidden) - unit_draws :] *= unit_mask[:, None, :, None]
            hidden = matrix_product(stack, hidden)
        predictions.append(class_scores(hidden).argmax(dim=1))
    return [variant.name for variant in variants], torch.cat(predictions, dim=1)


_Key = tuple[str | None, int | None]


def _plane(weight: Tensor, key: _Key, masks: Tensor) -> Tensor:
    part, draw = key
    plane = part_of(weight, part)
    return plane if draw is None else plane * masks[draw]


def _distinct_planes(weight: Tensor, variants: Sequence[_Variant], masks: Tensor) -> tuple[dict[_Key, int], Tensor]:
    """The planes that are not zero, each once, ``(planes, out, in)``, and where each stands."""
    keys = dict.fromkeys(key for variant in variants for key in variant.keys(len(weight)) if key[0] is not None)
    return {key: index for index, key in enumerate(keys)}, torch.stack([_plane(weight, key, masks) for key in keys])


def _first_outputs(products: Tensor, position: dict[_Key, int], variants: Sequence[_Variant]) -> Tensor:
    """The first layer's outputs ``(variants, P, out, samples)`` from products ``(P, planes, out, samples)``."""
    outputs = products.new_empty(len(variants), len(products), *products.shape[2:])
    for output, variant in zip(outputs, variants, strict=True):
        re, *im = [None if key[0] is None else products[:, position[key]] for key in variant.keys(len(products))]
        output.zero_() if re is None else output.copy_(re)
        if im and im[0] is not None:
            output[0] -= im[0][1]
            output[1] += im[0][0]
    return outputs


def _stack(weight: Tensor, masks: Tensor, variants: Sequence[_Variant]) -> Tensor:
    """A later layer's weight in every variant, ``(variants, P, out, in)``."""
    keys = [key for variant in variants for key in variant.keys(len(weight))]
    planes = {key: _plane(weight, key, masks) for key in keys}
    return torch.stack([planes[key] for key in keys]).view(len(variants), *weight.shape)
