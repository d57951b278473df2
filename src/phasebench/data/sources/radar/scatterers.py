"""Radar images of point scatterers and ground, with the parameters of the sensor that took MSTAR.

Echoes are summed over frequency and aspect angle in rectangular (polar-reformatted) wavenumber space, weighted against
sidelobes and transformed to an image. Its rows run from far to near in slant range, as in the real chips, its columns
in cross range.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.constants import speed_of_light
from scipy.signal.windows import taylor

CENTRE_FREQUENCY_HZ = 9.60e9
BANDWIDTH_HZ = 0.591e9
RANGE_PIXEL_SPACING_M = 0.202148
CROSS_RANGE_PIXEL_SPACING_M = 0.203125
SIDELOBE_LEVEL_DB = -35
SCENE_SIZE = 192
HEADER = {
    "CenterFrequency": f"{CENTRE_FREQUENCY_HZ / 1e9:.2f} GHz",
    "CrossRangeWeighting": f"{SIDELOBE_LEVEL_DB}dB_Taylor",
    "RangeWeighting": f"{SIDELOBE_LEVEL_DB}dB_Taylor",
    "Bandwidth": f"{BANDWIDTH_HZ / 1e9:.3f} GHz",
    "RangeResolution": "0.304700",
    "CrossRangeResolution": "0.304700",
    "RangePixelSpacing": f"{RANGE_PIXEL_SPACING_M:.6f}",
    "CrossRangePixelSpacing": f"{CROSS_RANGE_PIXEL_SPACING_M:.6f}",
    "Polarization": "HH",
}


def scene_coordinates() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return slant range, shape (192, 1), and cross range, shape (1, 192), of an image's pixels.

    Metres from the middle of the scene, which is at row 96, column 96; slant range grows away from the radar.
    """
    pixels = _centred(SCENE_SIZE).astype(np.float64)
    return -RANGE_PIXEL_SPACING_M * pixels[:, None], CROSS_RANGE_PIXEL_SPACING_M * pixels[None, :]


def image_scatterers(
    slant_range: NDArray[np.float64], cross_range: NDArray[np.float64], amplitude: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Image point scatterers without clutter.

    Parameters
    ----------
    slant_range, cross_range
        Metres from the middle of the scene, shape (scatterers,).
    amplitude
        Peak magnitude of each scatterer's response, shape (scatterers,).

    Returns
    -------
    NDArray[np.complex128]
        Shape (192, 192).
    """
    two_way_wavenumber = 4 * np.pi * CENTRE_FREQUENCY_HZ / speed_of_light
    echo = amplitude * np.exp(-1j * two_way_wavenumber * slant_range)
    over_range = np.exp(1j * np.outer(_wavenumbers(RANGE_PIXEL_SPACING_M), slant_range))
    over_cross_range = np.exp(-1j * np.outer(cross_range, _wavenumbers(CROSS_RANGE_PIXEL_SPACING_M)))
    return _transform((over_range * echo) @ over_cross_range)


def image_ground(reflectivity: NDArray[np.float64], stream: np.random.Generator) -> NDArray[np.complex128]:
    """Image rough ground: circular complex Gaussian speckle with the sensor's bandwidth.

    Parameters
    ----------
    reflectivity
        Expected magnitude of each pixel relative to the others, shape (192, 192).
    stream
        Draws the speckle.

    Returns
    -------
    NDArray[np.complex128]
        Shape (192, 192); where the reflectivity is 1, the expected square magnitude is 1.
    """
    real, imaginary = stream.standard_normal((2, SCENE_SIZE, SCENE_SIZE))
    spectrum = np.fft.fft2(np.fft.ifftshift(reflectivity * (real + 1j * imaginary)))
    n_rows, n_columns = (_wavenumbers(spacing).size for spacing in (RANGE_PIXEL_SPACING_M, CROSS_RANGE_PIXEL_SPACING_M))
    history = spectrum[np.ix_(_centred(n_rows), _centred(n_columns))]
    gain = np.sum(_weights(n_rows) ** 2) * np.sum(_weights(n_columns) ** 2)
    return _transform(history / (SCENE_SIZE * np.sqrt(2 * gain)))


def mean_power(image: NDArray[np.complex128]) -> float:
    """Return the mean square magnitude."""
    return float(np.mean(image.real**2 + image.imag**2))


@cache
def _wavenumbers(pixel_spacing: float) -> NDArray[np.float64]:
    """Return two-way wavenumbers in rad/m from the middle of the band, on the grid that the transform asks for.

    In cross range the aspect angles span as many as the frequencies do in range: the resolution is the same.
    """
    step = 2 * np.pi / (SCENE_SIZE * pixel_spacing)
    extent = 4 * np.pi * BANDWIDTH_HZ / speed_of_light
    n_samples = round(extent / step)
    return np.asarray(step * _centred(n_samples), np.float64)


def _centred(n_samples: int) -> NDArray[np.int64]:
    return np.arange(n_samples) - n_samples // 2


@cache
def _weights(n_samples: int) -> NDArray[np.float64]:
    weights = taylor(n_samples, nbar=5, sll=-SIDELOBE_LEVEL_DB)
    return np.asarray(weights / weights.sum(), np.float64)


def _transform(history: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Weight a phase history and transform it to an image in which a unit scatterer peaks at 1."""
    n_rows, n_columns = history.shape
    padded = np.zeros((SCENE_SIZE, SCENE_SIZE), np.complex128)
    padded[np.ix_(_centred(n_rows), _centred(n_columns))] = history * np.outer(_weights(n_rows), _weights(n_columns))
    return np.fft.fftshift(np.fft.ifft2(padded, norm="forward"))
