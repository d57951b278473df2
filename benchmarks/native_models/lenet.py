"""The complex LeNet of all sizes (Agrawal, "Analysis of Complex Valued Convolutional Networks")."""

from torch import Tensor

from native_models.base import NativeModel
from native_models.formulae import complex_relu, magnitude_max_pool, whiten


class NativeComplexLeNet(NativeModel):
    """Complex layers up to the moduli that are the logits."""

    def forward(self, maps: Tensor) -> Tensor:
        """Map complex ``(N, C, H, W)`` to logits."""
        maps = magnitude_max_pool(complex_relu(self.convolve("conv1", maps)), 2)
        maps = whiten(maps, self.real("norm.weight"), self.complex("norm.bias"), 1e-5)
        maps = magnitude_max_pool(complex_relu(self.convolve("conv2", maps)), 2)
        return self._dense("dense2", complex_relu(self._dense("dense1", maps.flatten(1)))).abs()

    def _dense(self, name: str, features: Tensor) -> Tensor:
        return features @ self.complex(f"{name}.weight").flatten(1).T + self.complex(f"{name}.bias")
