"""CDS on radar chips (Singhal, Xing and Yu 2022, section 5.1 and Table 2)."""

import torch
from torch import Tensor
from torch.nn import functional

from native_models.base import NativeModel
from native_models.formulae import magnitude_max_pool, tangent_relu


class NativeCoDomainSymmetric(NativeModel):
    """Invariant by the conjugate layer, eq. 5, before a real residual network on logarithm, cosine and sine."""

    def forward(self, maps: Tensor) -> Tensor:
        """Map complex ``(N, 1, H, W)`` to logits."""
        maps = self.convolve("conv1", maps)
        maps = maps[..., 1:-1, 1:-1] * self.convolve("invariant.filter", maps).conj()
        maps = magnitude_max_pool(tangent_relu(maps, self.complex("activation1.scale")), 2)
        maps = tangent_relu(self.convolve("conv2", maps, stride=2), self.complex("activation2.scale"))
        phase = maps.angle()
        return self._tail(torch.cat(((maps.abs() + 1e-5).log(), phase.cos(), phase.sin()), dim=1))

    def _tail(self, maps: Tensor) -> Tensor:
        maps = self.normalize_groups("tail.stem.1", self.convolve("tail.stem.0", maps, groups=5), 5).relu()
        maps = self.convolve("tail.shortcut1", maps) + self._bottleneck("tail.branch1", maps)
        maps = self.convolve("tail.middle.1", functional.max_pool2d(maps, 2), stride=3, groups=5)
        maps = self.normalize_groups("tail.middle.2", maps, 10).relu()
        maps = self.convolve("tail.shortcut2", maps) + self._bottleneck("tail.branch2", maps)
        maps = self.normalize_groups("tail.last.1", self.convolve("tail.last.0", maps, groups=5), 14).relu()
        return self.dense("tail.head.2", self.dense("tail.head.0", maps.mean(dim=(2, 3))).relu())

    def _bottleneck(self, name: str, maps: Tensor) -> Tensor:
        """Group normalisation, ReLU and convolution, three times; only the kernel in the middle is 3x3."""
        for norm, convolution, padding in ((0, 2, 0), (3, 5, 1), (6, 8, 0)):
            maps = self.normalize_groups(f"{name}.{norm}", maps, 5).relu()
            maps = self.convolve(f"{name}.{convolution}", maps, padding=padding)
        return maps
