"""Registry of the encodings."""

from typing import TYPE_CHECKING

from phasebench.common.registry import Registry

if TYPE_CHECKING:
    from phasebench.data.encodings.base import Encoding

ENCODINGS: Registry[str] = Registry(
    "encoding",
    {
        "rgb": "phasebench.data.encodings.colour:Rgb",
        "rgb_normalised": "phasebench.data.encodings.colour:RgbNormalised",
        "lab": "phasebench.data.encodings.colour:Lab",
        "sliding": "phasebench.data.encodings.colour:Sliding",
        "complex": "phasebench.data.encodings.base:Complex",
        "magnitude": "phasebench.data.encodings.baselines:Magnitude",
        "log_magnitude": "phasebench.data.encodings.baselines:LogMagnitude",
        "complex_phase_normalised": "phasebench.data.encodings.baselines:ComplexPhaseNormalised",
        "complex_without_target": "phasebench.data.encodings.baselines:ComplexWithoutTarget",
        "lab_magnitude": "phasebench.data.encodings.baselines:LabMagnitude",
        "lab_log_magnitude": "phasebench.data.encodings.baselines:LabLogMagnitude",
        "lab_phase_normalised": "phasebench.data.encodings.baselines:LabPhaseNormalised",
        "sliding_magnitude": "phasebench.data.encodings.baselines:SlidingMagnitude",
        "sliding_log_magnitude": "phasebench.data.encodings.baselines:SlidingLogMagnitude",
        "sliding_phase_normalised": "phasebench.data.encodings.baselines:SlidingPhaseNormalised",
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
        "grey_fourier_phase": "phasebench.data.encodings.fourier:GreyFourierPhase",
        "grey_fourier_magnitude": "phasebench.data.encodings.fourier:GreyFourierMagnitude",
    },
)
COLOUR_ENCODINGS = frozenset(
    {"rgb", "rgb_normalised"}
    | {
        f"{name}{end}"
        for name in ("lab", "sliding")
        for end in ("", "_magnitude", "_log_magnitude", "_phase_normalised")
    }
)
"""Those that read images with three colours."""


def load_encoding(name: str) -> "Encoding":
    """Make the encoding of that name.

    Raises
    ------
    PhasebenchError
        There is no such encoding.
    """
    encoding: Encoding = ENCODINGS.load(name)()
    return encoding
