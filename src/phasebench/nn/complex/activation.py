"""Activation functions that treat every complex number alone: CReLU, zReLU, modReLU, cardioid and TReLU.

Each is a module, and each without parameters also a function of planes. See
:class:`phasebench.nn.complex.equivariant.EquivariantActivation` for their forms that are equivariant to phase.
"""

import torch
from torch import Tensor, nn

from phasebench.nn.complex.numerics import SMALLEST_SQUARE
from phasebench.nn.complex.phase_threshold import phase_threshold


def complex_relu(planes: Tensor) -> Tensor:
    """CReLU of planes ``(N, 2, C, H, W)``; see :class:`CReLU`."""
    return planes.relu()


def z_relu(planes: Tensor) -> Tensor:
    """ZReLU of planes ``(N, 2, C, H, W)``; see :class:`ZReLU`."""
    outside = (planes < 0.0).any(dim=1, keepdim=True)
    return planes.masked_fill(outside, 0.0)


def cardioid(planes: Tensor) -> Tensor:
    """Complex cardioid of planes ``(N, 2, C, H, W)``; see :class:`Cardioid`."""
    modulus, zero = _modulus(planes)
    cosine = (planes[:, :1] / modulus).masked_fill(zero, 1.0)
    return (planes * (0.5 + 0.5 * cosine)).to(planes.dtype)


def tangent_relu(planes: Tensor, threshold: float = 1.0) -> Tensor:
    """TReLU of planes ``(N, 2, C, H, W)``; see :class:`TReLU`."""
    return phase_threshold(planes, None, threshold)


def _modulus(planes: Tensor) -> tuple[Tensor, Tensor]:
    """The modulus with 1 in place of zeros, and where these are; both ``(N, 1, C, H, W)``, at least float32."""
    wide = planes.to(torch.promote_types(planes.dtype, torch.float32))
    squared = wide.square().sum(dim=1, keepdim=True)
    zero = squared < SMALLEST_SQUARE
    return squared.masked_fill(zero, 1.0).sqrt(), zero


class CReLU(nn.Module):
    """CReLU: ``relu(Re z) + i relu(Im z)`` (Trabelsi et al. 2018, section 3.4).

    Not equivariant to phase; homogeneous in magnitude.

    Examples
    --------
    >>> CReLU()(torch.tensor([3.0, -4.0]).view(1, 2, 1, 1, 1)).flatten()  # 3 - 4i
    tensor([3., 0.])
    """

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        return complex_relu(planes)


class ZReLU(nn.Module):
    """zReLU: ``z`` in the first quadrant, both axes included, and zero elsewhere (Guberman 2016).

    It jumps on both axes. Its equivariant form therefore leaves it to rounding whether a value passes whose phase is
    that of the channel mean, as with a single channel. Not equivariant to phase; homogeneous in magnitude.

    Examples
    --------
    >>> ZReLU()(torch.tensor([3.0, -4.0]).view(1, 2, 1, 1, 1)).flatten()  # 3 - 4i
    tensor([0., 0.])
    """

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        return z_relu(planes)


class Cardioid(nn.Module):
    """Complex cardioid: ``(1 + cos(angle z)) z / 2``, ReLU on the real line (Virtue, Yu and Lustig 2017).

    A modulus below 1e-12 counts as zero, and a zero has phase zero. Not equivariant to phase; homogeneous in magnitude.

    Examples
    --------
    >>> Cardioid()(torch.tensor([3.0, -4.0]).view(1, 2, 1, 1, 1)).flatten()  # 0.8 (3 - 4i)
    tensor([ 2.4000, -3.2000])
    """

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        return cardioid(planes)


class TReLU(nn.Module):
    """Tangent ReLU: ``max(r, |z|) exp(i relu(angle z))`` with ``r = 1`` (Singhal, Xing and Yu 2022, section 3.6).

    A zero has phase zero and becomes ``r``. Equivariant neither to phase nor, with ``r > 0``, to magnitude.
    :class:`PolarTReLU` is the same in the polar representation.

    Parameters
    ----------
    threshold : float
        ``r``, at least 0.

    Examples
    --------
    >>> TReLU()(torch.tensor([3.0, -4.0]).view(1, 2, 1, 1, 1)).flatten()  # 3 - 4i
    tensor([5., 0.])
    """

    def __init__(self, threshold: float = 1.0) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        return tangent_relu(planes, self.threshold)

    def extra_repr(self) -> str:
        """The arguments, for ``print(model)``."""
        return f"threshold={self.threshold}"


class PolarTReLU(nn.Module):
    """Tangent ReLU of polar maps: ReLU of ``ln r`` and of the angle in (-pi, pi] (Chakraborty, Xing and Yu 2020).

    The same function as :class:`TReLU`, ``max(1, r)`` and the phase cut at zero, on the polar representation of
    :func:`phasebench.nn.complex.manifold.to_polar`.

    Examples
    --------
    >>> PolarTReLU()(torch.tensor([-0.5, 0.6, -0.8]).view(1, 3, 1, 1, 1)).flatten()  # ln r, cosine and sine
    tensor([0., 1., 0.])
    """

    def forward(self, polar: Tensor) -> Tensor:
        """Map ``(N, 3, C, H, W)`` to the same shape."""
        log_modulus, cosine, sine = polar.unbind(1)
        return torch.stack((log_modulus.relu(), cosine.masked_fill(sine < 0.0, 1.0), sine.relu()), dim=1)


class ModReLU(nn.Module):
    """modReLU: ``relu(|z| + b) z / |z|`` with a real bias for each channel (Arjovsky, Shah and Bengio 2016).

    Equivariant to phase by itself, not to magnitude. It starts at ``b = 0``, as the identity. A modulus below 1e-12
    counts as zero; a zero stays zero and passes no gradient, whatever the bias.

    Parameters
    ----------
    channels : int
        Complex channels; there is one parameter for each.

    Examples
    --------
    >>> layer = ModReLU(3)
    >>> layer(torch.randn(2, 2, 3, 8, 8)).shape
    torch.Size([2, 2, 3, 8, 8])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to the same shape."""
        modulus, zero = _modulus(planes)
        gain = (modulus + self.bias[:, None, None]).relu() / modulus
        return (planes * gain.masked_fill(zero, 0.0)).to(planes.dtype)
