"""Cepstral coefficients of audio clips, real and complex, for whole batches on the device (Agrawal, EXP2).

Frames of 2,048 samples, 512 apart and not padded, under a periodic Hann window; 13 triangles on HTK's mel scale, which
are not normalised; decibels; an orthonormal cosine transform. The study's "Workflow I" leaves out the squared modulus
for its complex coefficients, so that phases survive the triangles; its "Workflow II" puts phases through the triangles
and the cosine transform by themselves.
"""

import math

import torch
from torch import Tensor

from phasebench.nn.complex.angle import phase

SAMPLING_RATE = 22_050
N_FFT = 2048
HOP = 512
N_COEFFICIENTS = 13
N_FRAMES = 126
"""Frames of a clip of three seconds; the features of all clips are cut or filled with zeros to this width."""

_SMALLEST = 1e-10
_N_BINS = N_FFT // 2 + 1


def mel_edges() -> list[int]:
    """The 15 bins between which the 13 triangles lie, evenly spaced in ``2595 log10(1 + f / 700)``."""
    highest = 2595.0 * math.log10(1.0 + SAMPLING_RATE / 2.0 / 700.0)
    mels = (highest * step / (N_COEFFICIENTS + 1) for step in range(N_COEFFICIENTS + 2))
    frequencies = (700.0 * (10.0 ** (mel / 2595.0) - 1.0) for mel in mels)
    return [math.floor((N_FFT + 1) * frequency / SAMPLING_RATE) for frequency in frequencies]


def mel_triangles() -> Tensor:
    """Weights, float64 ``(1025, 13)``; each triangle rises from 0 to 1 and falls back to 0."""
    triangles, edges = torch.zeros(_N_BINS, N_COEFFICIENTS, dtype=torch.float64), mel_edges()
    for band, (low, middle, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        triangles[low:middle, band] = torch.linspace(0.0, 1.0, middle - low, dtype=torch.float64)
        triangles[middle:high, band] = torch.linspace(1.0, 0.0, high - middle, dtype=torch.float64)
    return triangles


def cosine_transform() -> Tensor:
    """The orthonormal DCT-II, float64 ``(13, 13)``; coefficients are its rows."""
    number = torch.arange(N_COEFFICIENTS, dtype=torch.float64)
    angle = number[:, None] * (2.0 * number + 1.0) * (math.pi / (2 * N_COEFFICIENTS))
    matrix = math.sqrt(2.0 / N_COEFFICIENTS) * angle.cos()
    matrix[0] = 1.0 / math.sqrt(N_COEFFICIENTS)
    return matrix


def spectra(clips: Tensor) -> Tensor:
    """Spectra of the frames of clips.

    Parameters
    ----------
    clips : real Tensor (N, L)
        In units of a 16-bit sample. Each clip is divided by its peak.

    Returns
    -------
    complex Tensor (N, T, 1025)
        ``T = 1 + (L - 2048) // 512``.
    """
    peaks = clips.abs().amax(dim=1, keepdim=True)
    # A silent clip has no peak.
    scaled = clips / torch.where(peaks > 0, peaks, 1.0)
    window = torch.hann_window(N_FFT, dtype=clips.dtype, device=clips.device)
    spectrum: Tensor = torch.fft.rfft(scaled.unfold(1, N_FFT, HOP) * window)
    return spectrum


def real_coefficients(spectrum: Tensor) -> Tensor:
    """Mel-frequency cepstral coefficients of the power spectrum.

    Parameters
    ----------
    spectrum : complex Tensor (N, T, 1025)
        From :func:`spectra`.

    Returns
    -------
    real Tensor (N, 13, T)
        In decibels of power.
    """
    power = spectrum.real.square() + spectrum.imag.square()
    return _transformed(10.0 * _in_bands(power).clamp(min=_SMALLEST).log10())


def complex_coefficients(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """Workflow I without the power spectrum: triangles, the principal logarithm and the transform of complex numbers.

    ``10 log10(z) = 10 log10 |z| + i (10 / ln 10) arg z``.

    Parameters
    ----------
    spectrum : complex Tensor (N, T, 1025)
        From :func:`spectra`.

    Returns
    -------
    tuple of real Tensors (N, 13, T)
        Real part in decibels of modulus, and imaginary part.
    """
    bands = torch.complex(_in_bands(spectrum.real), _in_bands(spectrum.imag))
    bands = torch.where(bands == 0, _SMALLEST, bands)
    return (
        _transformed(10.0 * bands.abs().log10()),
        _transformed((10.0 / math.log(10.0)) * phase(bands.real, bands.imag)),
    )


def phase_coefficients(spectrum: Tensor) -> Tensor:
    """The phase branch of Workflow II: phases from -pi to pi through the triangles and the transform, no logarithm.

    Parameters
    ----------
    spectrum : complex Tensor (N, T, 1025)
        From :func:`spectra`.

    Returns
    -------
    real Tensor (N, 13, T)
        In radians; sums of many phases, so far outside of one turn. A silent frame has phase zero in every bin.
    """
    return _transformed(_in_bands(phase(spectrum.real, spectrum.imag)))


def fit_frames(coefficients: Tensor, n_samples: Tensor | None = None) -> Tensor:
    """Cut features to 126 frames, or fill them up with zeros.

    Parameters
    ----------
    coefficients : Tensor (N, 13, T)
        Features of clips.
    n_samples : int64 Tensor (N,), optional
        How many samples of each clip count; frames that reach beyond become zero.

    Returns
    -------
    Tensor (N, 13, 126)
        Contiguous.
    """
    missing = N_FRAMES - coefficients.shape[2]
    fitted = torch.nn.functional.pad(coefficients, (0, missing)).contiguous()
    if n_samples is None:
        return fitted
    n_frames = (n_samples - N_FFT).div(HOP, rounding_mode="floor") + 1
    return fitted * (torch.arange(N_FRAMES, device=fitted.device) < n_frames[:, None, None])


def _in_bands(values: Tensor) -> Tensor:
    """Sums ``(N, T, 13)`` of bins ``(N, T, 1025)``, weighted by the triangles."""
    return values @ mel_triangles().to(values)


def _transformed(bands: Tensor) -> Tensor:
    """Coefficients ``(N, 13, T)`` of bands ``(N, T, 13)``."""
    return cosine_transform().to(bands) @ bands.mT
