"""Forms of a complex convolution: one real convolution of doubled width, three real ones (Gauss), torch's own."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.layout import as_complex
from phasebench.properties.multiplications import multiplications
from phasebench.properties.precision import DTYPES, ROUNDING, name_of, normal, relative_error
from phasebench.properties.rows import Property

LAYER = "ComplexConv2d"
GROUPS = (1, 2)
GAUSS_SHARE = 3 / 4
_CHANNELS, _SIDE = 8, 9
_SPLIT = "Trabelsi et al. 2018, section 3.2"
_GAUSS = "Gauss: three real products for a complex one"
_WIDTH = "Nie and Yuan, Fig. 2"


def complex_convolution_laws() -> Iterator[Property]:
    """Equality of the forms, with stride and groups, and the share of multiplications that Gauss' form needs."""
    for dtype in DTYPES:
        for groups in GROUPS:
            yield from _equal_forms(groups, dtype)
    for groups in GROUPS:
        yield Property(
            "layer",
            LAYER,
            "multiplications of Gauss' form over the block form's",
            gauss_share(groups),
            GAUSS_SHARE,
            0.0,
            item=_item(groups),
            source=_GAUSS,
        )


def pair_of_forms(groups: int, dtype: torch.dtype) -> tuple[ComplexConv2d, ComplexConv2d]:
    """The block form and Gauss' form of one layer with random weights."""
    block = ComplexConv2d(_CHANNELS, _CHANNELS, 3, stride=2, padding=1, groups=groups).to(dtype)
    with torch.no_grad():
        block.weight.copy_(normal(*block.weight.shape, seed=1))
    gauss = copy.deepcopy(block)
    gauss.form = "gauss"
    return block, gauss


def gauss_share(groups: int) -> float:
    """Real multiplications of Gauss' form over those of the block form."""
    planes = normal(2, 2, _CHANNELS, _SIDE, _SIDE, dtype=torch.float32)
    block, gauss = pair_of_forms(groups, torch.float32)
    return multiplications(lambda: gauss(planes)) / multiplications(lambda: block(planes))


def native_convolution(layer: ComplexConv2d, maps: Tensor) -> Tensor:
    """The layer by torch's complex arithmetic, on complex maps ``(N, C, H, W)``."""
    return functional.conv2d(maps, torch.complex(*layer.weight), None, layer.stride, layer.padding, 1, layer.groups)


def doubled_convolution(layer: ComplexConv2d, maps: Tensor) -> Tensor:
    """The layer without groups as a real convolution of twice as many channels, on ``(N, 2C, H, W)``."""
    re, im = layer.weight.unbind(0)
    weight = torch.cat((torch.cat((re, -im), dim=1), torch.cat((im, re), dim=1)))
    return functional.conv2d(maps, weight, None, layer.stride, layer.padding)


def _equal_forms(groups: int, dtype: torch.dtype) -> Iterator[Property]:
    block, gauss = pair_of_forms(groups, dtype)
    planes = normal(2, 2, _CHANNELS, _SIDE, _SIDE, dtype=dtype)
    with torch.no_grad():
        found = block(planes)
        native = native_convolution(block, as_complex(planes))
        pairs = [
            ("block form equals native complex convolution", as_complex(found), native, _SPLIT),
            ("Gauss' form equals the block form", gauss(planes), found, _GAUSS),
        ]
        if groups == 1:
            doubled = doubled_convolution(block, planes.flatten(1, 2)).unflatten(1, (2, -1))
            pairs.append(("equals a real layer of doubled width", found, doubled, _WIDTH))
    for law, one, other, source in pairs:
        yield Property(
            "layer",
            LAYER,
            law,
            relative_error(one, other),
            0.0,
            ROUNDING[dtype],
            item=_item(groups),
            dtype=name_of(dtype),
            source=source,
        )


def _item(groups: int) -> str:
    return f"{groups} group{'s' if groups > 1 else ''}"
