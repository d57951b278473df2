"""Which encodings there are, without importing any of them."""

import pkgutil
from typing import TYPE_CHECKING, cast

from phasebench.common.errors import PhasebenchError

if TYPE_CHECKING:
    from phasebench.data.encodings.base import Encoding

ENCODINGS: dict[str, str] = {
    "rgb": "phasebench.data.encodings.base:Rgb",
    "rgb_normalised": "phasebench.data.encodings.base:RgbNormalised",
    "lab": "phasebench.data.encodings.base:Lab",
    "sliding": "phasebench.data.encodings.base:Sliding",
    "complex": "phasebench.data.encodings.base:Complex",
    "grey": "phasebench.data.encodings.grey:Grey",
    "grey_fixed_phase": "phasebench.data.encodings.grey:GreyFixedPhase",
    "grey_fixed_imaginary": "phasebench.data.encodings.grey:GreyFixedImaginary",
    "grey_noise": "phasebench.data.encodings.grey:GreyNoise",
    "mfcc": "phasebench.data.encodings.audio:Mfcc",
    "mfcc_complex": "phasebench.data.encodings.audio:MfccComplex",
    "mfcc_phase": "phasebench.data.encodings.audio:MfccPhase",
    "mfcc_and_phase": "phasebench.data.encodings.audio:MfccAndPhase",
    "grey_unit": "phasebench.data.encodings.grey:GreyUnit",
    "grey_proportional_phase": "phasebench.data.encodings.grey:GreyProportionalPhase",
}
COLOUR_ENCODINGS = frozenset({"rgb", "rgb_normalised", "lab", "sliding"})
"""Those that read images with three colours."""


def load_encoding(name: str) -> "Encoding":
    """The encoding of that name, ready to be called.

    Raises
    ------
    PhasebenchError
        There is no such encoding.
    """
    if name not in ENCODINGS:
        raise PhasebenchError(f"encoding: {name!r} is not known; choose one of {', '.join(sorted(ENCODINGS))}")
    return cast("Encoding", pkgutil.resolve_name(ENCODINGS[name])())
