"""Complex features to real logits by distance to prototypes (Singhal, Xing and Yu 2022, section 3.7)."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.nn.complex.init import quadrant_uniform_
from phasebench.nn.complex.manifold import manifold_distance, to_polar

Metric = Literal["euclidean", "manifold"]
Factor = Literal["root", "mean"]


class PrototypeDistance(nn.Module):
    """Prototype distance: logits ``-alpha sqrt(mean_c |f_c - p_kc|²)`` (Singhal, Xing and Yu 2022, eq. 6, Euclidean).

    Equivariant neither to phase nor to magnitude.

    Parameters
    ----------
    channels : int
        Complex features.
    n_classes : int
        Prototypes, one complex vector for each class.

    Examples
    --------
    >>> head = PrototypeDistance(64, n_classes=10)
    >>> head(torch.randn(5, 2, 64)).shape
    torch.Size([5, 10])
    """

    def __init__(self, channels: int, n_classes: int) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(quadrant_uniform_(torch.empty(2, channels, n_classes)))
        self.alpha = nn.Parameter(torch.ones(()))

    def forward(self, features: Tensor) -> Tensor:
        """Map features ``(N, 2, C)`` to logits ``(N, K)``; all are at most zero while alpha is positive."""
        return self._logits(features, self.prototypes.permute(2, 0, 1).unsqueeze(0))

    def _logits(self, features: Tensor, prototypes: Tensor) -> Tensor:
        """Logits for prototypes ``(N or 1, K, 2, C)``; the channels stand last, where memory runs."""
        difference = features.unsqueeze(1) - prototypes
        # vector_norm has gradient 0 at distance 0, where sqrt has an infinite one.
        distance: Tensor = torch.linalg.vector_norm(difference, dim=(2, 3)) / math.sqrt(features.shape[2])
        return -self.alpha * distance


class InvariantPrototypeDistance(PrototypeDistance):
    """Invariant prototype distance: prototypes ``p_k sum_c f_c / sqrt(2C)`` (Singhal, Xing and Yu 2022, eq. 8).

    The factor is the features' mean times a constant; the prototypes turn with the features, so that the logits are
    invariant to phase. They are homogeneous in magnitude.

    Parameters
    ----------
    channels, n_classes
        As in :class:`PrototypeDistance`.
    factor : {"root", "mean"}
        "root" divides the sum by ``sqrt(2C)``, as the public code; "mean" by ``C``, as eq. 8 is printed.

    Raises
    ------
    PhasebenchError
        There is no such factor.

    Examples
    --------
    >>> head = InvariantPrototypeDistance(64, n_classes=10)
    >>> head(torch.randn(5, 2, 64)).shape
    torch.Size([5, 10])
    """

    def __init__(self, channels: int, n_classes: int, factor: Factor = "root") -> None:
        if factor not in get_args(Factor):
            raise PhasebenchError(f"factor '{factor}' of a prototype head is none of {', '.join(get_args(Factor))}")
        super().__init__(channels, n_classes)
        self.divisor = math.sqrt(2 * channels) if factor == "root" else channels

    def forward(self, features: Tensor) -> Tensor:
        """Map features ``(N, 2, C)`` to logits ``(N, K)``."""
        mean_re, mean_im = (features.sum(dim=2) / self.divisor)[:, :, None, None].unbind(1)
        re, im = self.prototypes.transpose(1, 2).unbind(0)
        turned = torch.stack((mean_re * re - mean_im * im, mean_re * im + mean_im * re), dim=2)
        return self._logits(features, turned)


class ManifoldPrototypeDistance(PrototypeDistance):
    """Manifold prototype distance: logits ``-alpha sqrt(mean_c d(f_c, p_kc)²)`` (Singhal, Xing and Yu 2022, eq. 7).

    ``d`` is :func:`phasebench.nn.complex.manifold.manifold_distance`. A modulus below 1e-12 counts as zero, which has
    ``ln r = ln 1e-9`` and angle 0 and gets no gradient. Equivariant neither to phase nor to magnitude.

    Parameters
    ----------
    channels, n_classes
        As in :class:`PrototypeDistance`.

    Examples
    --------
    >>> head = ManifoldPrototypeDistance(64, n_classes=10)
    >>> head(torch.randn(5, 2, 64)).shape
    torch.Size([5, 10])
    """

    def _logits(self, features: Tensor, prototypes: Tensor) -> Tensor:
        return _manifold_logits(features, prototypes, self.alpha)


class InvariantManifoldPrototypeDistance(InvariantPrototypeDistance):
    """Invariant manifold prototype distance: :class:`InvariantPrototypeDistance` with the metric of eq. 7.

    Singhal, Xing and Yu 2022, eq. 7 and 8. Invariant to phase. A common complex factor leaves ratios as they are, so
    that the logits are invariant to magnitude too, up to the offset of the logarithm.

    Parameters
    ----------
    channels, n_classes
        As in :class:`PrototypeDistance`.

    Examples
    --------
    >>> head = InvariantManifoldPrototypeDistance(64, n_classes=10)
    >>> head(torch.randn(5, 2, 64)).shape
    torch.Size([5, 10])
    """

    def _logits(self, features: Tensor, prototypes: Tensor) -> Tensor:
        return _manifold_logits(features, prototypes, self.alpha)


_HEADS: dict[tuple[Metric, bool], type[PrototypeDistance]] = {
    ("euclidean", False): PrototypeDistance,
    ("euclidean", True): InvariantPrototypeDistance,
    ("manifold", False): ManifoldPrototypeDistance,
    ("manifold", True): InvariantManifoldPrototypeDistance,
}


def prototype_head(
    channels: int, n_classes: int, metric: Metric = "euclidean", invariant: bool = False
) -> PrototypeDistance:
    """Build a prototype head by the name of its metric.

    Parameters
    ----------
    channels : int
        Complex features.
    n_classes : int
        Prototypes.
    metric : {"euclidean", "manifold"}
        The distance between a feature and a prototype.
    invariant : bool
        Whether the prototypes turn with the features (eq. 8).

    Raises
    ------
    PhasebenchError
        The metric is unknown.
    """
    if metric not in get_args(Metric):
        raise PhasebenchError(f"unknown metric {metric!r} of a prototype head; known: {', '.join(get_args(Metric))}")
    return _HEADS[metric, invariant](channels, n_classes)


def _manifold_logits(features: Tensor, prototypes: Tensor, alpha: Tensor) -> Tensor:
    """Logits of features ``(N, 2, C)`` for prototypes ``(N or 1, K, 2, C)``."""
    # A logarithm of rounded numbers would be off by far more than they are.
    wide = torch.promote_types(torch.promote_types(features.dtype, prototypes.dtype), torch.float32)
    left = to_polar(features.to(wide).unsqueeze(2))
    right = to_polar(prototypes.to(wide).transpose(1, 2))
    distance: Tensor = torch.linalg.vector_norm(manifold_distance(left, right), dim=2) / math.sqrt(features.shape[2])
    return -alpha * distance
