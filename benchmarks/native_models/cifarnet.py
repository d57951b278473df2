"""CIFARnet of Type I and Type E (Singhal, Xing and Yu 2022, section 5.2)."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from native_models.base import NativeModel
from native_models.formulae import both_parts, prototype_logits, tangent_relu


class _NativeCifarNet(NativeModel):
    def _dense_features(self, maps: Tensor) -> Tensor:
        """The learned pooling and the grouped dense layer, ``(N, 64, 4, 4)`` to ``(N, 128, 1, 1)``."""
        maps = functional.conv2d(maps, self.complex("pool.weight").unsqueeze(1), groups=64)
        return self.convolve("dense", maps, groups=4)


class NativeTypeI(_NativeCifarNet):
    """Invariant by division, eq. 4, in its form ``z1 z2* / (|z2|² + 1e-7)``."""

    def forward(self, maps: Tensor) -> Tensor:
        """Map complex ``(N, C, 32, 32)`` to logits."""
        maps = self.convolve("conv1", maps, stride=2, padding=1)
        divisor = self.convolve("division.filter", maps, padding=1)
        maps = maps * divisor.conj() / (divisor.abs().square() + 1e-7)
        maps = self._activate("activation1", maps)
        maps = self._activate("activation2", self.convolve("conv2", maps, stride=2, padding=1, groups=2))
        maps = self._activate("activation3", self.convolve("conv3", maps, stride=2, padding=1, groups=4))
        features = self.normalize_batch("norm", both_parts(self._dense_features(maps).flatten(1)))
        features = torch.complex(*features.chunk(2, dim=1))
        return prototype_logits(features, self.complex("head.prototypes"), self.real("head.alpha"))

    def _activate(self, name: str, maps: Tensor) -> Tensor:
        return tangent_relu(maps, self.complex(f"{name}.scale"), self.real(f"{name}.phase_factor"))


class NativeTypeE(_NativeCifarNet):
    """Equivariant up to prototypes that turn with the features, eq. 8."""

    def forward(self, maps: Tensor) -> Tensor:
        """Map complex ``(N, C, 32, 32)`` to logits."""
        for layer, groups in ((1, 1), (2, 2), (3, 4)):
            maps = self.convolve(f"conv{layer}", maps, stride=2, padding=1, groups=groups)
            maps = self._activate(f"activation{layer}", maps)
        maps = self._dense_features(maps)
        modulus = maps.abs()
        features = (self.normalize_batch("norm.norm", modulus) * maps / (modulus + 1e-6)).flatten(1)
        turn = features.sum(dim=1) / math.sqrt(2 * features.shape[1])
        prototypes = turn[:, None, None] * self.complex("head.prototypes")
        return prototype_logits(features, prototypes, self.real("head.alpha"))

    def _activate(self, name: str, maps: Tensor) -> Tensor:
        """GTReLU relative to the phase of the channels' mean, eq. 2."""
        maps = self.complex(f"{name}.scale")[:, None, None] * maps
        mean = maps.mean(dim=1, keepdim=True)
        unit = mean / (mean.abs() + 1e-6)
        phase = self.real(f"{name}.phase_factor").relu()[:, None, None] * (maps * unit.conj()).angle().relu()
        return torch.polar(maps.abs() + 1e-6, phase) * unit
