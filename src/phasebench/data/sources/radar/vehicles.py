"""Geometry of the simulated vehicles: point scatterers, their projection into the radar image, and the shadow.

Each class is a fixed constellation of scatterers on a body with about the vehicle's measures. All have equally many
scatterers with equally distributed amplitudes.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

N_SCATTERERS = 60

_DIRECTIVITY = 3


@dataclass(frozen=True)
class Vehicle:
    """Measures in metres. The turret (cabin, winch) stands ``turret_x`` before the middle of the hull."""

    target_type: str
    length: float
    width: float
    height: float
    n_wheels: int
    turret_x: float
    turret_radius: float
    n_barrel_points: int


VEHICLES = {
    "bmp2": Vehicle("bmp2_tank", 6.7, 3.1, 1.9, 6, -0.3, 0.9, 2),
    "btr70": Vehicle("btr70_transport", 7.5, 2.8, 2.0, 4, 1.2, 0.5, 1),
    "t72": Vehicle("t72_tank", 6.9, 3.6, 1.4, 6, 0.1, 1.4, 6),
    "btr60": Vehicle("btr60_transport", 7.2, 2.8, 2.1, 4, 1.8, 0.4, 1),
    "2s1": Vehicle("2s1_gun", 7.3, 2.9, 1.8, 7, -1.6, 1.2, 4),
    "brdm2": Vehicle("brdm2_truck", 5.7, 2.4, 1.9, 2, 0.0, 0.5, 1),
    "d7": Vehicle("d7_bulldozer", 4.2, 2.5, 2.3, 5, -0.8, 0.7, 0),
    "t62": Vehicle("t62_tank", 6.6, 3.3, 1.4, 5, 0.4, 1.2, 6),
    "zil131": Vehicle("zil131_truck", 7.0, 2.5, 2.4, 3, 1.7, 0.9, 0),
    "zsu23-4": Vehicle("zsu23-4_gun", 6.5, 3.1, 1.6, 6, -0.5, 1.5, 1),
}


@dataclass(frozen=True, eq=False)
class Constellation:
    """Point scatterers in a vehicle's frame: x forward, y to the left, z up, from the ground below its middle.

    Attributes
    ----------
    positions
        Metres, shape (scatterers, 3).
    facing
        Direction in the ground plane from which each is seen best, radians from x towards y, shape (scatterers,).
    amplitudes
        Shape (scatterers,).
    """

    positions: NDArray[np.float64]
    facing: NDArray[np.float64]
    amplitudes: NDArray[np.float64]


def project(
    target: Constellation, azimuth: float, depression_angle: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return slant range, cross range (metres from the target's origin) and visibility (0 to 1) of each scatterer.

    Parameters
    ----------
    target
        The scatterers.
    azimuth
        Degrees by which the target is turned; at 0 its front faces the radar.
    depression_angle
        Degrees by which the radar looks down.
    """
    turn, slope = np.deg2rad(azimuth), np.deg2rad(depression_angle)
    x, y, height = target.positions.T
    towards_radar = x * np.cos(turn) - y * np.sin(turn)
    cross_range = x * np.sin(turn) + y * np.cos(turn)
    # A point that stands higher is nearer to the radar: it lays over.
    slant_range = -towards_radar * np.cos(slope) - height * np.sin(slope)
    visibility = ((1 + np.cos(target.facing + turn)) / 2) ** _DIRECTIVITY
    return slant_range, cross_range, visibility


def shadow(
    vehicle: Vehicle,
    slant_range: NDArray[np.float64],
    cross_range: NDArray[np.float64],
    azimuth: float,
    depression_angle: float,
) -> NDArray[np.bool_]:
    """Tell which points of the ground a vehicle, taken as a box, covers or hides from the radar.

    Parameters
    ----------
    vehicle
        Length, width and height count.
    slant_range, cross_range
        Metres from the vehicle's origin, of one shape or broadcast to it.
    azimuth, depression_angle
        Degrees; see :func:`project`.
    """
    turn, slope = np.deg2rad(azimuth), np.deg2rad(depression_angle)
    towards_radar = -slant_range / np.cos(slope)
    x = towards_radar * np.cos(turn) + cross_range * np.sin(turn)
    y = cross_range * np.cos(turn) - towards_radar * np.sin(turn)
    # A point is hidden where the way towards the radar enters the box before it has risen above the box.
    enter, leave = np.zeros_like(x), np.full_like(x, vehicle.height / np.tan(slope))
    for place, step, extent in ((x, np.cos(turn), vehicle.length), (y, -np.sin(turn), vehicle.width)):
        with np.errstate(divide="ignore"):
            crossings = np.sort([(-extent / 2 - place) / step, (extent / 2 - place) / step], axis=0)
        enter, leave = np.maximum(enter, crossings[0]), np.minimum(leave, crossings[1])
    return np.asarray(enter <= leave)


@cache
def constellation(name: str) -> Constellation:
    """Return the scatterers of a class: always the same, and equally many for every class."""
    vehicle = VEHICLES[name]
    stream = np.random.default_rng(list(VEHICLES).index(name))
    fixed = np.concatenate([_hull(vehicle), _running_gear(vehicle), _turret(vehicle)])
    n_fittings = N_SCATTERERS - len(fixed)
    fittings = np.column_stack(
        [
            stream.uniform(-vehicle.length / 2, vehicle.length / 2, n_fittings),
            stream.uniform(-vehicle.width / 2, vehicle.width / 2, n_fittings),
            np.full(n_fittings, vehicle.height),
            stream.uniform(0.0, 2 * np.pi, n_fittings),
        ]
    )
    points = np.concatenate([fixed, fittings])
    return Constellation(points[:, :3], points[:, 3], stream.lognormal(0.0, 0.5, N_SCATTERERS))


def _hull(vehicle: Vehicle) -> NDArray[np.float64]:
    """Return x, y, z and facing of the corners, below and above, and of the front and rear plates."""
    x, y = vehicle.length / 2, vehicle.width / 2
    corners = [
        (end * x, side * y, z, np.arctan2(side, end))
        for end in (-1, 1)
        for side in (-1, 1)
        for z in (0.0, vehicle.height)
    ]
    plates = [
        (end * x, part * y, vehicle.height / 2, np.arctan2(0, end)) for end in (-1, 1) for part in (-0.8, 0.0, 0.8)
    ]
    return np.array(corners + plates)


def _running_gear(vehicle: Vehicle) -> NDArray[np.float64]:
    """Return x, y, z and facing of the wheels on both sides."""
    along = np.linspace(-0.425, 0.425, vehicle.n_wheels) * vehicle.length
    return np.array([(x, side * vehicle.width / 2, 0.4, side * np.pi / 2) for side in (-1, 1) for x in along])


def _turret(vehicle: Vehicle) -> NDArray[np.float64]:
    """Return x, y, z and facing of six points around the turret and, a metre apart, of its barrel."""
    angles = np.arange(6) * np.pi / 3
    radius, top = vehicle.turret_radius, vehicle.height + 0.4
    ring = [(vehicle.turret_x + radius * np.cos(a), radius * np.sin(a), top, a) for a in angles]
    muzzle = vehicle.turret_x + radius
    return np.array(ring + [(muzzle + metres, 0.0, top, 0.0) for metres in range(1, vehicle.n_barrel_points + 1)])
