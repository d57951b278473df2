"""Group normalisation of spectra, and complex weight and bias, against their definitions in complex numbers."""

import numpy as np
import pytest
import torch
from support.spectral_layers import random_maps

from phasebench.common.errors import PhasebenchError
from phasebench.nn.spectral.group_norm import ComplexSpectralBatchNorm2d, SpectralGroupNorm2d
from phasebench.nn.spectral.norm import SpectralBatchNorm2d

SHAPES = [(2, 6, 8, 8), (3, 6, 5, 7), (2, 6, 1, 4)]
COMPLEX = np.array([[1.0, 0.5, -0.3, 2.0, 0.0, 1.0], [0.0, -1.0, 0.7, 0.2, 1.0, -0.4]])


def half_spectra(maps: torch.Tensor) -> np.ndarray:
    return np.fft.rfft2(maps.numpy())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("groups", [1, 2, 6], ids=["layer", "group", "instance"])
@pytest.mark.parametrize("affine", ["real", "complex", "none"])
def test_each_group_of_each_sample_is_normalised_by_itself(shape: tuple[int, ...], groups: int, affine: str) -> None:
    layer, maps = SpectralGroupNorm2d(groups, 6, affine=affine).double(), random_maps(*shape)
    spectra = half_spectra(maps)
    expected = np.empty_like(spectra)
    for sample in range(shape[0]):
        for channels in np.array_split(np.arange(6), groups):
            own = spectra[sample, channels]
            expected[sample, channels] = (own - own.mean()) / np.sqrt(own.var() + layer.eps)
    if affine != "none":
        assert layer.weight is not None
        assert layer.bias is not None
        values = torch.from_numpy(COMPLEX if affine == "complex" else COMPLEX[0])
        with torch.no_grad():
            layer.weight.copy_(values)
            layer.bias.copy_(values.flip(-1))
        factor = COMPLEX[0] + 1j * COMPLEX[1] if affine == "complex" else COMPLEX[0]
        expected = factor[:, None, None] * expected + factor[::-1, None, None]
    np.testing.assert_allclose(layer(maps).detach(), np.fft.irfft2(expected, s=shape[2:]), atol=1e-12)


def test_groups_that_do_not_divide_the_channels_and_other_affine_maps_are_refused() -> None:
    with pytest.raises(PhasebenchError, match=r"4 groups .* do not divide 6 channels"):
        SpectralGroupNorm2d(4, 6)
    with pytest.raises(PhasebenchError, match="affine 'both'"):
        SpectralGroupNorm2d(2, 6, affine="both")
    with pytest.raises(ValueError, match=r"expected maps \(B, 6, H, W\)"):
        SpectralGroupNorm2d(2, 6)(torch.zeros(2, 4, 3, 3))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_complex_weight_of_one_is_spectral_batch_normalisation(shape: tuple[int, ...]) -> None:
    ours, real, maps = ComplexSpectralBatchNorm2d(6).double(), SpectralBatchNorm2d(6).double(), random_maps(*shape)
    for training in (True, False):
        outputs = [layer.train(training)(maps) for layer in (ours, real)]
        torch.testing.assert_close(*outputs, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(ours.running_mean, real.running_mean)
    torch.testing.assert_close(ours.running_var, real.running_var)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_complex_weight_and_bias_act_on_each_coefficient_of_the_half_spectrum(shape: tuple[int, ...]) -> None:
    layer, maps = ComplexSpectralBatchNorm2d(6).double(), random_maps(*shape)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(COMPLEX))
        layer.bias.copy_(torch.from_numpy(COMPLEX[:, ::-1].copy()))
    spectra, factor = half_spectra(maps), (COMPLEX[0] + 1j * COMPLEX[1])[:, None, None]
    mean = spectra.mean(axis=(0, 2, 3), keepdims=True)
    normal = (spectra - mean) / np.sqrt(spectra.var(axis=(0, 2, 3), keepdims=True) + layer.options.eps)
    expected = np.fft.irfft2(factor * normal + factor[::-1], s=shape[2:])
    np.testing.assert_allclose(layer(maps).detach(), expected, atol=1e-12)
