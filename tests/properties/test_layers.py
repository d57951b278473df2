"""Laws of convolutions, initialisations, perceptrons, graphs and spectral layers; a broken layer breaks its law."""

import re

import numpy as np
import pytest
import torch
from support.checkout import ROOT
from support.perceptron_oracle import loss_and_gradients, native
from torch import Tensor, nn
from torch.nn import functional

from phasebench.models import mlp
from phasebench.models.graph import GraphNet
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.spectral import functional as spectral_functional
from phasebench.properties import complex_convolution, complex_initialisation, complex_perceptron, graph_convolution
from phasebench.properties.complex_convolution import complex_convolution_laws
from phasebench.properties.complex_initialisation import complex_initialisation_laws
from phasebench.properties.complex_perceptron import complex_perceptron_laws, derivatives_of_the_appendix
from phasebench.properties.graph_convolution import graph_convolution_laws
from phasebench.properties.multiplications import multiplications
from phasebench.properties.registry import LAWS
from phasebench.properties.rows import Property
from phasebench.properties.spectral_norm import SIZES, root_mean_square, spectral_norm_laws


def broken(rows: list[Property]) -> set[str]:
    """Laws that do not hold, controls left out."""
    return {row.law for row in rows if row.holds is False and not row.is_control}


@pytest.mark.parametrize("name", LAWS)
def test_laws_hold_and_controls_fail_and_are_the_same_every_time(name: str) -> None:
    rows = list(LAWS.load(name)())
    # A library that is not installed is a line without a value.
    assert [row for row in rows if row.holds is None and not row.law.startswith("not installed: ")] == []
    assert [row for row in rows if row.holds is not None and row.holds == row.is_control] == []
    assert all(row.kind == "layer" and row.law and row.subject for row in rows)
    assert rows == list(LAWS.load(name)())


def test_every_law_is_registered() -> None:
    defined = {
        f"phasebench.properties.{path.stem}:{name}"
        for path in (ROOT / "src/phasebench/properties").glob("*.py")
        for name in re.findall(r"^def (\w+_laws)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
        if not name.startswith("_")
    }
    assert defined == set(LAWS.values())


def test_a_wrong_form_of_the_convolution_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    gauss = ComplexConv2d._gauss
    monkeypatch.setattr(ComplexConv2d, "_gauss", lambda self, planes, weight: gauss(self, planes, weight).flip(1))
    assert broken(list(complex_convolution_laws())) == {"Gauss' form equals the block form"}
    monkeypatch.setattr(ComplexConv2d, "_gauss", ComplexConv2d._block)
    assert broken(list(complex_convolution_laws())) == {"multiplications of Gauss' form over the block form's"}


def test_multiplications_are_counted_by_hand() -> None:
    maps, matrix = torch.zeros(2, 4, 6, 6), torch.zeros(3, 4)
    convolution = nn.Conv2d(4, 8, 3, padding=1, groups=2)
    assert multiplications(lambda: convolution(maps)) == 2 * 8 * 36 * 2 * 9
    assert multiplications(lambda: matrix @ matrix.T) == 3 * 4 * 3
    assert multiplications(lambda: torch.matmul(matrix, matrix.T)) == 3 * 4 * 3
    assert multiplications(lambda: matrix + matrix) == 0
    layer = ComplexConv2d(3, 5, 3)
    assert multiplications(lambda: layer(torch.zeros(2, 2, 3, 6, 6))) == 4 * (2 * 5 * 16 * 3 * 9)
    assert complex_convolution.gauss_share(1) == 3 / 4


def test_a_wrong_variance_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    variances = {**complex_initialisation.VARIANCES}
    initialise, variance, source = variances["he_rayleigh_"]
    variances["he_rayleigh_"] = (initialise, 1.1 * variance, source)
    monkeypatch.setattr(complex_initialisation, "VARIANCES", variances)
    assert broken(list(complex_initialisation_laws())) == {"variance of a weight over its formula"}


def test_the_derivatives_are_those_of_the_oracle() -> None:
    generator = torch.Generator().manual_seed(3)
    first, second, inputs = (
        torch.randn(*shape, generator=generator, dtype=torch.complex128) / 2 for shape in ((7, 12), (4, 7), (12, 20))
    )
    labels = torch.arange(20) % 4
    _, *expected = loss_and_gradients(first.numpy(), second.numpy(), inputs.numpy(), labels.numpy())
    for found, other in zip(derivatives_of_the_appendix(first, second, inputs, labels), expected, strict=True):
        np.testing.assert_allclose(found.numpy(), other, rtol=1e-10, atol=1e-14)
    assert native(torch.stack((first.real, first.imag))).shape == (7, 12)


def test_a_wrong_perceptron_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp, "class_scores", lambda outputs: outputs.abs().sum(dim=-3))
    assert broken(list(complex_perceptron_laws())) == {"equation 1 equals autograd", "equation 2 equals autograd"}
    monkeypatch.undo()

    def four_products(weight: Tensor, planes: Tensor) -> Tensor:
        (a, b), (x, y) = weight, planes
        return torch.stack((a @ x - b @ y, a @ y + b @ x))

    monkeypatch.setattr(complex_perceptron, "matrix_product", four_products)
    assert broken(list(complex_perceptron_laws())) == {"multiplications over those of four real products"}


def test_wrong_graphs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    leaking = GraphNet._weights
    monkeypatch.setattr(
        GraphNet, "_weights", lambda self, nodes, phases: leaking(self, nodes, phases) + phases.mean().abs()
    )
    assert broken(list(graph_convolution_laws())) == {"logits independent of the other clips of a batch"}
    monkeypatch.undo()
    monkeypatch.setattr(graph_convolution, "normalised", lambda adjacency, _: adjacency)
    assert broken(list(graph_convolution_laws())) == {"rank of the normalised adjacency"}


def test_a_wrong_spectral_layer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = spectral_functional.affine_spectrum

    def with_leak(maps: Tensor, gain: Tensor, offset: Tensor | None) -> Tensor:
        return functional.pad(exact(maps, gain, offset)[..., :-1], (0, 1)) + 0.1 * maps

    monkeypatch.setattr(spectral_functional, "affine_spectrum", with_leak)
    assert broken(list(spectral_norm_laws())) >= {
        "closed form equals Fourier transforms",
        "one gain for all frequencies",
    }
    assert len(SIZES) == 11


def test_the_size_of_maps_follows_weight_and_pixels() -> None:
    assert root_mean_square(nn.BatchNorm2d(8), 4) == pytest.approx(1.0, rel=1e-3)
    assert root_mean_square(nn.Identity(), 4) == pytest.approx(1.0, rel=0.02)
