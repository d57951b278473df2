"""Laws of spectral batch normalisation (Cakaj, Mehnert and Yang 2023, Algorithm 1), which need no data."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from phasebench.nn.spectral.norm import Method, SpectralBatchNorm2d
from phasebench.properties.precision import DTYPES, ROUNDING, name_of, normal, relative_error
from phasebench.properties.rows import Property

SIZES = ((8, 8), (7, 7), (5, 6), (6, 5), (1, 1), (1, 4), (4, 1), (3, 18), (3, 34), (3, 35), (2, 2))
"""Height and width of maps: even and odd sides, single rows, columns and pixels, wide rows."""
CHANNELS = 4
SAMPLING = 0.02
"""Relative tolerance of a root mean square over a batch of 64 random maps of 8 channels."""
_LAYER, _BN = "SpectralBatchNorm2d", "BatchNorm2d"
_STUDY = "Cakaj, Mehnert and Yang 2023"


def spectral_norm_laws() -> Iterator[Property]:
    """Closed form against transforms, size of the maps at the start, the bias, and the gain over frequencies."""
    for dtype in DTYPES:
        for size in SIZES:
            yield _closed_form(size, dtype)
        for layer in (spectral_layer(dtype), batch_layer(dtype)):
            yield _bias(layer, dtype)
        for layer in (spectral_layer(dtype), spectral_layer(dtype, "fft", separate=True)):
            yield _gain(layer, dtype)
    for side in (4, 7, 8):
        for new in (SpectralBatchNorm2d(8), nn.BatchNorm2d(8)):
            yield _root_mean_square(new, side)


def spectral_layer(dtype: torch.dtype, method: Method = "direct", *, separate: bool = False) -> SpectralBatchNorm2d:
    """A layer in training mode with random weight and bias."""
    layer = SpectralBatchNorm2d(CHANNELS, method=method, separate=separate).to(dtype)
    _randomise(layer)
    return layer


def batch_layer(dtype: torch.dtype) -> nn.BatchNorm2d:
    """Batch normalisation likewise, the control."""
    layer = nn.BatchNorm2d(CHANNELS).to(dtype)
    _randomise(layer)
    return layer


@torch.no_grad()
def bias_error(layer: nn.Module, dtype: torch.dtype) -> float:
    """Error of the law that a bias adds itself to the pixel in the corner and to no other, over the largest bias."""
    maps, change = normal(2, CHANNELS, 5, 6, dtype=dtype), torch.tensor([1.0, -2.0, 3.0, 0.5], dtype=dtype)
    before = layer(maps)
    bias = layer.bias
    assert isinstance(bias, Tensor)
    bias += change
    expected = torch.zeros_like(before)
    expected[:, :, 0, 0] = change
    return relative_error(layer(maps) - before, expected)


@torch.no_grad()
def gain_error(layer: nn.Module, dtype: torch.dtype) -> float:
    """Spread over frequencies of the factor by which a layer multiplies differences of two images, over its mean."""
    maps = normal(6, CHANNELS, 7, 8, dtype=dtype)
    # What is added to every image drops out of differences.
    before, after = (torch.fft.rfft2(values[1:] - values[:1]) for values in (maps, layer(maps)))
    gain = (after * before.conj()).sum(dim=0) / before.abs().square().sum(dim=0)
    mean = gain.mean(dim=(1, 2), keepdim=True)
    return float(((gain - mean).abs() / mean.abs()).max())


@torch.no_grad()
def root_mean_square(layer: nn.Module, side: int) -> float:
    """Root mean square of the output on maps of unit variance and ``side`` pixels squared."""
    return float(layer(normal(64, 8, side, side, dtype=torch.float32)).square().mean().sqrt())


@torch.no_grad()
def _randomise(layer: nn.Module) -> None:
    for index, parameter in enumerate(layer.parameters()):
        parameter.copy_(normal(*parameter.shape, seed=10 + index))


@torch.no_grad()
def _closed_form(size: tuple[int, int], dtype: torch.dtype) -> Property:
    maps = normal(3, CHANNELS, *size, dtype=dtype)
    return Property(
        "layer",
        _LAYER,
        "closed form equals Fourier transforms",
        relative_error(spectral_layer(dtype)(maps), spectral_layer(dtype, "fft")(maps)),
        0.0,
        ROUNDING[dtype],
        item=f"{size[0]}x{size[1]}",
        dtype=name_of(dtype),
        source=f"{_STUDY}, Algorithm 1",
    )


def _bias(layer: nn.Module, dtype: torch.dtype) -> Property:
    spectral = isinstance(layer, SpectralBatchNorm2d)
    return Property(
        "layer",
        _LAYER if spectral else _BN,
        "the bias adds itself to one pixel",
        bias_error(layer, dtype),
        0.0,
        ROUNDING[dtype],
        dtype=name_of(dtype),
        is_control=not spectral,
        source=f"{_STUDY}, Algorithm 1, line 7",
    )


def _gain(layer: SpectralBatchNorm2d, dtype: torch.dtype) -> Property:
    return Property(
        "layer",
        _LAYER,
        "one gain for all frequencies",
        gain_error(layer, dtype),
        0.0,
        ROUNDING[dtype],
        item="real and imaginary parts apart" if layer.separate else "",
        dtype=name_of(dtype),
        is_control=layer.separate,
        source=f"{_STUDY}, section V-J" if layer.separate else f"{_STUDY}, Algorithm 1",
    )


def _root_mean_square(layer: nn.Module, side: int) -> Property:
    spectral = isinstance(layer, SpectralBatchNorm2d)
    return Property(
        "layer",
        _LAYER if spectral else _BN,
        "root mean square of a map at the start is 1 / sqrt(HW)",
        root_mean_square(layer, side),
        1 / side,
        SAMPLING / side,
        item=f"{side}x{side}",
        dtype=name_of(torch.float32),
        is_control=not spectral,
        source=f"{_STUDY}, section IV",
    )
