"""Which encodings there are, without importing any of them."""

import pkgutil
from typing import TYPE_CHECKING, cast

from phasebench.errors import PhasebenchError

if TYPE_CHECKING:
    from phasebench.data.encodings import Encoding

ENCODINGS: dict[str, str] = {
    "rgb": "phasebench.data.encodings:Rgb",
    "rgb_normalised": "phasebench.data.encodings:RgbNormalised",
    "lab": "phasebench.data.encodings:Lab",
    "sliding": "phasebench.data.encodings:Sliding",
    "complex": "phasebench.data.encodings:Complex",
    "grey": "phasebench.data.grey_encodings:Grey",
    "grey_fixed_phase": "phasebench.data.grey_encodings:GreyFixedPhase",
    "grey_fixed_imaginary": "phasebench.data.grey_encodings:GreyFixedImaginary",
    "grey_noise": "phasebench.data.grey_encodings:GreyNoise",
    "mfcc": "phasebench.data.audio_encodings:Mfcc",
    "mfcc_complex": "phasebench.data.audio_encodings:MfccComplex",
    "mfcc_phase": "phasebench.data.audio_encodings:MfccPhase",
    "mfcc_and_phase": "phasebench.data.audio_encodings:MfccAndPhase",
    "grey_unit": "phasebench.data.grey_encodings:GreyUnit",
    "grey_proportional_phase": "phasebench.data.grey_encodings:GreyProportionalPhase",
}


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
