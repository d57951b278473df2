"""LeNet-like networks: published counts and shapes, and the complex one against native complex arithmetic."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from phasebench.models.lenet import ComplexLeNet, RealLeNet
from phasebench.models.registry import build_model, count_parameters
from phasebench.nn.complex.layout import as_planes

COUNTS = {
    ("lenet_real", 10): 170_810,
    ("lenet_complex", 10): 341_630,
    ("lenet_real_wide", 10): 569_670,
    ("lenet_complex_wide", 10): 1_139_372,
    ("lenet_real_audio", 2): 602_392,
    ("lenet_complex_audio", 2): 1_204_794,
    ("lenet_real_audio", 10): 606_400,
    ("lenet_complex_audio", 10): 1_212_810,
}


@pytest.mark.parametrize(("name", "n_classes"), COUNTS)
def test_published_parameter_counts(name: str, n_classes: int) -> None:
    model = build_model(name, n_classes=n_classes, in_channels=1, planes=(0,))
    assert count_parameters(model) == COUNTS[name, n_classes]
    size = (13, 126) if name.endswith("audio") else (28, 28)
    assert model(torch.zeros(2, 2, 1, *size)).shape == (2, n_classes)


def pooled(maps: Tensor) -> Tensor:
    """The number of largest modulus in every 2x2 window, one by one."""
    windows = maps.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    return windows.gather(4, windows.abs().argmax(dim=4, keepdim=True)).squeeze(4)


def complex_relu(maps: Tensor) -> Tensor:
    return torch.complex(maps.real.relu(), maps.imag.relu())


def whitened(maps: Tensor, model: ComplexLeNet) -> Tensor:
    """Batch statistics, the inverse root by eigendecomposition; the layer's first weights scale both parts."""
    centred = torch.view_as_real(maps - maps.mean(dim=(0, 2, 3), keepdim=True)).movedim(1, 0).flatten(1, 3)
    covariance = centred.mT @ centred / centred.shape[1] + 1e-5 * torch.eye(2, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(covariance)
    root = vectors @ torch.diag_embed(values.rsqrt()) @ vectors.mT
    shape = (maps.shape[1], maps.shape[0], *maps.shape[2:], 2)
    normal = (centred @ root).reshape(shape).movedim(0, 1) * model.norm.weight[0, 0]
    return torch.view_as_complex(normal.contiguous())


def test_the_complex_network_equals_native_complex_arithmetic() -> None:
    torch.manual_seed(0)
    model = ComplexLeNet(10).double()
    for layer in (model.conv1, model.conv2, model.dense1, model.dense2):
        assert layer.bias is not None
        torch.nn.init.normal_(layer.bias, std=0.1)
    images = torch.randn(6, 1, 28, 28, dtype=torch.complex128)

    def parameters(layer: torch.nn.Module) -> tuple[Tensor, Tensor]:
        return torch.complex(*layer.weight), torch.complex(*layer.bias)

    maps = pooled(complex_relu(functional.conv2d(images, *parameters(model.conv1))))
    maps = whitened(maps, model)
    features = pooled(complex_relu(functional.conv2d(maps, *parameters(model.conv2)))).flatten(1)
    (first, first_bias), (second, second_bias) = parameters(model.dense1), parameters(model.dense2)
    hidden = complex_relu(features @ first[..., 0, 0].T + first_bias)
    expected = (hidden @ second[..., 0, 0].T + second_bias).abs()
    torch.testing.assert_close(model(as_planes(images)), expected, rtol=1e-9, atol=1e-12)


def test_logits_are_moduli() -> None:
    torch.manual_seed(0)
    images = torch.randn(4, 2, 1, 28, 28)
    assert (RealLeNet(10)(images) >= 0).all()
    assert (ComplexLeNet(10)(images) >= 0).all()


@pytest.mark.parametrize(
    ("initialisation", "sigma"), [("rayleigh_glorot", (500 + 10) ** -0.5), ("rayleigh_he", 500**-0.5)]
)
def test_rayleigh_initialisation(initialisation: str, sigma: float) -> None:
    torch.manual_seed(0)
    weight = build_model(
        "lenet_complex", n_classes=10, in_channels=1, planes=(), initialisation=initialisation
    ).dense2.weight
    modulus = weight.square().sum(dim=0).sqrt()
    # A Rayleigh variable has mean sigma sqrt(pi / 2) and mean square 2 sigma^2.
    assert float(modulus.mean()) == pytest.approx(sigma * (torch.pi / 2) ** 0.5, rel=0.03)
    assert float(modulus.square().mean()) == pytest.approx(2 * sigma**2, rel=0.05)


def test_an_output_of_zero_has_a_finite_gradient() -> None:
    model = ComplexLeNet(3)
    with torch.no_grad():
        model.dense2.weight.zero_()
    model(torch.randn(2, 2, 1, 28, 28)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
