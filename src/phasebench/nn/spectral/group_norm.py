"""Normalisation of spectra over the channels of one sample, and complex weight and bias of spectra.

The future work of Cakaj, Mehnert and Yang 2023, section VI. All of it takes Fourier transforms.
"""

import torch
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.nn.spectral.functional import batch_statistics, coefficient_count
from phasebench.nn.spectral.moments import working_dtype
from phasebench.nn.spectral.norm import SpectralBatchNorm2d


class SpectralGroupNorm2d(nn.Module):
    """Spectral group normalisation: ``irfft2(weight (rfft2(x) - mean) / sqrt(var + eps) + bias)`` by sample and group.

    The future work of Cakaj, Mehnert and Yang 2023, section VI. Mean (complex) and variance (real) are those of the
    coefficients of the half spectra of a sample's channels in one group: with ``groups=1`` this is layer normalisation,
    with as many groups as channels instance normalisation of spectra. Training and evaluation are the same. The layer
    is invariant to magnitude, up to eps.

    Parameters
    ----------
    groups : int
        Groups of neighbouring channels, a divisor of C.
    channels : int
        C of the maps.
    eps : float
        Added to the variance.
    affine : "real", "complex" or "none"
        A weight and a bias of each channel, real ``(C,)`` or complex as real tensors ``(2, C)``, or neither.

    Raises
    ------
    PhasebenchError
        The groups do not divide the channels, or there is no such affine map.

    Examples
    --------
    >>> layer = SpectralGroupNorm2d(2, 4)
    >>> layer(torch.randn(2, 4, 8, 8)).shape
    torch.Size([2, 4, 8, 8])
    """

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, groups: int, channels: int, eps: float = 1e-5, *, affine: str = "real") -> None:
        super().__init__()
        if groups < 1 or channels % groups:
            raise PhasebenchError(f"{groups} groups of spectral group normalisation do not divide {channels} channels")
        if affine not in ("real", "complex", "none"):
            raise PhasebenchError(f"affine '{affine}' of spectral group normalisation is none of real, complex, none")
        self.groups, self.channels, self.eps = groups, channels, eps
        weight, bias = _complex_parameters(channels)
        if affine == "real":
            weight, bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_parameter("weight", None if affine == "none" else weight)
        self.register_parameter("bias", None if affine == "none" else bias)

    def extra_repr(self) -> str:
        """The arguments, for ``print(model)``."""
        return f"{self.groups}, {self.channels}, eps={self.eps}"

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to the same shape and type.

        Raises
        ------
        ValueError
            The shape is another.
        """
        _check_shape(maps, self.channels)
        with torch.autocast(maps.device.type, enabled=False):
            spectrum = torch.fft.rfft2(maps.to(working_dtype(maps.dtype)))
            grouped = spectrum.unflatten(1, (self.groups, -1))
            centred = grouped - grouped.mean(dim=(2, 3, 4), keepdim=True)
            variance = torch.view_as_real(centred).square().sum(dim=-1).mean(dim=(2, 3, 4), keepdim=True)
            normal = (centred * torch.rsqrt(variance + self.eps)).flatten(1, 2)
            return _affine(normal, self.weight, self.bias, maps)


class ComplexSpectralBatchNorm2d(SpectralBatchNorm2d):
    """Spectral batch normalisation with complex weight and bias of each channel.

    The future work of Cakaj, Mehnert and Yang 2023, section VI: :class:`SpectralBatchNorm2d` with the method "fft",
    whose weight (1 at first) may turn the phases of all frequencies and whose bias (0 at first) fills row 0. The
    inverse transform drops what has no real map: imaginary parts of coefficients that are their own conjugates. As the
    transform is that of a real map, weights turn only half of the plane of frequencies, and the other half back.

    Parameters
    ----------
    channels : int
        C of the maps.
    eps : float
        Added to the variance.
    momentum : float
        Weight of the batch in the running statistics.

    Attributes
    ----------
    weight, bias : Tensor
        Real and imaginary parts, shape ``(2, C)``.
    running_mean, running_var : Tensor
        As of :class:`SpectralBatchNorm2d`, which the layer is at first.

    Examples
    --------
    >>> layer = ComplexSpectralBatchNorm2d(3)
    >>> layer(torch.randn(2, 3, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(channels, eps, momentum, method="fft")
        self.weight, self.bias = _complex_parameters(channels)

    def _normalise(self, maps: Tensor) -> Tensor:
        real = working_dtype(maps.dtype)
        spectrum = torch.fft.rfft2(maps.to(real))
        mean, variance = self.running_mean, self.running_var
        if self.training:
            parts = torch.view_as_real(spectrum)
            total, energy = parts.sum(dim=(0, 2, 3)).T, parts.square().sum(dim=(0, 2, 3, 4))
            statistics = batch_statistics(total, energy, coefficient_count(maps), self.options.synchronised)
            self._update(statistics)
            mean, variance = statistics.mean, statistics.variance
        gain = torch.rsqrt(variance.to(real) + self.options.eps)[:, None, None]
        return _affine((spectrum - _by_channel(mean.to(real))) * gain, self.weight, self.bias, maps)


def _complex_parameters(channels: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight one and bias zero, ``(2, C)``."""
    weight = torch.zeros(2, channels)
    weight[0] = 1.0
    return nn.Parameter(weight), nn.Parameter(torch.zeros(2, channels))


def _affine(spectrum: Tensor, weight: Tensor | None, bias: Tensor | None, maps: Tensor) -> Tensor:
    """The map, of the shape and type of ``maps``, of a spectrum after weight and bias, each ``(C,)`` or ``(2, C)``."""
    if weight is not None and bias is not None:
        real = working_dtype(maps.dtype)
        spectrum = spectrum * _by_channel(weight.to(real)) + _by_channel(bias.to(real))
    # Without the size, odd widths would come back even.
    result: Tensor = torch.fft.irfft2(spectrum, s=maps.shape[2:])
    return result.to(maps.dtype)


def _by_channel(numbers: Tensor) -> Tensor:
    """Numbers of the channels, real ``(C,)`` or ``(2, C)``, as they multiply spectra: ``(C, 1, 1)``."""
    whole = torch.complex(*numbers.unbind()) if numbers.ndim == 2 else numbers
    return whole[:, None, None]


def _check_shape(maps: Tensor, channels: int) -> None:
    if maps.ndim != 4 or maps.shape[1] != channels:
        raise ValueError(f"expected maps (B, {channels}, H, W), got {tuple(maps.shape)}")
