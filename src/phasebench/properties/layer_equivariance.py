"""Equivariance and invariance of complex layers to a common factor of the input (Singhal, Xing and Yu 2022).

A layer is measured with random parameters and running statistics that have moved, as after some training. Layers that
lack a property are its controls: there the law must fail.
"""

import cmath
import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from phasebench.nn.complex.activation import Cardioid, CReLU, ModReLU, PolarTReLU, TReLU, ZReLU
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.distance_transform import GlobalDistanceTransform, LocalDistanceTransform
from phasebench.nn.complex.equivariant import EquivariantActivation
from phasebench.nn.complex.equivariant_norm import EquivariantBatchNorm2d
from phasebench.nn.complex.frechet_mean import WeightedFrechetMean2d
from phasebench.nn.complex.group_transport import GTransport
from phasebench.nn.complex.gtrelu import EquivariantGTReLU, EquivariantThresholdGTReLU, GTReLU
from phasebench.nn.complex.invariant import Conjugate, Division
from phasebench.nn.complex.layout import as_complex, as_planes
from phasebench.nn.complex.manifold import to_polar
from phasebench.nn.complex.pooling import LearnedPool2d, MagnitudeMaxPool2d
from phasebench.nn.complex.prototype import (
    InvariantManifoldPrototypeDistance,
    InvariantPrototypeDistance,
    ManifoldPrototypeDistance,
    PrototypeDistance,
)
from phasebench.nn.complex.real_planes import RealPlanes
from phasebench.nn.complex.whitening import ComplexBatchNorm2d
from phasebench.properties.precision import DTYPES, ROUNDING, name_of, normal, seeded
from phasebench.properties.rows import Property

Input = Literal["planes", "polar", "features"]
CHANNELS, SIDE = 5, 6
# Not 180: a change of sign passes through every real linear layer, the controls included.
DEGREES = (30, 100, 170, 250)
FACTORS = (0.5, 3.0)
OFFSETS = 1e-3
"""Tolerance of statements about magnitude, which hold up to the offsets that keep gradients finite at zero."""
_PASSES = 20


@dataclass(frozen=True)
class LayerStatement:
    """A layer, and what becomes of a common factor of its input.

    Attributes
    ----------
    build
        Makes the layer for :data:`CHANNELS` channels of :data:`SIDE` pixels squared.
    phase, magnitude
        "equivariant", "invariant" or "none", of a unit complex number and of a positive one; with "in training" or "in
        evaluation" behind it of that mode alone.
    source
        Where the layer is defined.
    input
        Planes, polar maps or features without pixels.
    """

    build: Callable[[], nn.Module]
    phase: str
    magnitude: str
    source: str
    input: Input = "planes"


_CDS = "Singhal, Xing and Yu 2022"
_DCN = "Trabelsi et al. 2018"
_SURREAL = "Chakraborty, Xing and Yu 2020"
STATEMENTS: dict[str, LayerStatement] = {
    "ComplexConv2d": LayerStatement(
        lambda: ComplexConv2d(CHANNELS, 4, 3, padding=1), "equivariant", "equivariant", f"{_CDS}, eq. 1"
    ),
    "CReLU": LayerStatement(CReLU, "none", "equivariant", f"{_DCN}, section 3.4"),
    "ZReLU": LayerStatement(ZReLU, "none", "equivariant", "Guberman 2016"),
    "ModReLU": LayerStatement(lambda: ModReLU(CHANNELS), "equivariant", "none", "Arjovsky, Shah and Bengio 2016"),
    "Cardioid": LayerStatement(Cardioid, "none", "equivariant", "Virtue, Yu and Lustig 2017"),
    "TReLU": LayerStatement(TReLU, "none", "none", f"{_CDS}, section 3.6"),
    "PolarTReLU": LayerStatement(PolarTReLU, "none", "none", _SURREAL, "polar"),
    "GTReLU": LayerStatement(lambda: GTReLU(CHANNELS), "none", "equivariant", f"{_CDS}, section 3.6"),
    "EquivariantGTReLU": LayerStatement(
        lambda: EquivariantGTReLU(CHANNELS), "equivariant", "equivariant", f"{_CDS}, section 3.6 and eq. 2"
    ),
    "EquivariantThresholdGTReLU": LayerStatement(
        lambda: EquivariantThresholdGTReLU(CHANNELS, threshold=0.7),
        "equivariant",
        "none",
        f"{_CDS}, section 3.6 and eq. 2",
    ),
    "EquivariantActivation": LayerStatement(
        lambda: EquivariantActivation(CReLU()), "equivariant", "equivariant", f"{_CDS}, eq. 2"
    ),
    "EquivariantBatchNorm2d": LayerStatement(
        lambda: EquivariantBatchNorm2d(CHANNELS), "equivariant", "invariant in training", f"{_CDS}, eq. 3"
    ),
    "ComplexBatchNorm2d": LayerStatement(
        lambda: ComplexBatchNorm2d(CHANNELS), "none", "invariant in training", f"{_DCN}, section 3.5"
    ),
    "Division": LayerStatement(lambda: Division(CHANNELS, 3), "invariant", "invariant", f"{_CDS}, eq. 4"),
    "Conjugate": LayerStatement(lambda: Conjugate(CHANNELS, 3), "invariant", "none", f"{_CDS}, eq. 5"),
    "RealPlanes": LayerStatement(lambda: RealPlanes((0, 1, 2, 7)), "none", "equivariant", f"{_CDS}, section 5.2"),
    "MagnitudeMaxPool2d": LayerStatement(
        lambda: MagnitudeMaxPool2d(2), "equivariant", "equivariant", f"{_CDS}, section 3.3"
    ),
    "LearnedPool2d": LayerStatement(
        lambda: LearnedPool2d(CHANNELS, SIDE), "equivariant", "equivariant", f"{_CDS}, section 5.2"
    ),
    "WeightedFrechetMean2d": LayerStatement(
        lambda: WeightedFrechetMean2d(CHANNELS, 4, 3, padding=1), "equivariant", "equivariant", _SURREAL, "polar"
    ),
    "GTransport": LayerStatement(lambda: GTransport(CHANNELS), "equivariant", "equivariant", _SURREAL, "polar"),
    "GlobalDistanceTransform": LayerStatement(
        lambda: GlobalDistanceTransform(CHANNELS, SIDE, SIDE), "invariant", "invariant", _SURREAL, "polar"
    ),
    "LocalDistanceTransform": LayerStatement(
        lambda: LocalDistanceTransform(CHANNELS, 3), "invariant", "invariant", _SURREAL, "polar"
    ),
    "PrototypeDistance": LayerStatement(
        lambda: PrototypeDistance(CHANNELS, 3), "none", "none", f"{_CDS}, eq. 6", "features"
    ),
    "InvariantPrototypeDistance": LayerStatement(
        lambda: InvariantPrototypeDistance(CHANNELS, 3), "invariant", "equivariant", f"{_CDS}, eq. 8", "features"
    ),
    "ManifoldPrototypeDistance": LayerStatement(
        lambda: ManifoldPrototypeDistance(CHANNELS, 3), "none", "none", f"{_CDS}, eq. 7", "features"
    ),
    "InvariantManifoldPrototypeDistance": LayerStatement(
        lambda: InvariantManifoldPrototypeDistance(CHANNELS, 3),
        "invariant",
        "invariant",
        f"{_CDS}, eq. 7 and 8",
        "features",
    ),
}
"""Class of :mod:`phasebench.nn.complex` -> what is stated of it, as on the page of the layers."""


