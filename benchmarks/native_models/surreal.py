"""SurReal (Chakraborty, Xing and Yu 2020) on images and on radar chips, in complex numbers instead of polar ones."""

import torch
from torch import Tensor
from torch.nn import functional

from native_models.base import NativeModel


def convex(weight: Tensor, dims: tuple[int, ...]) -> Tensor:
    """``w² / (sum w² + 1e-6)``."""
    return weight.square() / (weight.square().sum(dim=dims, keepdim=True) + 1e-6)


def weighted_mean(maps: Tensor, kernel: Tensor, stride: int, padding: int = 0) -> Tensor:
    """Weighted Fréchet means: the geometric mean of moduli, times the direction of the mean of directions.

    Parameters
    ----------
    maps : Tensor
        Complex, ``(N, C_in, H, W)``.
    kernel : Tensor
        Real, ``(C_out, C_in, k, k)``; made convex here.
    stride, padding : int
        As in :class:`torch.nn.Conv2d`; padding repeats the edge.
    """
    weight = convex(kernel, (1, 2, 3))

    def average(values: Tensor) -> Tensor:
        return functional.conv2d(functional.pad(values, [padding] * 4, mode="replicate"), weight, None, stride)

    unit = maps.sgn()
    direction = torch.complex(average(unit.real), average(unit.imag)).sgn()
    return average(maps.abs().log()).exp() * direction


def distance_to_mean(maps: Tensor, weight: Tensor) -> Tensor:
    """Distance ``|log(z / m)|`` to the weighted mean m over channels and pixels; the logarithm is the complex one."""
    weight = convex(weight, (0, 1, 2))
    modulus = (weight * maps.abs().log()).sum(dim=(1, 2, 3), keepdim=True).exp()
    direction = (weight * maps.sgn()).sum(dim=(1, 2, 3), keepdim=True).sgn()
    return (maps / (modulus * direction)).log().abs()


def without_zeros(maps: Tensor) -> Tensor:
    """The moduli raised by 1e-9; zero becomes 1e-9."""
    return torch.where(maps == 0, 1e-9, maps + 1e-9 * maps.sgn())


class _NativeSurReal(NativeModel):
    def _transport(self, name: str, maps: Tensor) -> Tensor:
        """A complex number for each channel, ``exp(shift + i turn)``."""
        factor = torch.complex(self.real(f"{name}.shift"), self.real(f"{name}.turn")).exp()
        return factor[:, None, None] * maps


class NativeCifarSurReal(_NativeSurReal):
    """On the layout of CIFARnet."""

    def forward(self, maps: Tensor) -> Tensor:
        """Map complex ``(N, C, 32, 32)`` to logits."""
        maps = without_zeros(maps)
        for layer in (1, 2, 3):
            maps = weighted_mean(maps, self.real(f"mean{layer}.weight"), stride=2, padding=1)
            maps = self._transport(f"transport{layer}", maps)
        maps = self.convolve("tail.0", distance_to_mean(maps, self.real("distance.weight")), groups=64)
        return self.dense("tail.4", self.dense("tail.2", maps.flatten(1)).relu())


class NativeMstarSurReal(_NativeSurReal):
    """On the middle 100x100 pixels of radar chips; its kernels are products."""

    def forward(self, maps: Tensor) -> Tensor:
        """Map complex ``(N, 1, 128, 128)`` to logits."""
        maps = without_zeros(maps[..., 14:114, 14:114])
        for layer in (1, 2):
            kernel = self.real(f"mean{layer}.mixing") * self.real(f"mean{layer}.weight")
            maps = self._transport(f"transport{layer}", weighted_mean(maps, kernel, stride=2))
        maps = distance_to_mean(maps, self.real("distance.weight"))
        maps = functional.max_pool2d(self.normalize_batch("tail.1", self.convolve("tail.0", maps)).relu(), 2)
        maps = self.normalize_batch("tail.5", self.convolve("tail.4", maps, stride=3)).relu()
        maps = self.normalize_batch("tail.8", self.convolve("tail.7", maps)).relu()
        return self.dense("tail.13", self.dense("tail.11", maps.flatten(1)).relu())
