"""Layers of other libraries beside ours: equal, or how they differ, and milliseconds of a forward and backward pass.

Each pair has the same input and, where the layers have parameters, the same ones. What is not installed is said to be
so. The libraries are complexPyTorch 0.4, torchcvnn 0.10 and complextorch 2.1. A difference that is stated here and gone
in another version shows as a control that holds, a new one as a law that does not.
"""

import importlib
import importlib.util
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from phasebench.nn.complex.activation import Cardioid, CReLU, ModReLU, ZReLU
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.equivariant_norm import EquivariantBatchNorm2d
from phasebench.nn.complex.gtrelu import EquivariantGTReLU, GTReLU
from phasebench.nn.complex.layout import as_complex
from phasebench.nn.complex.pooling import MagnitudeMaxPool2d
from phasebench.nn.complex.prototype import PrototypeDistance
from phasebench.nn.complex.whitening import ComplexBatchNorm2d
from phasebench.properties.complex_initialisation import FAN_IN, FAN_OUT, IN_CHANNELS, KERNEL, OUT_CHANNELS, SAMPLING
from phasebench.properties.peers import LIBRARIES
from phasebench.properties.precision import name_of, normal, relative_error, seeded
from phasebench.properties.rows import Property

CHANNELS, SIDE, BATCH, N_CLASSES = 6, 8, 4, 3
_BIAS = -0.4
EQUAL = 5e-4
"""Tolerance of a relative error in single precision, small offsets against division by zero included."""
N_TIMED = 3
_TIME = "milliseconds, forward and backward"
Input = Literal["maps", "features"]
Pair = Callable[[Any], tuple[nn.Module, nn.Module]]


@dataclass(frozen=True)
class Comparison:
    """A layer of a library beside ours.

    Attributes
    ----------
    library
        Name of the module that is imported.
    layer
        The layer's name there.
    module
        Module that has it.
    pair
        Makes our layer and theirs, with equal parameters, from that module.
    differs
        How they differ; '' for equal ones.
    gradient_differs
        How their gradients differ, where the outputs are equal.
    input
        Maps ``(N, C, H, W)`` or features ``(N, C)``.
    """

    library: str
    layer: str
    module: str
    pair: Pair
    differs: str = ""
    gradient_differs: str = ""
    input: Input = "maps"


@dataclass(frozen=True)
class Initialisation:
    """An initialisation of a complex weight in a library, and the variance that the cited formula asks for."""

    library: str
    name: str
    module: str
    draw: Callable[[Any, Tensor], object]
    variance: float
    formula: str
    differs: str = ""


def peer_layers_laws() -> Iterator[Property]:
    """Equality with our layers, and times, of every library that is installed."""
    for library in LIBRARIES:
        if importlib.util.find_spec(library) is None:
            yield Property("layer", library, "not installed: pip install 'phasebench[peers]'", math.nan)
            continue
        for comparison in COMPARISONS:
            if comparison.library == library:
                yield from compare(comparison)
        for initialisation in INITIALISATIONS:
            if initialisation.library == library:
                yield drawn(initialisation)


def compare(comparison: Comparison) -> Iterator[Property]:
    """Difference of outputs and of gradients in training mode, relative to the largest of ours, and times of both."""
    with seeded():
        ours, theirs = comparison.pair(importlib.import_module(comparison.module))
    shape = (BATCH, CHANNELS, SIDE, SIDE) if comparison.input == "maps" else (BATCH, CHANNELS)
    planes = torch.stack([normal(*shape, seed=seed, dtype=torch.float32) for seed in (0, 1)], dim=1)
    passes = [Pass(ours, planes), Pass(theirs, as_complex(planes))]
    subject, name = f"{comparison.library} {comparison.layer}", type(ours).__name__
    for law, values, differs in (
        (f"equals {name}", [one.output for one in passes], comparison.differs),
        (f"has the gradient of {name}", [one.gradient for one in passes], comparison.gradient_differs),
    ):
        # Where outputs differ, so do gradients.
        known = differs or comparison.differs
        yield Property(
            "layer",
            subject,
            law,
            difference(*values),
            0.0,
            EQUAL,
            dtype=name_of(torch.float32),
            is_control=bool(known),
            source=known,
        )
    for law, one in zip((_TIME, f"{_TIME}, {name}"), reversed(passes), strict=True):
        yield Property("layer", subject, law, one.milliseconds, dtype=name_of(torch.float32), unit="ms")


