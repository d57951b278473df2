"""Deep Complex Networks (Trabelsi et al. 2018) as in Tables 1 to 3 of Singhal, Xing and Yu 2022."""

import torch
from torch import Tensor

from native_models.base import NativeModel
from native_models.formulae import both_parts, complex_relu, whiten

EPS = 1e-4


class NativeCifarDeepComplex(NativeModel):
    """On the layout of CIFARnet, with biases and real dense layers."""

    def forward(self, maps: Tensor) -> Tensor:
        """Map complex ``(N, C, 32, 32)`` to logits."""
        for name in ("conv1", "conv2", "conv3"):
            maps = complex_relu(self.convolve(name, maps, stride=2, padding=1))
        features = both_parts(self.convolve("pool", maps, groups=64).flatten(1))
        return self.dense("head.2", self.dense("head.0", features).relu())


class _NativeResidualNetwork(NativeModel):
    """Three stages of residual blocks; the second and the third begin with a block that halves the map."""

    blocks: int

    def _trunk(self, maps: Tensor) -> Tensor:
        maps = complex_relu(self._normalize("norm", self.convolve("conv", maps, padding=1)))
        for stage in (1, 2, 3):
            for block in range(self.blocks):
                name = f"trunk.stage{stage}.{block}"
                if stage > 1 and block == 0:
                    shortcut = self.convolve(f"{name}.shortcut", maps, stride=2)
                    maps = torch.cat((shortcut, self._residual(f"{name}.residual", maps, stride=2)), dim=1)
                else:
                    maps = maps + self._residual(f"{name}.residual", maps)
        return self.dense("trunk.head", both_parts(maps.mean(dim=(2, 3))))

    def _residual(self, name: str, maps: Tensor, stride: int = 1) -> Tensor:
        maps = complex_relu(self._normalize(f"{name}.norm1", maps))
        maps = self.convolve(f"{name}.conv1", maps, stride=stride, padding=1)
        maps = complex_relu(self._normalize(f"{name}.norm2", maps))
        return self.convolve(f"{name}.conv2", maps, padding=1)

    def _normalize(self, name: str, maps: Tensor) -> Tensor:
        return whiten(maps, self.real(f"{name}.weight"), self.complex(f"{name}.bias"), EPS)


class NativeWideShallow(_NativeResidualNetwork):
    """The published wide and shallow network."""

    blocks = 16

    def forward(self, maps: Tensor) -> Tensor:
        """Map complex ``(N, C, 32, 32)`` to logits."""
        return self._trunk(maps)


class NativeMstarDeepComplex(_NativeResidualNetwork):
    """On radar chips: two strided convolutions with real batch normalisation of both parts come first."""

    blocks = 10

    def forward(self, maps: Tensor) -> Tensor:
        """Map complex ``(N, 1, 128, 128)`` to logits."""
        for convolution, norm in (("stem.0", "stem.1"), ("stem.2", "stem.3")):
            parts = both_parts(self.convolve(convolution, maps, stride=2, padding=1))
            maps = torch.complex(*self.normalize_batch(norm, parts, EPS).chunk(2, dim=1))
        return self._trunk(maps)
