"""Second normalisations in a network: spectral ones, and batch normalisation repeated for comparison."""

import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from torch import nn

from phasebench.common.errors import PhasebenchError
from phasebench.nn.spectral.norm import ConstantDownscale, Method, SpectralBatchNorm2d

Position = Literal["after", "before", "instead"]
Ablation = Literal[
    "none",
    "subtract_only",
    "divide_only",
    "no_affine",
    "downscale_frequency",
    "downscale_space",
    "weight_only",
    "separate",
    "gain_only",
    "row_zero",
    "downscale_module",
    "small_gain",
]

# Sections V-D, V-E, V-F, V-I and V-J, and two baselines: by its closed form, the layer multiplies the maps of a channel
# by a gain, but for row 0, where it adds something.
_SWITCHES: dict[str, dict[str, bool]] = {
    "none": {},
    "subtract_only": {"divide": False, "weight": False, "bias": False},
    "divide_only": {"centre": False, "weight": False, "bias": False},
    "no_affine": {"weight": False, "bias": False},
    "weight_only": {"centre": False, "divide": False, "bias": False},
    "separate": {"separate": True},
    "gain_only": {"centre": False, "bias": False},
    "row_zero": {"divide": False, "weight": False},
}
_OF_SIZE = ("downscale_module", "small_gain")


@dataclass(frozen=True)
class Insertion:
    """A second normalisation and its place in a network (Cakaj, Mehnert and Yang 2023, sections IV and V).

    Raises
    ------
    PhasebenchError
        The notation, the position or the ablation is none of those known, or the divisor is not above zero.

    Examples
    --------
    >>> type(Insertion("SBN34", position="before").layer(64)).__name__
    'SpectralBatchNorm2d'
    """

    notation: str = ""
    """As in the study: "SBN34" is spectral, "2BN34" a second batch normalisation in the modules 3 and 4, "" nothing."""
    position: Position = "after"
    """Relative to the batch normalisation that is there (section V-C)."""
    shortcut: bool = True
    """Count the batch normalisations of projection shortcuts."""
    method: Method = "direct"
    """Of :class:`SpectralBatchNorm2d`; "separate" always takes transforms."""
    ablation: Ablation = "none"
    """The part of the layer that is left (sections V-D to V-J), or what stands in its place: "gain_only" and "row_zero"
    are its gain and the rest of it, "downscale_module" divides by the side of the module's maps, and "small_gain" makes
    2BN a batch normalisation whose weight starts at the inverse of that side."""
    divisor: float = 8.0
    """Of the down-scaling ablations; 8 is what the layer divides a map of 8x8 pixels by."""
    side: int = 32
    """Height and width of the maps of module 1; each further module halves them."""
    synchronised: bool = False
    """Take spectral statistics over all processes."""

    def __post_init__(self) -> None:
        if self.notation and not re.fullmatch(r"(SBN|2BN)[1-9]+", self.notation):
            raise PhasebenchError(f"insertion '{self.notation}' is not of the form SBN34 or 2BN34")
        if self.position not in get_args(Position):
            raise PhasebenchError(f"position '{self.position}' is none of {', '.join(get_args(Position))}")
        if self.ablation not in get_args(Ablation):
            raise PhasebenchError(f"ablation '{self.ablation}' is none of {', '.join(get_args(Ablation))}")
        if self.ablation == "small_gain" and not self.notation.startswith("2BN"):
            raise PhasebenchError(f"ablation 'small_gain' is for a second batch normalisation, not '{self.notation}'")
        if not self.divisor > 0:
            raise PhasebenchError(f"divisor {self.divisor} of a down-scaling is not above zero")

    @property
    def modules(self) -> frozenset[int]:
        """Numbers, from 1, of the modules that are changed."""
        return frozenset(int(digit) for digit in self.notation[3:])

    def in_module(self, number: int) -> "Insertion":
        """The same, with the divisor that belongs to the size of a module's maps where that decides."""
        return replace(self, divisor=self.side / 2 ** (number - 1)) if self.ablation in _OF_SIZE else self

    def layer(self, channels: int) -> nn.Module:
        """A new second normalisation of maps with so many channels."""
        if self.notation.startswith("2BN"):
            second = nn.BatchNorm2d(channels)
            if self.ablation == "small_gain":
                nn.init.constant_(second.weight, 1.0 / self.divisor)
            return second
        if self.ablation == "downscale_frequency":
            return ConstantDownscale(self.divisor, "frequency")
        if self.ablation in ("downscale_space", "downscale_module"):
            return ConstantDownscale(self.divisor, "space")
        method: Method = "fft" if self.ablation == "separate" else self.method
        switches = _SWITCHES[self.ablation]
        return SpectralBatchNorm2d(channels, method=method, synchronised=self.synchronised, **switches)


def batch_norms(module: nn.Module, prefix: str) -> list[str]:
    """Names, behind ``prefix``, of all batch normalisations in a module."""
    return [f"{prefix}.{name}" for name, part in module.named_modules() if isinstance(part, nn.BatchNorm2d)]


def insert(network: nn.Module, names: Iterable[str], insertion: Insertion) -> None:
    """Put a second normalisation beside each of the named batch normalisations.

    A pair becomes a sequence of ``batch`` and ``second``, in the order of application; all other names stay.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    >>> insert(network, ["1"], Insertion("SBN1"))
    >>> [name for name, _ in network.named_modules() if name]
    ['0', '1', '1.batch', '1.second']
    """
    for name in names:
        batch = network.get_submodule(name)
        second = insertion.layer(int(batch.num_features))  # type: ignore[arg-type]
        if insertion.position == "instead":
            network.set_submodule(name, second)
            continue
        pair: list[tuple[str, nn.Module]] = [("batch", batch), ("second", second)]
        if insertion.position == "before":
            pair.reverse()
        network.set_submodule(name, nn.Sequential(OrderedDict(pair)))