class Pass:
    """Output, gradient by the input and time of a layer on an input; no gradient where the backward pass fails.

    Parameters
    ----------
    layer : nn.Module
        In training mode.
    given : Tensor
        Its input.
    """

    def __init__(self, layer: nn.Module, given: Tensor) -> None:
        self.output = self.gradient = torch.empty(0)
        self.milliseconds = math.inf
        for _ in range(N_TIMED):
            leaf = given.clone().requires_grad_()
            start = time.perf_counter()
            # A copy, since some layers write into their input.
            self.output = layer(leaf.clone())
            try:
                _weighted_sum(self.output).backward()
            except RuntimeError:
                self.milliseconds = math.nan
                return
            assert leaf.grad is not None
            self.gradient = leaf.grad
            self.milliseconds = min(self.milliseconds, 1e3 * (time.perf_counter() - start))


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference over the largest modulus of ours; infinite for tensors of other shapes."""
    expected = as_complex(ours) if theirs.is_complex() else ours
    return relative_error(theirs, expected) if expected.shape == theirs.shape else math.inf


def _weighted_sum(output: Tensor) -> Tensor:
    """A number that depends on each real and imaginary part in another way, the same for both layouts."""
    parts = torch.stack((output.real, output.imag), dim=1) if output.is_complex() else output
    return (parts * normal(*parts.shape, seed=2, dtype=parts.dtype)).sum()


def drawn(initialisation: Initialisation) -> Property:
    """Variance of a drawn weight over its formula."""
    weight = torch.empty(OUT_CHANNELS, IN_CHANNELS, KERNEL, KERNEL, dtype=torch.complex64)
    with seeded(), torch.no_grad():
        initialisation.draw(importlib.import_module(initialisation.module), weight)
    parts = torch.view_as_real(weight).double().flatten(0, -2)
    return Property(
        "layer",
        f"{initialisation.library} {initialisation.name}",
        "variance of a weight over its formula",
        float(parts.var(dim=0, correction=0).sum()) / initialisation.variance,
        1.0,
        SAMPLING,
        is_control=bool(initialisation.differs),
        source="; ".join(filter(None, [initialisation.formula, initialisation.differs])),
    )


def _plain(ours: Callable[[], nn.Module], theirs: str, *arguments: Any) -> Pair:
    """A pair without parameters."""
    return lambda library: (ours(), getattr(library, theirs)(*arguments))


@torch.no_grad()
def _gtrelu(library: Any) -> tuple[nn.Module, nn.Module]:
    ours, theirs = GTReLU(CHANNELS), library.GTReLU(CHANNELS, phase_scale=True)
    factors = torch.linspace(0.3, 2.4, CHANNELS)
    for parameter, value in ((theirs.alpha, ours.scale[0]), (theirs.beta, ours.scale[1]), (theirs.lambd, factors)):
        parameter.copy_(value)
    assert ours.phase_factor is not None
    ours.phase_factor.copy_(factors)
    return ours, theirs


@torch.no_grad()
def _equivariant_relu(library: Any) -> tuple[nn.Module, nn.Module]:
    ours = EquivariantGTReLU(CHANNELS)
    # Theirs has no channel factors.
    ours.scale[0], ours.scale[1] = 1.0, 0.0
    return ours, library.EquivariantPhaseReLU(CHANNELS)


@torch.no_grad()
def _mod_relu(theirs: nn.Module) -> tuple[nn.Module, nn.Module]:
    ours = ModReLU(CHANNELS)
    ours.bias.fill_(_BIAS)
    return ours, theirs


@torch.no_grad()
def _torchcvnn_mod_relu(library: Any) -> tuple[nn.Module, nn.Module]:
    theirs = library.modReLU()
    theirs.b.fill_(_BIAS)
    return _mod_relu(theirs)


@torch.no_grad()
def _prototypes(library: Any) -> tuple[nn.Module, nn.Module]:
    ours, theirs = PrototypeDistance(CHANNELS, N_CLASSES), library.PrototypeDistance(CHANNELS, N_CLASSES)
    theirs.prototypes.copy_(torch.complex(*ours.prototypes))
    return ours, theirs


@torch.no_grad()
def _convolution(library: Any) -> tuple[nn.Module, nn.Module]:
    """Ours has no bias; theirs has one of zero."""
    ours = ComplexConv2d(CHANNELS, CHANNELS, 3, padding=1)
    sizes: dict[str, Any] = {"kernel_size": 3, "padding": 1}
    if hasattr(library, "ComplexConv2d"):
        theirs = library.ComplexConv2d(CHANNELS, CHANNELS, **sizes)
        for part, weight in zip((theirs.conv_r, theirs.conv_i), ours.weight, strict=True):
            part.weight.copy_(weight)
            part.bias.zero_()
        return ours, theirs
    theirs = library.Conv2d(CHANNELS, CHANNELS, **sizes, bias=False)
    theirs.conv.weight.copy_(torch.complex(*ours.weight))
    return ours, theirs


_CPT, _CVNN, _CT = LIBRARIES
_LAYERS, _CVNN_NN, _CT_NN = f"{_CPT}.complexLayers", f"{_CVNN}.nn", f"{_CT}.nn"
COMPARISONS = (
    Comparison(_CPT, "ComplexConv2d", _LAYERS, _convolution),
    Comparison(_CPT, "ComplexReLU", _LAYERS, _plain(CReLU, "ComplexReLU")),
    Comparison(_CPT, "ComplexMaxPool2d", _LAYERS, _plain(lambda: MagnitudeMaxPool2d(2), "ComplexMaxPool2d", 2)),
    Comparison(
        _CPT,
        "ComplexBatchNorm2d",
        _LAYERS,
        _plain(lambda: ComplexBatchNorm2d(CHANNELS), "ComplexBatchNorm2d", CHANNELS),
        "its weights start at sqrt(2) where Trabelsi et al. 2018, section 3.5, have 1 / sqrt(2): twice ours",
    ),
    Comparison(_CVNN, "CReLU", _CVNN_NN, _plain(CReLU, "CReLU")),
    Comparison(_CVNN, "zReLU", _CVNN_NN, _plain(ZReLU, "zReLU")),
    Comparison(_CVNN, "modReLU", _CVNN_NN, _torchcvnn_mod_relu),
    Comparison(_CVNN, "Cardioid", _CVNN_NN, _plain(Cardioid, "Cardioid")),
    Comparison(
        _CVNN,
        "MaxPool2d",
        _CVNN_NN,
        _plain(lambda: MagnitudeMaxPool2d(2), "MaxPool2d", 2),
        "its indices within a plane are looked up in the whole batch: only the first channel of the first image is "
        "pooled",
    ),
    Comparison(
        _CVNN,
        "BatchNorm2d",
        _CVNN_NN,
        _plain(lambda: ComplexBatchNorm2d(CHANNELS), "BatchNorm2d", CHANNELS),
        "its covariance of n numbers is divided by n - 1, ours by n: here by 1 / 512 smaller outputs",
    ),
    Comparison(_CT, "Conv2d", _CT_NN, _convolution),
    Comparison(
        _CT,
        "CReLU",
        _CT_NN,
        _plain(CReLU, "CReLU"),
        gradient_differs="its two ReLUs write into the parts of the input, which torch refuses in the backward pass",
    ),
    Comparison(_CT, "zReLU", _CT_NN, _plain(ZReLU, "zReLU")),
    Comparison(_CT, "modReLU", _CT_NN, lambda library: _mod_relu(library.modReLU(_BIAS))),
    Comparison(_CT, "CVCardiod", _CT_NN, _plain(Cardioid, "CVCardiod")),
    Comparison(_CT, "GTReLU", _CT_NN, _gtrelu),
    Comparison(_CT, "EquivariantPhaseReLU", _CT_NN, _equivariant_relu),
    Comparison(_CT, "MagMaxPool2d", _CT_NN, _plain(lambda: MagnitudeMaxPool2d(2), "MagMaxPool2d", 2)),
    Comparison(
        _CT, "MagBatchNorm2d", _CT_NN, _plain(lambda: EquivariantBatchNorm2d(CHANNELS), "MagBatchNorm2d", CHANNELS)
    ),
    Comparison(_CT, "BatchNorm2d", _CT_NN, _plain(lambda: ComplexBatchNorm2d(CHANNELS), "BatchNorm2d", CHANNELS)),
    Comparison(_CT, "PrototypeDistance", _CT_NN, _prototypes, input="features"),
)
"""Layers of the libraries for which there is one of ours."""

_TRABELSI = "Trabelsi et al. 2018, section 3.6"
INITIALISATIONS = (
    Initialisation(
        _CVNN,
        "complex_kaiming_normal_",
        f"{_CVNN}.nn.modules.initialization",
        lambda library, weight: library.complex_kaiming_normal_(weight, nonlinearity="relu"),
        2 / FAN_IN,
        "2 / fan_in, He et al. 2015 for complex weights",
        "torch's complex normal numbers have the variance of one part: half of it",
    ),
    Initialisation(
        _CT,
        "trabelsi_standard_, He",
        f"{_CT}.nn.init",
        lambda library, weight: library.trabelsi_standard_(weight, "he"),
        2 / FAN_IN,
        f"2 / fan_in, {_TRABELSI}",
    ),
    Initialisation(
        _CT,
        "trabelsi_standard_, Glorot",
        f"{_CT}.nn.init",
        lambda library, weight: library.trabelsi_standard_(weight, "glorot"),
        2 / (FAN_IN + FAN_OUT),
        f"2 / (fan_in + fan_out), {_TRABELSI}",
    ),
    Initialisation(
        _CT,
        "kaiming_normal_",
        f"{_CT}.nn.init",
        lambda library, weight: library.kaiming_normal_(weight, nonlinearity="relu"),
        2 / FAN_IN,
        "2 / fan_in, He et al. 2015 for complex weights",
    ),
)
"""Initialisations of the libraries: Rayleigh's of Deep Complex Networks, and He's."""
