"""Encodings of audio clips: cepstral coefficients as complex maps (Agrawal, EXP2 and EXP3).

A clip becomes one complex channel of 13 coefficients in 126 frames. Nothing is measured on the training subset.
"""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from phasebench.common.errors import PhasebenchError
from phasebench.data.encodings.audio_augmentation import change_at_random
from phasebench.data.encodings.base import Encoding
from phasebench.data.encodings.cepstrum import (
    complex_coefficients,
    fit_frames,
    phase_coefficients,
    real_coefficients,
    spectra,
)


class AudioEncoding(Encoding):
    """Base of the encodings of audio."""

    n_channels = 1
    nonzero_planes: ClassVar[tuple[int, ...]] = (0, 1)
    costly = True

    def statistics(self, samples: Tensor) -> Tensor:
        """One, since nothing is measured."""
        return torch.ones((), device=samples.device)

    def __call__(self, samples: Tensor, statistics: Tensor) -> Tensor:
        """Encode clips, int16 ``(N, L)``, as :meth:`Encoding.__call__` says."""
        return self._encoded(_as_audio(samples), None)

    def augmented(self, samples: Tensor, statistics: Tensor, random: torch.Generator) -> Tensor:
        """Encode clips whose pitch and tempo are changed at random, as :meth:`Encoding.augmented` says."""
        return self._encoded(*change_at_random(_as_audio(samples), random))

    def _encoded(self, clips: Tensor, n_samples: Tensor | None) -> Tensor:
        parts = [fit_frames(part, n_samples) for part in self._parts(spectra(clips))]
        return torch.stack(parts, dim=1).unsqueeze(2)

    @abstractmethod
    def _parts(self, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        """Real and imaginary part, each ``(N, 13, T)``, from spectra ``(N, T, 1025)``."""


class Mfcc(AudioEncoding):
    """Mel-frequency cepstral coefficients, with imaginary part zero (Workflow I, "Real Valued Coeffs")."""

    nonzero_planes = (0,)

    def _parts(self, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        coefficients = real_coefficients(spectrum)
        return coefficients, torch.zeros_like(coefficients)


class MfccComplex(AudioEncoding):
    """Coefficients of the complex spectrum (Workflow I, "Complex Valued Coeffs")."""

    def _parts(self, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        return complex_coefficients(spectrum)


class MfccPhase(AudioEncoding):
    """``m exp(ip)`` of the coefficients m of power and p of phase (Workflow II)."""

    def _parts(self, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        modulus, phase = real_coefficients(spectrum), phase_coefficients(spectrum)
        return modulus * phase.cos(), modulus * phase.sin()


class MfccAndPhase(AudioEncoding):
    """``m + ip`` of the same two: what the graph networks read nodes and edges from, not a number to calculate with."""

    def _parts(self, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        return real_coefficients(spectrum), phase_coefficients(spectrum)


def _as_audio(samples: Tensor) -> Tensor:
    """Clips in the default floating type."""
    if samples.dtype != torch.int16 or samples.ndim != 2:
        raise PhasebenchError("encoding: the mfcc encodings are for audio; use 'rgb' or 'grey' for images")
    return samples.to(torch.get_default_dtype())
