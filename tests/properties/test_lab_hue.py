"""Turns of LAB against shifts of the hue, with scikit-image's colours."""

import numpy as np
import pytest
from skimage.color import hsv2rgb, rgb2hsv, rgb2lab

from phasebench.properties.lab_hue import DEGREES, LEVELS, hue_distance, lab_hue_laws


def test_a_turn_is_nearer_to_the_shift_of_the_hue_than_no_turn() -> None:
    colours = np.array([[r, g, b] for r in LEVELS for g in LEVELS for b in LEVELS if not r == g == b]) / 255
    shifted = rgb2hsv(colours) + np.array([0.25, 0, 0])
    shifted[:, 0] %= 1
    plain, moved = rgb2lab(colours), rgb2lab(np.rint(255 * hsv2rgb(shifted)) / 255)
    turned = np.stack((plain[:, 0], -plain[:, 2], plain[:, 1]), axis=1)
    distances = [np.linalg.norm(one - moved, axis=1).mean() for one in (turned, plain)]
    assert hue_distance(90, 90) == pytest.approx(distances[0] / distances[1], rel=1e-3)
    rows = list(lab_hue_laws())
    assert len(rows) == 2 * len(DEGREES)
    assert all(row.holds != row.is_control for row in rows)
