"""Complex features to real logits by distance to prototypes (Singhal, Xing and Yu 2022, section 3.7)."""

import math

import torch
from torch import Tensor, nn

from phasebench.nn.complex.init import quadrant_uniform_


class PrototypeDistance(nn.Module):
    """Logits ``-alpha d(f, p_k)``, ``d`` the root mean square over channels (eq. 6 with the Euclidean metric).

    Parameters
    ----------
    channels : int
        Complex features.
    n_classes : int
        Prototypes, one complex vector for each class.
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
    """Prototypes turn with the features, so that the logits are invariant to phase (eq. 8).

    Every prototype is multiplied by ``sum_c f_c / sqrt(2C)``, the features' mean times a constant.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Map features ``(N, 2, C)`` to logits ``(N, K)``."""
        channels = features.shape[2]
        mean_re, mean_im = (features.sum(dim=2) / math.sqrt(2 * channels))[:, :, None, None].unbind(1)
        re, im = self.prototypes.transpose(1, 2).unbind(0)
        turned = torch.stack((mean_re * re - mean_im * im, mean_re * im + mean_im * re), dim=2)
        return self._logits(features, turned)
