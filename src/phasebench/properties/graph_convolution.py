"""Laws of graphs of cepstral coefficients (Agrawal, EXP3): rank one without weights, leak of a batch's mean."""

from collections.abc import Iterator
from typing import get_args

import torch
from torch import Tensor

from phasebench.models.graph import N_FEATURES, N_NODES, Edges, GraphNet
from phasebench.nn.graph import GraphConvolution, HermitianGraphConvolution, mean_distance, normalised
from phasebench.properties.precision import DTYPES, ROUNDING, name_of, normal, relative_error, seeded
from phasebench.properties.rows import Property

STUDY = "Agrawal, EXP3"
N_CLIPS = 4
_LEAKING: Edges = "phase_batch_mean"


def graph_convolution_laws() -> Iterator[Property]:
    """Rank of the adjacency, equal nodes without weights, invariance to a common phase, independence of other clips."""
    for weight in (1.0, 0.3):
        yield Property(
            "layer",
            "GraphConvolution",
            "rank of the normalised adjacency",
            float(adjacency_rank(weight)),
            1.0,
            0.0,
            item=f"all edges {weight:g}",
            is_control=weight != 1.0,
            source=f"{STUDY}: edges without weights",
        )
    for dtype in DTYPES:
        yield from _equal_nodes(dtype)
        yield _common_phase(dtype)
    for edges in get_args(Edges):
        yield Property(
            "layer",
            "GraphNet",
            "logits independent of the other clips of a batch",
            leak(edges),
            0.0,
            ROUNDING[torch.float32],
            item=f"edges {edges}",
            dtype=name_of(torch.float32),
            is_control=edges == _LEAKING,
            source=f"{STUDY}: distances of the batch's mean phases",
        )


def adjacency_rank(weight: float) -> int:
    """Rank of ``D^(-1/2) (A + I) D^(-1/2)`` where all edges have this weight."""
    edges = weight * (1.0 - torch.eye(N_NODES, dtype=torch.float64))
    return int(torch.linalg.matrix_rank(normalised(edges, edges)))


@torch.no_grad()
def leak(edges: Edges) -> float:
    """Relative change of the first clip's logits when all other clips of its batch are replaced."""
    with seeded():
        network = GraphNet(2, edges=edges).eval()
    clips = clip_planes(0)
    replaced = torch.cat((clips[:1], clip_planes(1)[1:]))
    return relative_error(network(replaced)[0], network(clips)[0])


def clip_planes(seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Random clips ``(N, 2, 1, 13, 126)`` of the size of cepstral coefficients."""
    return 20.0 * normal(N_CLIPS, 2, 1, N_NODES, N_FEATURES, seed=seed, dtype=dtype)


@torch.no_grad()
def _equal_nodes(dtype: torch.dtype) -> Iterator[Property]:
    """Without weights every node receives the mean of all; with weights it does not."""
    with seeded():
        layer = GraphConvolution(N_FEATURES, N_FEATURES).to(dtype)
    nodes = clip_planes(0, dtype)[:, 0, 0]
    unweighted = (1.0 - torch.eye(N_NODES, dtype=dtype)).expand(N_CLIPS, -1, -1)
    for item, weights in (("no weights", unweighted), ("weights", mean_distance(nodes))):
        features = layer(nodes, weights)
        yield Property(
            "layer",
            "GraphConvolution",
            "all nodes leave with the same features",
            relative_error(features, features.mean(dim=1, keepdim=True).expand_as(features)),
            0.0,
            ROUNDING[dtype],
            item=item,
            dtype=name_of(dtype),
            is_control=item == "weights",
            source=f"{STUDY}: edges without weights",
        )


@torch.no_grad()
def _common_phase(dtype: torch.dtype) -> Property:
    with seeded():
        layer = HermitianGraphConvolution(N_FEATURES, N_FEATURES).to(dtype)
    nodes, phases = clip_planes(0, dtype)[:, 0, 0], normal(N_CLIPS, N_NODES, seed=2, dtype=dtype)
    weights = mean_distance(nodes)
    return Property(
        "layer",
        "HermitianGraphConvolution",
        "invariance to a phase that all nodes share",
        relative_error(layer(nodes, weights, phases + 0.7), layer(nodes, weights, phases)),
        0.0,
        ROUNDING[dtype],
        dtype=name_of(dtype),
        source=f"{STUDY}, made Hermitian",
    )
