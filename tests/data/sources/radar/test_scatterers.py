"""The radar image of a point, against the sensor's stated figures and a sum written out."""

import math

import numpy as np
import pytest
from scipy.signal.windows import taylor

from phasebench.data.sources.radar import scatterers as point_scatterers
from phasebench.data.sources.radar.scatterers import image_ground, image_scatterers

LIGHT = 299_792_458.0
MIDDLE = 96
SPACINGS = {"range": 0.202148, "cross range": 0.203125}


def image_one(slant_range: float, cross_range: float, amplitude: float = 1.0) -> np.ndarray:
    return image_scatterers(np.array([slant_range]), np.array([cross_range]), np.array([amplitude]))


def response_in_db(direction: str, offsets: np.ndarray) -> np.ndarray:
    """The middle pixel's level as a scatterer moves away from it, which samples the response as finely as wished."""
    places = [(offset, 0.0) if direction == "range" else (0.0, offset) for offset in offsets]
    levels = np.array([abs(image_one(*place)[MIDDLE, MIDDLE]) for place in places])
    return np.asarray(20 * np.log10(levels))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (7, 0), (0, -12), (-20, 33), (41, 17)])
def test_a_scatterer_peaks_in_its_pixel(row: int, column: int) -> None:
    image = image_one(-row * SPACINGS["range"], column * SPACINGS["cross range"], 2.5)
    assert image.shape == (192, 192)
    assert np.unravel_index(np.abs(image).argmax(), image.shape) == (MIDDLE + row, MIDDLE + column)
    assert abs(image[MIDDLE + row, MIDDLE + column]) == pytest.approx(2.5, rel=1e-9)


def test_the_peak_has_the_phase_of_the_way_there_and_back() -> None:
    wavelength = LIGHT / 9.6e9
    row = 5
    peak = image_one(row * SPACINGS["range"], 0.0)[MIDDLE - row, MIDDLE]
    expected = -2 * math.pi * (2 * row * SPACINGS["range"] / wavelength)
    assert abs(np.angle(peak * np.exp(-1j * expected))) < 1e-6


@pytest.mark.parametrize("direction", list(SPACINGS))
def test_the_resolution_is_that_of_the_sensor(direction: str) -> None:
    offsets = np.linspace(0.1, 0.2, 101)
    half_width = offsets[np.searchsorted(-response_in_db(direction, offsets), 20 * math.log10(math.sqrt(2)))]
    # The real chips' headers state 0.3047 m, and 0.3013 m as measured in range.
    assert 2 * half_width == pytest.approx(0.3047, rel=0.02)


@pytest.mark.parametrize("direction", list(SPACINGS))
def test_sidelobes_stay_at_35_decibels(direction: str) -> None:
    # Between the main lobe, less than 0.6 m wide to each side, and the scene's edge.
    worst = response_in_db(direction, np.linspace(0.6, 8.0, 250)).max()
    assert -36.0 < worst < -34.5


def test_the_response_is_the_sum_over_frequencies_and_angles() -> None:
    slant_range, cross_range = 1.234, -2.345
    image = image_one(slant_range, cross_range)
    sums = []
    for place, (direction, spacing) in zip((-slant_range, cross_range), SPACINGS.items(), strict=True):
        n_samples = round(192 * spacing * 2 * 0.591e9 / LIGHT)
        weights = taylor(n_samples, nbar=5, sll=35)
        wavenumbers = 2 * np.pi / (192 * spacing) * (np.arange(n_samples) - n_samples // 2)
        pixels = {"range": 12, "cross range": -9}[direction] * spacing
        sums.append(np.sum(weights * np.exp(1j * wavenumbers * (pixels - place))) / weights.sum())
    carrier = np.exp(-4j * np.pi * 9.6e9 / LIGHT * slant_range)
    assert image[MIDDLE + 12, MIDDLE - 9] == pytest.approx(carrier * sums[0] * sums[1], abs=1e-9)


def test_echoes_add_up() -> None:
    together = image_scatterers(np.array([1.0, -2.0]), np.array([0.5, 3.0]), np.array([1.0, 0.3]))
    np.testing.assert_allclose(together, image_one(1.0, 0.5) + image_one(-2.0, 3.0, 0.3), atol=1e-12)


def test_clutter_is_fully_developed_speckle_of_the_sensors_bandwidth() -> None:
    clutter = image_ground(np.ones((192, 192)), np.random.default_rng(0))
    power = np.abs(clutter) ** 2
    assert power.mean() == pytest.approx(1.0, abs=0.03)
    # Intensity is exponentially distributed: its standard deviation is its mean.
    assert power.std() == pytest.approx(1.0, abs=0.05)
    assert abs((clutter**2).mean()) < 0.05
    spectrum = np.abs(np.fft.fftshift(np.fft.fft2(clutter))) ** 2
    n_occupied = (spectrum.sum(1) > 1e-9 * spectrum.sum()).sum(), (spectrum.sum(0) > 1e-9 * spectrum.sum()).sum()
    occupied_share = 0.202148 * 2 * 0.591e9 / LIGHT
    assert np.array(n_occupied) / 192 == pytest.approx([occupied_share, occupied_share], abs=0.01)


def test_ground_that_reflects_nothing_stays_dark_where_it_is() -> None:
    reflectivity = np.ones((192, 192))
    reflectivity[20:60, 100:160] = 0.0
    power = np.abs(image_ground(reflectivity, np.random.default_rng(0))) ** 2
    assert power[25:55, 105:155].mean() < 1e-3
    assert power[70:, :].mean() == pytest.approx(1.0, abs=0.05)


def test_scene_coordinates_are_where_scatterers_appear() -> None:
    slant_range, cross_range = point_scatterers.scene_coordinates()
    image = image_one(slant_range[30, 0], cross_range[0, 150])
    assert np.unravel_index(np.abs(image).argmax(), image.shape) == (30, 150)


def test_header_states_what_is_simulated() -> None:
    assert point_scatterers.HEADER["CenterFrequency"] == "9.60 GHz"
    assert point_scatterers.HEADER["Bandwidth"] == "0.591 GHz"
    assert point_scatterers.HEADER["RangeWeighting"] == "-35dB_Taylor"
