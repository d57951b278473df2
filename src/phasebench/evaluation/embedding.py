"""Embeddings of turned images (Singhal, Xing and Yu 2022, Fig. 8a and b).

The embedding is what the network's last layer compares with its weights: its input, but for the invariant prototype
distance, whose prototypes turn with the features, that input turned back by the phase of its channel mean.
"""

import numpy as np
import pandas as pd
import torch
from sklearn.manifold import TSNE
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.evaluation.trained import TrainedRun
from phasebench.models.inference import predict
from phasebench.nn.complex.angle import phase
from phasebench.nn.complex.layout import rotate
from phasebench.nn.complex.prototype import InvariantPrototypeDistance, PrototypeDistance

ANGLES_DEGREES = tuple(range(0, 360, 10))
_PERPLEXITY = 30.0


def evaluate_embedding(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``tsne_x`` and ``tsne_y`` for each image (item) and angle in degrees, and how far images spread.

    ``embedding_spread_ratio`` and ``tsne_spread_ratio`` are :func:`spread_ratio` of the embedding and of its t-SNE.
    """
    indices = run.data.test
    planes = run.data.batch(indices).repeat_interleave(len(ANGLES_DEGREES), dim=0)
    angles = torch.tensor(ANGLES_DEGREES, device=planes.device, dtype=planes.dtype).deg2rad().repeat(len(indices))
    points = last_features(run.model, rotate(planes, angles)).flatten(1).double().cpu().numpy()
    # A perplexity has to be below the number of points.
    perplexity = min(_PERPLEXITY, (len(points) - 1) / 3)
    plane = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(points)
    rows = [
        {
            "metric": metric,
            "condition": float(ANGLES_DEGREES[position % len(ANGLES_DEGREES)]),
            "item": f"image{position // len(ANGLES_DEGREES)}",
            "value": float(value),
        }
        for metric, column in (("tsne_x", plane[:, 0]), ("tsne_y", plane[:, 1]))
        for position, value in enumerate(column)
    ]
    for metric, embedding in (("embedding_spread_ratio", points), ("tsne_spread_ratio", plane)):
        ratio = spread_ratio(embedding.reshape(len(indices), len(ANGLES_DEGREES), -1))
        rows.append({"metric": metric, "condition": float("nan"), "item": None, "value": ratio})
    return pd.DataFrame(rows).assign(draw=0)


def spread_ratio(points: np.ndarray) -> float:
    """Spread of an image's points about their mean, over the spread of the means (root mean squares).

    Parameters
    ----------
    points : float (images, angles, dimensions)
        Embeddings.

    Returns
    -------
    float
        0 for an invariant network; NaN for a single image.
    """
    centres = points.mean(axis=1)
    within = np.sqrt(np.square(points - centres[:, None]).sum(axis=2).mean())
    between = np.sqrt(np.square(centres - centres.mean(axis=0)).sum(axis=1).mean())
    return float(within / between) if between > 0.0 else float("nan")


def last_features(model: nn.Module, planes: Tensor) -> Tensor:
    """The embedding of encoded planes, ``(N, features)`` or ``(N, 2, features)``."""
    head = _head(model)
    seen: list[Tensor] = []
    handle = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    try:
        predict(model, [planes])
    finally:
        handle.remove()
    features = seen[0]
    if isinstance(head, InvariantPrototypeDistance):
        re, im = features.sum(dim=2).unbind(1)
        features = rotate(features.unsqueeze(-1), -phase(re, im)).squeeze(-1)
    return features


def _head(model: nn.Module) -> nn.Module:
    """The last dense layer or prototype distance, in the order of definition."""
    heads = [layer for layer in model.modules() if isinstance(layer, nn.Linear | PrototypeDistance)]
    if not heads:
        raise PhasebenchError(f"embedding: a {type(model).__name__} has no dense layer or prototype distance")
    return heads[-1]
