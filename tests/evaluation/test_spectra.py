"""Magnitudes of frequencies around spectral layers, against single Fourier sums and the layer's own statistics."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from phasebench.common.errors import PhasebenchError
from phasebench.evaluation.spectra import N_CHANNELS, evaluate_spectra, magnitudes
from phasebench.evaluation.trained import TrainedRun
from phasebench.models.registry import build_model


class Images:
    """As much of a data set as the evaluation reads."""

    def __init__(self, count: int) -> None:
        self.images = torch.randn(count, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        self.test = torch.arange(count)

    def batch(self, indices: Tensor) -> Tensor:
        return self.images[indices]


def run(name: str) -> TrainedRun:
    torch.manual_seed(0)
    model = build_model(name, n_classes=10, in_channels=3, planes=(0, 1, 2))
    data = Images(6)
    for _ in range(3):
        model(data.images)
    return TrainedRun(SimpleNamespace(model=name), model.eval(), data)  # type: ignore[arg-type]


def test_magnitudes_are_fourier_sums_with_the_constant_in_the_middle() -> None:
    maps = torch.randn(1, 1, 4, 6, dtype=torch.float64)
    found = magnitudes(maps)[0, 0]
    assert found[2, 3].item() == pytest.approx(abs(maps.sum().item()))
    rows, columns = np.mgrid[:4, :6]
    wave = np.exp(-2j * np.pi * (rows * 1 / 4 + columns * -2 / 6))
    assert found[3, 1].item() == pytest.approx(abs((maps[0, 0].numpy() * wave).sum()))


def test_both_sides_of_the_second_normalisation_are_measured() -> None:
    trained = run("resnet18_sbn34")
    table = evaluate_spectra(trained)
    assert set(table["item"].str.partition("/")[0]) == {"module3", "module4"}
    channel = table[(table["metric"] == "magnitude_after") & (table["item"] == "module3/channel0")]
    assert channel["condition"].tolist() == list(range(64))
    assert len(table[table["metric"] == "magnitude_before"]) == N_CHANNELS * (64 + 16)

    # In evaluation the layer multiplies every row but the first of a map by one number a channel.
    layer = trained.model.get_submodule("layer4.1.bn2.second")
    seen: list[tuple[Tensor, Tensor]] = []
    layer.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0].clone(), output.clone())))
    with torch.no_grad():
        trained.model(trained.data.batch(trained.data.test))
    before, after = seen[0]
    values = table[(table["item"] == "module4") & table["metric"].str.startswith("magnitude_rms")].set_index("metric")
    # Parseval: the mean square of coefficients is the number of pixels times that of the map.
    for name, maps in (("before", before), ("after", after)):
        expected = (16 * maps.double().square().mean()).sqrt().item()
        assert values.loc[f"magnitude_rms_{name}", "value"] == pytest.approx(expected, rel=1e-5)
    factor = layer.weight / (layer.running_var + layer.options.eps).sqrt()
    torch.testing.assert_close(after[:, :, 1:], before[:, :, 1:] * factor[:, None, None])


def test_a_network_without_second_normalisation_is_refused() -> None:
    with pytest.raises(PhasebenchError, match="spectra: model 'resnet18' has no second normalisation"):
        evaluate_spectra(run("resnet18"))
