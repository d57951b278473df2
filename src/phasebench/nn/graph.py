"""Graph convolutions on complete graphs of a few nodes, as dense matrix products (Agrawal, EXP3).

``H' = D^(-1/2) (A + I) D^(-1/2) H W + b`` with ``D_ii = 1 + sum_j |A_ij|``: a self-loop of weight one at every node.
"""

import math

import torch
from torch import Tensor, nn

__all__ = ["GraphConvolution", "HermitianGraphConvolution", "mean_distance", "normalised"]


def mean_distance(nodes: Tensor) -> Tensor:
    """Edge weights ``w_ij = mean_t |x_i(t) - x_j(t)|``.

    Parameters
    ----------
    nodes : Tensor
        Features x, real ``(N, V, T)``.

    Returns
    -------
    Tensor
        ``(N, V, V)``, symmetric, at least zero, and zero on the diagonal.
    """
    return (nodes[:, :, None] - nodes[:, None]).abs().mean(dim=3)


def normalised(adjacency: Tensor, weights: Tensor) -> Tensor:
    """``D^(-1/2) (A + I) D^(-1/2)``.

    Parameters
    ----------
    adjacency : Tensor
        A, ``(..., V, V)``: the weights themselves, or one part of complex numbers whose moduli they are.
    weights : Tensor
        ``|A|``, ``(..., V, V)``, zero on the diagonal.

    Returns
    -------
    Tensor
        ``(..., V, V)``.
    """
    root = (1.0 + weights.sum(dim=-1)).rsqrt()
    loops = torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)
    return root[..., :, None] * (adjacency + loops) * root[..., None, :]


class GraphConvolution(nn.Module):
    """Graph convolution ``H' = D^(-1/2) (A + I) D^(-1/2) H W + b`` without activation (Kipf and Welling 2017, eq. 2).

    Equivariant to permutations of the nodes.

    Parameters
    ----------
    in_features, out_features : int
        Features of a node before and after. Weights start as Glorot's uniform ones, biases at zero.

    Examples
    --------
    >>> layer, nodes = GraphConvolution(126, 64), torch.randn(2, 13, 126)
    >>> layer(nodes, mean_distance(nodes)).shape
    torch.Size([2, 13, 64])
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(in_features, out_features)))
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, nodes: Tensor, weights: Tensor) -> Tensor:
        """Map features ``(N, V, F)`` to ``(N, V, F')``.

        Parameters
        ----------
        nodes : Tensor
            Features ``(N, V, F)``.
        weights : Tensor
            Edge weights ``(N, V, V)``, zero on the diagonal.
        """
        return normalised(weights, weights) @ (nodes @ self.weight) + self.bias


class HermitianGraphConvolution(nn.Module):
    """Complex graph convolution with ``A_ij = w_ij exp(i (theta_i - theta_j))`` and complex weights and bias.

    Agrawal, EXP3, made Hermitian. A is Hermitian, and so is its normalised form. With equal phases and real weights it
    is :class:`GraphConvolution`. Equivariant to permutations of the nodes, invariant to a phase that all nodes share.

    Parameters
    ----------
    in_features, out_features : int
        Features of a node before and after. Real and imaginary parts of the weights start as Glorot's uniform ones of
        half the variance, biases at zero.

    Examples
    --------
    >>> layer, nodes = HermitianGraphConvolution(126, 64), torch.randn(2, 13, 126)
    >>> layer(nodes, mean_distance(nodes), phases=torch.randn(2, 13)).shape
    torch.Size([2, 2, 13, 64])
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        parts = nn.init.xavier_uniform_(torch.empty(in_features, out_features)), torch.empty(in_features, out_features)
        nn.init.xavier_uniform_(parts[1])
        self.weight = nn.Parameter(torch.stack(parts) / math.sqrt(2.0))
        self.bias = nn.Parameter(torch.zeros(2, out_features))

    def forward(self, nodes: Tensor, weights: Tensor, phases: Tensor) -> Tensor:
        """Map real features to complex ones.

        Parameters
        ----------
        nodes : Tensor
            Features ``(N, V, F)``.
        weights : Tensor
            Edge weights w, ``(N, V, V)``, zero on the diagonal.
        phases : Tensor
            Phases theta of the nodes, ``(N, V)``, radians.

        Returns
        -------
        Tensor
            Planes ``(N, 2, V, F')``.
        """
        turn = phases[:, :, None] - phases[:, None]
        re = normalised(weights * turn.cos(), weights)
        # The self-loops are real.
        im = normalised(weights * turn.sin(), weights) - normalised(torch.zeros_like(weights), weights)
        spread_re, spread_im = re @ nodes, im @ nodes
        weight_re, weight_im = self.weight
        planes = torch.stack(
            (
                spread_re @ weight_re - spread_im @ weight_im,
                spread_re @ weight_im + spread_im @ weight_re,
            ),
            dim=1,
        )
        return planes + self.bias[:, None]
