"""SurReal's two networks."""

import shutil
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from phasebench.models.surreal import CifarSurReal, MstarSurReal
from phasebench.nn.complex.distance_transform import GlobalDistanceTransform
from phasebench.nn.complex.frechet_mean import WeightedFrechetMean2d
from phasebench.nn.complex.group_transport import GTransport
from phasebench.nn.complex.layout import as_complex, rotate
from phasebench.nn.complex.manifold import to_polar


def chip_network(n_classes: int = 10, in_channels: int = 1) -> nn.Module:
    return MstarSurReal(n_classes, in_channels)


def image_network(n_classes: int = 10, in_channels: int = 2) -> nn.Module:
    return CifarSurReal(n_classes, in_channels)


NETWORKS = [(image_network, (2, 32, 32)), (chip_network, (1, 128, 128))]


@pytest.mark.parametrize(
    ("network", "n_classes", "in_channels", "count"),
    [
        (CifarSurReal, 10, 2, 35_274),
        (CifarSurReal, 10, 3, 35_418),
        (CifarSurReal, 100, 2, 46_884),
        (MstarSurReal, 10, 1, 65_905),
        (MstarSurReal, 11, 1, 65_936),
    ],
)
def test_parameter_count(network: Callable[..., nn.Module], n_classes: int, in_channels: int, count: int) -> None:
    model = network(n_classes=n_classes, in_channels=in_channels)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def heights(model: nn.Module, images: Tensor) -> list[int]:
    """Heights of the inputs of the means and of the outputs of distance and tail's layers, in the order of calls."""
    sizes: list[int] = []
    model.get_submodule("distance").register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-2]))
    for layer in model.get_submodule("tail").children():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            layer.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-2]))
    for name, module in model.named_children():
        if name.startswith("mean"):
            assert isinstance(module, WeightedFrechetMean2d)
            average = module.average
            module.average = lambda polar, average=average: sizes.append(polar.shape[-2]) or average(polar)
    model(images)
    return sizes


def test_spatial_sizes() -> None:
    assert heights(image_network(), torch.randn(2, 2, 2, 32, 32)) == [32, 16, 8, 4, 1]
    assert heights(chip_network(), torch.randn(2, 2, 1, 128, 128)) == [100, 48, 22, 18, 9, 2, 1]


def test_chips_are_cropped_at_the_centre_and_small_ones_refused() -> None:
    model, chips = chip_network().eval(), torch.randn(2, 2, 1, 128, 128)
    assert torch.equal(model(chips), model(chips[..., 14:114, 14:114]))
    with pytest.raises(ValueError, match="at least 100x100 pixels, got 100x99"):
        model(chips[..., :100, :99])


def settled(build: Callable[..., nn.Module], shape: tuple[int, int, int], count: int = 6) -> tuple[nn.Module, Tensor]:
    """A double-precision model in evaluation mode whose running statistics have moved, and its images."""
    torch.manual_seed(1)
    model, images = build().double(), torch.randn(count, 2, *shape, dtype=torch.float64)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("shift"):
                parameter.normal_()
        for _ in range(3):
            model(images)
    return model.eval(), images


def relative_change(model: nn.Module, images: Tensor, changed: Tensor) -> float:
    with torch.no_grad():
        before, after = model(images), model(changed)
    return float((after - before).abs().max() / before.abs().max())


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
def test_networks_are_invariant_to_complex_scaling(
    build: Callable[..., nn.Module], shape: tuple[int, int, int]
) -> None:
    model, images = settled(build, shape)
    turned = rotate(images, torch.linspace(0.3, 6.1, len(images), dtype=torch.float64))
    assert relative_change(model, images, turned) < 1e-12
    assert relative_change(model, images, 3.0 * turned) < 1e-5
    # Turning channels by different angles is no common factor.
    mixed = torch.cat((turned[..., : shape[1] // 2, :], images[..., shape[1] // 2 :, :]), dim=-2)
    assert relative_change(model, images, mixed) > 1e-3
    single = model.float()
    assert relative_change(single, images.float(), turned.float()) < 1e-4


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
def test_zeros_break_invariance_but_stay_finite(build: Callable[..., nn.Module], shape: tuple[int, int, int]) -> None:
    model, images = settled(build, shape, 2)
    images[..., : shape[1] // 2, :] = 0.0
    assert relative_change(model, images, rotate(images, torch.ones(2, dtype=torch.float64))) > 1e-6
    planes = torch.zeros(2, 2, *shape, requires_grad=True)
    logits = model.train().float()(planes)
    gradients = torch.autograd.grad(logits.square().sum(), (planes, *model.parameters()))
    assert logits.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
def test_every_parameter_and_the_input_get_a_gradient(
    build: Callable[..., nn.Module], shape: tuple[int, int, int]
) -> None:
    torch.manual_seed(0)
    model, planes = build(), torch.randn(4, 2, *shape, requires_grad=True)
    loss = functional.cross_entropy(model(planes), torch.arange(4))
    inputs = dict(model.named_parameters(), planes=planes)
    for name, gradient in zip(inputs, torch.autograd.grad(loss, tuple(inputs.values())), strict=True):
        assert gradient.isfinite().all(), name
        assert gradient.abs().max() > 0.0, name


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
def test_native_complex_input_equals_planes(build: Callable[..., nn.Module], shape: tuple[int, int, int]) -> None:
    model, planes = build().eval(), torch.randn(2, 2, *shape)
    assert torch.equal(model(as_complex(planes)), model(planes))


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
def test_autocast_changes_the_logits_by_a_rounding(
    build: Callable[..., nn.Module], shape: tuple[int, int, int]
) -> None:
    model, images = settled(build, shape)
    model, images = model.float(), images.float()
    plain = model(images).detach()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(images)
        loss = functional.cross_entropy(rounded.float(), torch.arange(len(images)))
    assert float((rounded.detach() - plain).abs().max() / plain.abs().max()) < 0.05
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, tuple(model.parameters())))


@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="no C++ compiler")
def test_compiled_layers_equal_eager_layers() -> None:
    torch.manual_seed(0)
    mean, layer, distances = WeightedFrechetMean2d(2, 4, 3, padding=1), GTransport(4), GlobalDistanceTransform(4, 6, 6)
    parameters = (mean.weight, layer.shift, layer.turn, distances.weight)

    def forward(planes: Tensor) -> Tensor:
        result: Tensor = distances(layer.after(mean, to_polar(planes)))
        return result

    planes, results = torch.randn(4, 2, 2, 6, 6), []
    for function in (forward, torch.compile(forward, dynamic=False)):
        maps = function(planes)
        results.append([maps, *torch.autograd.grad(maps.square().sum(), parameters)])
    for eager, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, eager, rtol=1e-4, atol=1e-3)
