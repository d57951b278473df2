"""Encodings of grey images by one half of their Fourier transform: its phase or its magnitude (Nie and Yuan, Fig. 4b).

Pixels lie between 0 and 1; the transform is that of the whole image, in double precision.
"""

import torch
from torch import Tensor

from phasebench.data.encodings.grey import GreyUnit
from phasebench.nn.complex.angle import phase


class _OfSpectrum(GreyUnit):
    """A real image, made from the changed Fourier transform of the pixels."""

    def _parts(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        spectrum = torch.fft.fft2(pixels.double(), norm="ortho")
        # What is left keeps the symmetry of a real image's spectrum, so that imaginary parts are rounding.
        image = torch.fft.ifft2(self._kept(spectrum), norm="ortho").real.to(pixels.dtype)
        return image, torch.zeros_like(image)

    def _kept(self, spectrum: Tensor) -> Tensor:
        raise NotImplementedError


class GreyFourierPhase(_OfSpectrum):
    """The image whose Fourier transform has the pixels' phases and modulus one everywhere; its mean square is one."""

    def _kept(self, spectrum: Tensor) -> Tensor:
        angles = phase(spectrum.real, spectrum.imag)
        return torch.polar(torch.ones_like(angles), angles)


class GreyFourierMagnitude(_OfSpectrum):
    """The image whose Fourier transform has the pixels' moduli and phase zero everywhere; its energy is the pixels'."""

    def _kept(self, spectrum: Tensor) -> Tensor:
        moduli = torch.hypot(spectrum.real, spectrum.imag)
        return torch.complex(moduli, torch.zeros_like(moduli))
