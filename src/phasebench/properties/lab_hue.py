"""Turns of the LAB encoding against shifts of the hue (Singhal, Xing and Yu 2022, section 4 and Fig. 6)."""

import colorsys
import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from phasebench.data.encodings.colour import Lab
from phasebench.properties.rows import Property

DEGREES = (15, 45, 90)
LEVELS = (0, 51, 102, 153, 204, 255)
"""Levels of red, green and blue whose combinations are the colours, the greys left out."""


def lab_hue_laws() -> Iterator[Property]:
    """Distance in LAB between a colour whose a* + ib* is turned and the colour with the hue shifted by that angle.

    It is measured as a share of the distance that the shift itself makes, the mean over colours: 0 if a turn were a
    shift, 1 if it came no nearer than no turn. The study says that one approximates the other, without a number; the
    law is that the share is below 1. A turn the other way is the control.
    """
    for degrees in DEGREES:
        for sign in (1, -1):
            yield Property(
                "layer",
                "Lab",
                "a turn of a* + ib* approximates a shift of the hue: distance over that of no turn, below 1",
                hue_distance(degrees, sign * degrees),
                expected=0.5,
                tolerance=0.5,
                item=f"{degrees}°" if sign > 0 else f"{degrees}°, turned the other way",
                is_control=sign < 0,
                source="Singhal, Xing and Yu 2022, section 4",
            )


def hue_distance(degrees: float, turn: float) -> float:
    """Mean distance of turned colours from those of shifted hue, over the mean distance of these from the colours.

    Parameters
    ----------
    degrees : float
        Shift of the hue.
    turn : float
        Degrees by which a* + ib* is turned.
    """
    colours = [colour for colour in itertools.product(LEVELS, repeat=3) if len(set(colour)) > 1]
    plain, moved = _lab(colours), _lab([_shifted(colour, degrees) for colour in colours])
    angle = torch.tensor(math.radians(turn))
    chroma = torch.complex(plain[:, 1], plain[:, 2]) * torch.polar(torch.ones(()), angle)
    turned = torch.stack((plain[:, 0], chroma.real, chroma.imag), dim=1)
    return float((turned - moved).norm(dim=1).mean() / (plain - moved).norm(dim=1).mean())


def _shifted(colour: tuple[int, ...], degrees: float) -> tuple[int, ...]:
    """A colour, from 0 to 255, with another hue of the HSV model."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(level / 255.0 for level in colour))
    return tuple(
        round(255.0 * level) for level in colorsys.hsv_to_rgb((hue + degrees / 360.0) % 1.0, saturation, value)
    )


def _lab(colours: Sequence[tuple[int, ...]]) -> Tensor:
    """L*, a* and b* of colours from 0 to 255, float32 ``(N, 3)``."""
    planes = Lab()(torch.tensor(colours, dtype=torch.uint8)[:, None, None], torch.ones(()))[..., 0, 0]
    return 255.0 * torch.stack((planes[:, 0, 0], planes[:, 0, 1], planes[:, 1, 1]), dim=1)