def layer_equivariance_laws() -> Iterator[Property]:
    """Errors of each layer's statements about phase, over angles, and about magnitude, over factors."""
    for name, statement in STATEMENTS.items():
        settled = settled_layer(statement)
        for dtype in DTYPES:
            yield from statement_rows(name, statement, copy.deepcopy(settled).to(dtype), dtype)


def statement_rows(name: str, statement: LayerStatement, layer: nn.Module, dtype: torch.dtype) -> Iterator[Property]:
    """Rows of one layer in one type; ``layer`` has the parameters and running statistics to measure with."""
    turns: dict[str, complex] = {f"{angle}°": cmath.exp(1j * math.radians(angle)) for angle in DEGREES}
    scales: dict[str, complex] = {f"factor {factor:g}": factor for factor in FACTORS}
    for what, said, factors, tolerance in (
        ("phase", statement.phase, turns, ROUNDING[dtype]),
        ("magnitude", statement.magnitude, scales, OFFSETS),
    ):
        word, _, mode = said.partition(" in ")
        is_control = word == "none"
        noun = "invariance" if word == "invariant" else "equivariance"
        layer.train(mode == "training")
        for item, factor in factors.items():
            yield Property(
                "layer",
                name,
                f"{what} {noun}{f' in {mode}' if mode else ''}",
                factor_error(layer, statement.input, factor, noun == "equivariance", dtype),
                expected=0.0,
                tolerance=tolerance,
                item=item,
                dtype=name_of(dtype),
                is_control=is_control,
                source=statement.source,
            )


@torch.no_grad()
def factor_error(layer: nn.Module, kind: Input, factor: complex, equivariant: bool, dtype: torch.dtype) -> float:
    """Relative error of ``layer(factor z) = factor layer(z)``, or of ``layer(factor z) = layer(z)``."""
    before, after = (numbers(layer(layer_input(kind, one, dtype)), kind) for one in (1.0, factor))
    expected = factor * before if equivariant else before
    return float((after - expected).abs().max() / expected.abs().max())


def layer_input(kind: Input, factor: complex, dtype: torch.dtype) -> Tensor:
    """Four random inputs, each multiplied by the factor in double precision before it is rounded to the type."""
    maps = factor * torch.complex(*(normal(4, CHANNELS, SIDE, SIDE, seed=seed) for seed in (0, 1)))
    planes = as_planes(maps)
    if kind == "polar":
        return to_polar(planes).to(dtype)
    return (planes[..., 0, 0] if kind == "features" else planes).to(dtype)


def numbers(output: Tensor, kind: Input) -> Tensor:
    """The output as complex numbers, or as real ones where it is real: distances, channels of a real network."""
    if kind == "planes" and output.ndim == 5:
        return as_complex(output)
    if kind == "polar" and output.ndim == 5:
        return output[:, 0].exp() * torch.complex(output[:, 1], output[:, 2])
    return output


def settled_layer(statement: LayerStatement) -> nn.Module:
    """The layer in double precision with random parameters, whose running statistics have moved."""
    with seeded():
        layer = statement.build().double()
        for parameter in layer.parameters():
            nn.init.normal_(parameter)
        with torch.no_grad():
            for _ in range(_PASSES):
                layer(layer_input(statement.input, 1.0, torch.float64))
    return layer
