"""Turns of the LAB encoding against shifts of the hue (Singhal, Xing and Yu 2022, section 4 and Fig. 6)."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from phasebench.data.encodings.colour import Lab
from phasebench.properties.rows import Property

DEGREES = (15, 45, 90, 180)
LEVELS = (0, 51, 102, 153, 204, 255)
"""Levels of red, green and blue whose combinations are the colours, the greys left out."""


def lab_hue_laws() -> Iterator[Property]:
    """Distance in LAB between a colour whose a* + ib* is turned and the colour with the hue shifted by that angle.

    It is measured as a share of the distance that the shift itself makes, the mean over colours: 0 if a turn were a
    shift, 1 if it came no nearer. Nothing is expected; the study says that one approximates the other.
    """
    for degrees in DEGREES:
        yield Property(
            "layer",
            "Lab",
            "distance of a turn of a* + ib* from a shift of the hue, over that of the shift",
            hue_distance(degrees),
            item=f"{degrees}°",
            source="Singhal, Xing and Yu 2022, section 4",
        )


def hue_distance(degrees: float) -> float:
    """Mean distance of turned colours from those of shifted hue, over the mean distance of these from the colours."""
    # Only this law needs it, and it takes long to import.
    from skimage.color import hsv2rgb, rgb2hsv

    levels = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS), axis=-1).reshape(-1, 3)
    colours = levels[np.ptp(levels, axis=1) > 0]
    shifted = rgb2hsv(colours / 255.0)
    shifted[:, 0] = (shifted[:, 0] + degrees / 360.0) % 1.0
    plain, moved = _lab(colours), _lab(np.rint(255.0 * hsv2rgb(shifted)))
    lightness, chroma = plain[:, 0], torch.complex(plain[:, 1], plain[:, 2])
    chroma = chroma * torch.polar(torch.ones(()), torch.tensor(math.radians(degrees)))
    turned = torch.stack((lightness, chroma.real, chroma.imag), dim=1)
    return float((turned - moved).norm(dim=1).mean() / (plain - moved).norm(dim=1).mean())


def _lab(colours: np.ndarray) -> Tensor:
    """L*, a* and b* of colours ``(N, 3)`` from 0 to 255, float32 ``(N, 3)``."""
    planes = Lab()(torch.from_numpy(colours.astype(np.uint8))[:, None, None], torch.ones(()))[..., 0, 0]
    return 255.0 * torch.stack((planes[:, 0, 0], planes[:, 0, 1], planes[:, 1, 1]), dim=1)
