"""Insertion of second normalisations by name."""

import pytest
import torch
from torch import nn

from phasebench.common.errors import PhasebenchError
from phasebench.models.resnet import ResNet
from phasebench.models.vgg import Vgg
from phasebench.nn.spectral.insertion import Insertion
from phasebench.nn.spectral.norm import SpectralBatchNorm2d


@pytest.mark.parametrize(
    ("ablation", "trained", "centre", "divide"),
    [
        ("none", {"weight", "bias"}, True, True),
        ("subtract_only", set(), True, False),
        ("divide_only", set(), False, True),
        ("no_affine", set(), True, True),
        ("weight_only", {"weight"}, False, False),
        ("separate", {"weight", "bias"}, True, True),
        ("gain_only", {"weight"}, False, True),
        ("row_zero", {"bias"}, True, False),
    ],
)
def test_ablations_by_name(ablation, trained: set[str], centre: bool, divide: bool) -> None:
    layer = Insertion("SBN4", ablation=ablation).layer(3)
    assert isinstance(layer, SpectralBatchNorm2d)
    assert {name for name, _ in layer.named_parameters()} == trained
    assert (layer.options.centre, layer.options.divide) == (centre, divide)
    assert layer.separate == (ablation == "separate")


def test_the_second_layer_of_the_comparison_is_batch_normalisation() -> None:
    assert isinstance(Insertion("2BN34").layer(7), nn.BatchNorm2d)


def test_gain_and_row_zero_together_are_the_layer() -> None:
    """The gain alone differs from the layer in row 0; its other part leaves all other rows as they are."""
    maps = torch.randn(6, 3, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole, gain, row = (
        Insertion("SBN4", ablation=name).layer(3).double()(maps)  # type: ignore[arg-type]
        for name in ("none", "gain_only", "row_zero")
    )
    torch.testing.assert_close(row[:, :, 1:], maps[:, :, 1:])
    assert (row[:, :, 0] - maps[:, :, 0]).abs().max() > 0.1
    spectrum = torch.fft.rfft2(maps)
    mean = spectrum.mean(dim=(0, 2, 3), keepdim=True)
    raw = (spectrum.abs().square().mean(dim=(0, 2, 3), keepdim=True) - mean.abs().square() + 1e-5).sqrt()
    torch.testing.assert_close(gain, maps / raw)
    torch.testing.assert_close(row, torch.fft.irfft2(spectrum - mean, s=maps.shape[2:]))
    torch.testing.assert_close(whole, row / raw)


@pytest.mark.parametrize("build", [ResNet, Vgg])
def test_what_follows_the_size_of_a_modules_maps_is_its_side(build: type[nn.Module]) -> None:
    depth = 18 if build is ResNet else 16
    shapes: dict[str, int] = {}
    with torch.device("meta"):
        small = build(10, depth=depth, insertion="2BN34", ablation="small_gain")
        divided = build(10, depth=depth, insertion="SBN34", ablation="downscale_module")
    for name, module in divided.named_modules():
        if name.endswith("second"):
            module.register_forward_hook(lambda _, inputs, output, at=name: shapes.update({at: inputs[0].shape[-1]}))
    divided(torch.empty(2, 2, 3, 32, 32, device="meta"))
    assert set(shapes.values()) == {8, 4}
    for name, side in shapes.items():
        assert divided.get_submodule(name).divisor == side
        assert isinstance(small.get_submodule(name), nn.BatchNorm2d)
    real = Insertion("2BN34", ablation="small_gain").in_module(3).layer(4)
    assert real.weight.tolist() == [1 / 8] * 4  # type: ignore[union-attr, operator]
    with pytest.raises(PhasebenchError, match="'small_gain' is for a second batch normalisation, not 'SBN34'"):
        Insertion("SBN34", ablation="small_gain")
