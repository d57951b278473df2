"""Geometry of the simulated vehicles, at angles where it can be told by head."""

import numpy as np
import pytest

from phasebench.data.sources.radar import mstar
from phasebench.data.sources.radar.vehicles import N_SCATTERERS, VEHICLES, Constellation, constellation, project, shadow


def test_every_class_has_its_own_constellation_of_equally_many_scatterers() -> None:
    assert tuple(VEHICLES) == mstar.CLASSES
    targets = [constellation(name) for name in VEHICLES]
    assert {target.positions.shape for target in targets} == {(N_SCATTERERS, 3)}
    assert len({target.positions.tobytes() for target in targets}) == len(VEHICLES)
    for vehicle, target in zip(VEHICLES.values(), targets, strict=True):
        assert np.ptp(target.positions[:, 0]) >= vehicle.length
        assert np.ptp(target.positions[:, 1]) == pytest.approx(vehicle.width)
        assert target.positions[:, 2].min() == 0.0


def test_target_types_name_their_class() -> None:
    assert [mstar.class_label(vehicle.target_type) for vehicle in VEHICLES.values()] == list(range(10))


def test_projection_of_known_points() -> None:
    forward_left_up = Constellation(np.eye(3), np.array([0.0, np.pi / 2, 0.0]), np.ones(3))
    slant_range, cross_range, visibility = project(forward_left_up, 0.0, 30.0)
    # The front faces the radar: forward is nearer, left is across, up is nearer by the sine of the depression angle.
    np.testing.assert_allclose(slant_range, [-np.sqrt(3) / 2, 0.0, -0.5], atol=1e-12)
    np.testing.assert_allclose(cross_range, [0.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(visibility, [1.0, 0.125, 1.0], atol=1e-12)
    slant_range, cross_range, visibility = project(forward_left_up, 180.0, 0.0)
    np.testing.assert_allclose(slant_range, [1.0, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(cross_range, [0.0, -1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(visibility, [0.0, 0.125, 0.0], atol=1e-12)


@pytest.mark.parametrize("azimuth", [0.0, 90.0, 180.0, 270.0])
def test_shadow_of_a_box(azimuth: float) -> None:
    vehicle = VEHICLES["zil131"]
    half_depth, half_breadth = vehicle.length / 2, vehicle.width / 2
    if azimuth in (90.0, 270.0):
        half_depth, half_breadth = half_breadth, half_depth
    end = half_depth + vehicle.height / np.tan(np.deg2rad(17.0))

    def is_hidden(behind: float, across: float) -> bool:
        slant_range = np.array([behind * np.cos(np.deg2rad(17.0))])
        return bool(shadow(vehicle, slant_range, np.array([across]), azimuth, 17.0)[0])

    for across in (-0.98 * half_breadth, 0.1, 0.98 * half_breadth):
        assert is_hidden(0.99 * end, across)
        assert is_hidden(-0.98 * half_depth, across)
        assert not is_hidden(1.01 * end, across)
        assert not is_hidden(-1.02 * half_depth, across)
    assert not is_hidden(end / 2, 1.02 * half_breadth)


def test_shadow_turns_with_the_vehicle() -> None:
    vehicle, slope = VEHICLES["bmp2"], np.deg2rad(15.0)
    nose = vehicle.length / 2 * 0.99
    for azimuth in (30.0, 200.0):
        turn = np.deg2rad(azimuth)
        place = -nose * np.cos(turn) * np.cos(slope), nose * np.sin(turn)
        assert shadow(vehicle, np.array([place[0]]), np.array([place[1]]), azimuth, 15.0)[0]
        beside = place[0], -nose * np.sin(turn) - np.sign(np.sin(turn)) * vehicle.width
        assert not shadow(vehicle, np.array([beside[0]]), np.array([beside[1]]), azimuth, 15.0)[0]
