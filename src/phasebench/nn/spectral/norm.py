"""Spectral batch normalisation (Cakaj, Mehnert and Yang 2023)."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.nn.spectral.functional import (
    Normalisation,
    Statistics,
    affine_maps,
    batch_normalise,
    batch_statistics,
    coefficient_count,
    gain_and_offset,
)
from phasebench.nn.spectral.moments import working_dtype

Method = Literal["direct", "fft"]
Domain = Literal["space", "frequency"]


class SpectralBatchNorm2d(nn.Module):
    """Spectral batch normalisation: ``irfft2(weight (rfft2(x) - mean) / sqrt(var + eps) + bias)``.

    Cakaj, Mehnert and Yang 2023, Algorithm 1. The Fourier coefficients of each channel are normalised by their complex
    mean and real variance over the batch and the ``H (W // 2 + 1)`` coefficients of the half spectrum, in single
    precision at least. In training, the batch's own variance divides: line 6 of the algorithm prints the running one,
    which the text on noise injection contradicts. In training mode the layer is invariant to magnitude, up to eps.

    As the forward transform is not normalised, the variance is about ``HW`` times that of the map, and a map of unit
    variance leaves the layer with a root mean square of ``weight / sqrt(HW)``.

    Parameters
    ----------
    channels : int
        C of the maps.
    eps : float
        Added to the variance.
    momentum : float
        Weight of the batch in the running statistics.
    method : "direct" or "fft"
        The same function without and with Fourier transforms. "direct" costs about what batch normalisation costs.
    centre, divide : bool
        Subtract the mean (section V-E is without), and divide by the deviation (V-D is without).
    weight, bias : bool
        Learn a factor and a summand (V-F has neither).
    separate : bool
        Normalise real and imaginary parts each by its own deviation (V-J); needs the method "fft".
    synchronised : bool
        Take the statistics over all processes of ``torch.distributed``, if there are several.

    Attributes
    ----------
    running_mean : Tensor
        Shape ``(2, C)``, real and imaginary parts.
    running_var : Tensor
        Shape ``(C,)``, or ``(2, C)`` if ``separate``.

    Raises
    ------
    PhasebenchError
        There is no such method, or ``separate`` is asked of the direct one.

    Examples
    --------
    >>> layer = SpectralBatchNorm2d(3)
    >>> layer(torch.randn(2, 3, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """

    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        *,
        method: Method = "direct",
        centre: bool = True,
        divide: bool = True,
        weight: bool = True,
        bias: bool = True,
        separate: bool = False,
        synchronised: bool = False,
    ) -> None:
        super().__init__()
        if method not in get_args(Method):
            raise PhasebenchError(f"method '{method}' of spectral batch normalisation is neither 'direct' nor 'fft'")
        if separate and method != "fft":
            raise PhasebenchError("separate real and imaginary parts need the method 'fft'")
        self.channels, self.momentum, self.method, self.separate = channels, momentum, method, separate
        self.options = Normalisation(eps, centre, divide, synchronised)
        self.register_parameter("weight", nn.Parameter(torch.ones(channels)) if weight else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(channels)) if bias else None)
        self.register_buffer("running_mean", torch.zeros(2, channels))
        self.register_buffer("running_var", torch.ones(2, channels) if separate else torch.ones(channels))

    def extra_repr(self) -> str:
        """The arguments, for ``print(model)``."""
        return f"{self.channels}, momentum={self.momentum}, method={self.method}, {self.options}"

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to the same shape and type.

        Raises
        ------
        ValueError
            The shape is another, or there is a single coefficient per channel to take training statistics from.
        """
        if maps.ndim != 4 or maps.shape[1] != self.channels:
            raise ValueError(f"expected maps (B, {self.channels}, H, W), got {tuple(maps.shape)}")
        # Statistics in half precision would overflow, and transforms have none for most sizes.
        with torch.autocast(maps.device.type, enabled=False):
            return self._normalise(maps)

    def _normalise(self, maps: Tensor) -> Tensor:
        needs_batch = self.training and (self.options.centre or self.options.divide)
        if self.method == "direct":
            if needs_batch:
                result, statistics = batch_normalise(maps, self.weight, self.bias, self.options)
                self._update(statistics)
                return result
            return affine_maps(maps, *self._affine(self.running_mean, self.running_var, maps.dtype))
        spectrum = torch.fft.rfft2(maps.to(working_dtype(maps.dtype)))
        mean, variance = self.running_mean, self.running_var
        if needs_batch:
            total, energy = _sums(spectrum, self.separate)
            statistics = batch_statistics(total, energy, coefficient_count(maps), self.options.synchronised)
            self._update(statistics)
            mean, variance = statistics.mean, statistics.variance
        gain, offset = self._affine(mean, variance, maps.dtype)
        return _affine_by_transform(spectrum, gain, offset, maps.shape[2:]).to(maps.dtype)

    def _affine(self, mean: Tensor, variance: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        dtype = working_dtype(dtype)
        weight = None if self.weight is None else self.weight.to(dtype)
        return gain_and_offset(mean.to(dtype), variance.to(dtype), weight, self.bias, self.options)

    @torch.no_grad()
    def _update(self, statistics: Statistics) -> None:
        unbiased = statistics.variance * (statistics.count / (statistics.count - 1))
        self.running_mean.lerp_(statistics.mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)


class ConstantDownscale(nn.Module):
    """Constant down-scaling: ``x / divisor`` or ``irfft2(rfft2(x) / divisor)``, the same function by linearity.

    Cakaj, Mehnert and Yang 2023, sections V-G and V-H.

    Parameters
    ----------
    divisor : float
        One for all channels.
    domain : "space" or "frequency"
        Where it divides.

    Raises
    ------
    PhasebenchError
        There is no such domain.

    Examples
    --------
    >>> ConstantDownscale(4.0)(torch.tensor([2.0, 8.0]).view(1, 1, 1, 2)).flatten()
    tensor([0.5000, 2.0000])
    """

    def __init__(self, divisor: float, domain: Domain = "space") -> None:
        super().__init__()
        if domain not in get_args(Domain):
            raise PhasebenchError(f"domain '{domain}' of the down-scaling is neither 'space' nor 'frequency'")
        self.divisor, self.domain = divisor, domain

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to the same shape and type."""
        if self.domain == "space":
            return maps / self.divisor
        with torch.autocast(maps.device.type, enabled=False):
            spectrum = torch.fft.rfft2(maps.to(working_dtype(maps.dtype)))
            result: Tensor = torch.fft.irfft2(spectrum / self.divisor, s=maps.shape[2:])
            return result.to(maps.dtype)


def _sums(spectrum: Tensor, separate: bool) -> tuple[Tensor, Tensor]:
    """Sums of coefficients ``(2, C)`` and of squared moduli ``(C,)``, or of squares ``(2, C)`` if ``separate``."""
    parts = torch.view_as_real(spectrum)
    squares = parts.square().sum(dim=(0, 2, 3)).T
    return parts.sum(dim=(0, 2, 3)).T, squares if separate else squares.sum(dim=0)


def _affine_by_transform(spectrum: Tensor, gain: Tensor, offset: Tensor | None, size: torch.Size) -> Tensor:
    # Real and imaginary parts stand along the last axis here.
    parts = torch.view_as_real(spectrum) * gain.expand(2, -1).T[:, None, None]
    if offset is not None:
        parts = parts + offset.T[:, None, None]
    # Without the size, odd widths would come back even.
    result: Tensor = torch.fft.irfft2(torch.view_as_complex(parts.contiguous()), s=size)
    return result
