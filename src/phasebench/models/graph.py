"""A graph convolution before the complex LeNet-like network (Agrawal, EXP3), and arms to compare it with.

Each clip is one graph: its 13 cepstral coefficients are the nodes, their courses over 126 frames the nodes' features,
and every two nodes share an edge. In the study the edges have no weights or the mean distances of the phase
coefficients. Without weights every node receives the mean of all nodes, so that nothing is left of the spectrum's
shape, and any weights at all are better than none. The further arms tell whether the phases make the difference.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.models.lenet import complex_lenet_audio
from phasebench.nn.complex.layout import as_planes
from phasebench.nn.graph import GraphConvolution, HermitianGraphConvolution, mean_distance

Edges = Literal["none", "phase", "phase_batch_mean", "phase_shuffled", "magnitude"]
N_NODES = 13
N_FEATURES = 126
STUDY_BATCH = 32


class GraphNet(nn.Module):
    """One graph convolution, its output as complex maps, and the complex network for audio.

    Parameters
    ----------
    n_classes : int
        Logits.
    in_channels : int
        Must be 1: the coefficients m of power as real part and p of phase as imaginary part.
    edges : {"none", "phase", "phase_batch_mean", "phase_shuffled", "magnitude"}
        Weights of the edges: one for all; mean distances of p; the same of the mean of p over 32 clips in the order
        in which they come, as in the study's code, where the other clips of a batch tell of a clip's class if they
        share it; those of p moved to other pairs of nodes, at random but the same for all clips; mean distances of m.
    hermitian : bool
        Turn the edges by the differences of the nodes' mean phases.

    Raises
    ------
    PhasebenchError
        There are no such edges.
    """

    order: Tensor

    def __init__(
        self, n_classes: int, in_channels: int = 1, *, edges: Edges = "phase", hermitian: bool = False
    ) -> None:
        super().__init__()
        if in_channels != 1:
            raise ValueError(f"expected one complex channel, got {in_channels}")
        if edges not in get_args(Edges):
            raise PhasebenchError(f"edges '{edges}' are unknown; known: {', '.join(get_args(Edges))}")
        self.edges = edges
        kind = HermitianGraphConvolution if hermitian else GraphConvolution
        self.convolution = kind(N_FEATURES, N_FEATURES)
        self.network = complex_lenet_audio(n_classes)
        n_pairs = N_NODES * (N_NODES - 1) // 2
        if edges == "phase_shuffled":
            self.register_buffer("order", torch.randperm(n_pairs))

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 2, 1, 13, 126)`` planes, or complex ``(N, 1, 13, 126)``, to logits ``(N, K)``."""
        nodes, phases = as_planes(images)[:, :, 0].unbind(1)
        weights = self._weights(nodes, phases)
        if isinstance(self.convolution, HermitianGraphConvolution):
            planes = self.convolution(nodes, weights, phases.mean(dim=2))
        else:
            features = self.convolution(nodes, weights)
            planes = torch.stack((features, torch.zeros_like(features)), dim=1)
        logits: Tensor = self.network(planes.unsqueeze(2))
        return logits

    def _weights(self, nodes: Tensor, phases: Tensor) -> Tensor:
        """Weights of the edges, ``(N, 13, 13)``."""
        if self.edges == "none":
            return (1.0 - torch.eye(N_NODES, dtype=nodes.dtype, device=nodes.device)).expand(len(nodes), -1, -1)
        if self.edges == "magnitude":
            return mean_distance(nodes)
        if self.edges == "phase_batch_mean":
            batches = phases.split(STUDY_BATCH)
            means = [mean_distance(batch.mean(dim=0, keepdim=True)).expand(len(batch), -1, -1) for batch in batches]
            return torch.cat(means)
        weights = mean_distance(phases)
        return shuffled(weights, self.order) if self.edges == "phase_shuffled" else weights


def shuffled(weights: Tensor, order: Tensor) -> Tensor:
    """Move symmetric weights ``(N, V, V)`` to other pairs: pair k gets that of pair ``order[k]``."""
    row, column = torch.triu_indices(weights.shape[1], weights.shape[2], offset=1, device=weights.device)
    moved = torch.zeros_like(weights)
    moved[:, row, column] = weights[:, row, column][:, order]
    return moved + moved.mT
