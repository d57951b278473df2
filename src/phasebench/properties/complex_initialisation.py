"""Variances of the initialisations of complex convolutions, drawn once and divided by their formulae."""

from collections.abc import Callable, Iterator

import torch

from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.init import (
    fan_out_normal_,
    glorot_rayleigh_,
    he_rayleigh_,
    he_unitary_,
    quadrant_uniform_,
)
from phasebench.properties.precision import seeded
from phasebench.properties.rows import Property

IN_CHANNELS, OUT_CHANNELS, KERNEL = 32, 64, 3
FAN_IN, FAN_OUT = IN_CHANNELS * KERNEL**2, OUT_CHANNELS * KERNEL**2
SAMPLING = 0.03
"""Tolerance of a ratio of variances over 18,432 complex weights, four standard deviations of the ratio."""
_RATIO = "variance of a weight over its formula"
_TRABELSI = "Trabelsi et al. 2018, section 3.6"
VARIANCES: dict[str, tuple[Callable[[ComplexConv2d], object], float, str]] = {
    "he_rayleigh_": (he_rayleigh_, 2 / FAN_IN, f"2 / fan_in, {_TRABELSI}"),
    "he_unitary_": (he_unitary_, 2 / FAN_IN, f"2 / fan_in, {_TRABELSI}"),
    "glorot_rayleigh_": (glorot_rayleigh_, 2 / (FAN_IN + FAN_OUT), f"2 / (fan_in + fan_out), {_TRABELSI}"),
    "fan_out_normal_": (
        lambda layer: fan_out_normal_(layer, OUT_CHANNELS),
        1 / FAN_OUT,
        "1 / (k² channels), CIFARnet of Singhal, Xing and Yu 2022",
    ),
    "ComplexConv2d": (ComplexConv2d.reset_parameters, 2 / (3 * FAN_IN), "2 / (3 fan_in), torch's of a real layer"),
    "quadrant_uniform_": (
        lambda layer: quadrant_uniform_(layer.weight),
        2 / 12,
        "of U(0, 1) twice, prototypes of Singhal, Xing and Yu 2022",
    ),
}
"""Initialisation -> how it is drawn, the variance of a complex weight, and in words."""


def complex_initialisation_laws() -> Iterator[Property]:
    """The variance that each initialisation draws; torch's own is the control of He's law, which it falls short of."""
    for name, (initialise, variance, source) in VARIANCES.items():
        yield Property("layer", name, _RATIO, drawn_variance(initialise) / variance, 1.0, SAMPLING, source=source)
    yield Property(
        "layer",
        "ComplexConv2d",
        "variance of a weight over He's formula",
        drawn_variance(ComplexConv2d.reset_parameters) / (2 / FAN_IN),
        1.0,
        SAMPLING,
        is_control=True,
        source=f"2 / fan_in, {_TRABELSI}",
    )


def drawn_variance(initialise: Callable[[ComplexConv2d], object]) -> float:
    """Variance of the complex weights, the sum of those of real and imaginary parts."""
    with seeded(), torch.no_grad():
        layer = ComplexConv2d(IN_CHANNELS, OUT_CHANNELS, KERNEL)
        initialise(layer)
        return float(layer.weight.double().flatten(1).var(dim=1, correction=0).sum())
