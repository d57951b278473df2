"""CDS-Large (Singhal, Xing and Yu 2022, Table 3)."""

from torch import Tensor
from torch.nn import functional

from native_models.base import NativeModel
from native_models.formulae import both_parts, complex_relu, magnitude_max_pool, whiten


class NativeCdsLarge(NativeModel):
    """Invariant by the conjugate layer, eq. 5, before a network of blocks with whitening."""

    def forward(self, maps: Tensor) -> Tensor:
        """Map complex ``(N, C, 32, 32)`` to logits."""
        maps = self.convolve("conv", maps, padding=1)
        maps = maps * self.convolve("invariant.filter", maps).conj()
        maps = self._block("stage1.1", self._block("stage1.0", maps, groups=2), groups=2)
        maps = self._residual("stage1.3", magnitude_max_pool(maps, 2), groups=2)
        maps = magnitude_max_pool(self._block("stage2.0", maps, groups=4), 2)
        maps = magnitude_max_pool(self._block("stage3.0", maps, groups=2), 2)
        maps = magnitude_max_pool(self._residual("stage3.2", maps, groups=4), 4)
        return 0.125 * functional.linear(both_parts(maps.flatten(1)), self.real("head.weight"))

    def _residual(self, name: str, maps: Tensor, groups: int) -> Tensor:
        return maps + self._block(f"{name}.branch.1", self._block(f"{name}.branch.0", maps, groups), groups)

    def _block(self, name: str, maps: Tensor, groups: int) -> Tensor:
        maps = self.convolve(f"{name}.conv", maps, padding=1, groups=groups)
        return complex_relu(whiten(maps, self.real(f"{name}.norm.weight"), self.complex(f"{name}.norm.bias"), 1e-5))
