"""Similarity of a network's filters (Singhal, Xing and Yu 2022, Fig. 7c).

What a filter of the second convolution looks for is the gradient of its mean response with respect to the input,
averaged over test images; the similarity of two filters is the correlation of these patterns. The response is the
modulus of the filter's output, or its logarithm where the network computes with logarithms. *Guided* gradients pass a
non-linearity only where they are positive; how that carries over to phase thresholds, which leave the modulus alone, is
not said in the study: here the part along the modulus is cut. Plain gradients are there for comparison.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.common.progress import track
from phasebench.evaluation.trained import TrainedRun
from phasebench.models.registry import GuidedRule, find_model
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.frechet_mean import WeightedFrechetMean2d
from phasebench.nn.complex.invariant import Conjugate, Division

_BATCH = 250
Rule = Callable[[Tensor, Tensor], Tensor]


def positive_gradient(gradient: Tensor, maps: Tensor) -> Tensor:
    """Keep what is positive, the rule behind a ReLU of each number."""
    return gradient.clamp(min=0.0)


def positive_modulus_gradient(gradient: Tensor, maps: Tensor) -> Tensor:
    """Remove what would shrink the modulus of planes ``(N, 2, C, H, W)``, the rule behind a phase threshold."""
    modulus = torch.linalg.vector_norm(maps, dim=1, keepdim=True)
    direction = torch.where(modulus > 0.0, maps / modulus, 0.0)
    along = (gradient * direction).sum(dim=1, keepdim=True)
    return gradient - along.clamp(max=0.0) * direction


RULES: dict[GuidedRule, Rule | None] = {
    "positive": positive_gradient,
    "positive_modulus": positive_modulus_gradient,
    "nothing": None,
}


def evaluate_filter_similarity(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``filter_similarity_guided`` and ``filter_similarity_plain`` for each pair of filters (item ``i-j``).

    Those without item are the mean over all pairs, ``..._mean``, its modulus, ``..._offset``, and the mean modulus,
    ``..._mean_abs``.

    Raises
    ------
    PhasebenchError
        The table of models has no guided rule for the network.
    """
    guided = find_model(run.spec.model).guided_rule
    if guided is None:
        raise PhasebenchError(
            f"filter_similarity: model '{run.spec.model}' has no guided_rule in the table of models; give it one of "
            f"{', '.join(RULES)}"
        )
    batches = [run.data.batch(indices) for indices in run.data.test.split(_BATCH)]
    rows: list[dict[str, object]] = []
    for name, rule in (("guided", RULES[guided]), ("plain", None)):
        similarity = torch.corrcoef(filter_patterns(run.model, batches, rule).double()).cpu()
        pairs = list(itertools.combinations(range(len(similarity)), 2))
        values = torch.stack([similarity[pair] for pair in pairs])
        metric = f"filter_similarity_{name}"
        rows += [
            {"metric": metric, "item": f"{first}-{second}", "value": value}
            for (first, second), value in zip(pairs, values.tolist(), strict=True)
        ]
        mean = values.mean()
        summaries = {"mean": mean, "offset": mean.abs(), "mean_abs": values.abs().mean()}
        rows += [
            {"metric": f"{metric}_{name}", "item": None, "value": value.item()} for name, value in summaries.items()
        ]
    return pd.DataFrame(rows).assign(condition=float("nan"), draw=0)


def filter_patterns(model: nn.Module, batches: list[Tensor], rule: Rule | None) -> Tensor:
    """Gradients of each filter's mean response with respect to the input, averaged over all images.

    Parameters
    ----------
    model : nn.Module
        Its second convolution is looked at.
    batches : list of Tensor
        Encoded planes ``(B, 2, C, H, W)``.
    rule : callable, optional
        Changes the gradient that arrives before the second convolution, given also the maps there.

    Returns
    -------
    Tensor
        Shape ``(filters, 2 C H W)``.
    """
    was_training = model.training
    model.eval()
    total: Tensor | None = None
    try:
        for planes in track(batches, "patterns"):
            images = planes.detach().requires_grad_()
            with _watched(second_convolution(model), rule) as outputs, torch.enable_grad():
                model(images)
            responses = _responses(outputs[0]).sum(dim=0)
            patterns = torch.stack(
                [torch.autograd.grad(response, images, retain_graph=True)[0].sum(dim=0) for response in responses]
            )
            total = patterns if total is None else total + patterns
    finally:
        model.train(was_training)
    assert total is not None
    return total.flatten(1) / sum(len(planes) for planes in batches)


def second_convolution(model: nn.Module) -> nn.Module:
    """The second convolution in the order of definition; filters of division and conjugate layers do not count."""
    inner = {part for layer in model.modules() if isinstance(layer, Division | Conjugate) for part in layer.modules()}
    kinds = (nn.Conv2d, ComplexConv2d, WeightedFrechetMean2d)
    return [layer for layer in model.modules() if isinstance(layer, kinds) and layer not in inner][1]


@contextmanager
def _watched(layer: nn.Module, rule: Rule | None) -> Iterator[list[Tensor]]:
    """Collect what a layer computes, and apply the rule to the gradient that leaves it.

    Forward hooks would miss the layers that others call by a method.
    """
    name = "average" if isinstance(layer, WeightedFrechetMean2d) else "forward"
    original, outputs = getattr(layer, name), []

    def watched(maps: Tensor, *arguments: Tensor | None) -> Tensor:
        if rule is not None:
            # A view, so that the hook sees the gradient from this layer alone.
            maps = maps.view_as(maps)
            maps.register_hook(partial(_apply, rule, maps.detach()))
        output: Tensor = original(maps, *arguments)
        outputs.append(output)
        return output

    setattr(layer, name, watched)
    try:
        yield outputs
    finally:
        delattr(layer, name)


def _apply(rule: Rule, maps: Tensor, gradient: Tensor) -> Tensor:
    return rule(gradient, maps)


def _responses(output: Tensor) -> Tensor:
    """Mean response over pixels ``(N, filters)`` of real maps, planes or polar maps."""
    if output.ndim == 4:
        return output.mean(dim=(2, 3))
    modulus = output[:, 0] if output.shape[1] == 3 else torch.linalg.vector_norm(output, dim=1)
    return modulus.mean(dim=(2, 3))
