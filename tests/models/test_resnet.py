"""Residual networks: sizes, names, equality with torchvision's, and what is inserted where."""

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet as torchvision_resnet

from phasebench.common.errors import PhasebenchError
from phasebench.models.registry import count_parameters
from phasebench.models.resnet import ResNet
from phasebench.nn.spectral.norm import SpectralBatchNorm2d


def rgb(batch: int, side: int) -> Tensor:
    """Planes ``(N, 2, 3, side, side)`` of real images."""
    images = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
    return torch.stack((images, torch.zeros_like(images)), dim=1)


def empty(*arguments: object, **options: object) -> ResNet:
    """A network without memory for its parameters: enough to count them."""
    with torch.device("meta"):
        return ResNet(*arguments, **options)  # type: ignore[arg-type]


def inserted(network: nn.Module) -> list[str]:
    return [name for name, _ in network.named_modules() if name.rpartition(".")[2] == "second"]


@pytest.mark.parametrize(
    ("depth", "stem", "n_classes", "count"),
    [
        (18, "cifar", 10, 11_173_962),
        (18, "cifar", 100, 11_220_132),
        (34, "cifar", 10, 21_282_122),
        (34, "cifar", 100, 21_328_292),
        (50, "cifar", 10, 23_520_842),
        (50, "cifar", 100, 23_705_252),
        (18, "imagenet", 200, 11_279_112),
        (50, "imagenet", 200, 23_917_832),
        (50, "imagenet", 1000, 25_557_032),
    ],
)
def test_parameter_count(depth: int, stem: str, n_classes: int, count: int) -> None:
    assert count_parameters(empty(n_classes, depth=depth, stem=stem)) == count


@pytest.mark.parametrize(("depth", "insertion"), [(18, ""), (18, "SBN34"), (50, "2BN4")])
def test_a_narrow_network_is_the_same_with_fewer_channels(depth: int, insertion: str) -> None:
    """Every number of channels is an eighth of that of the study; names and insertions stay."""
    whole, narrow = (empty(10, depth=depth, insertion=insertion, width=width) for width in (64, 8))
    shapes = {name: tuple(tensor.shape) for name, tensor in narrow.named_parameters()}
    assert shapes.keys() == dict(whole.named_parameters()).keys()
    ends = {"conv1.weight": (8, 3, 3, 3), "fc.weight": (10, whole.fc.in_features // 8), "fc.bias": (10,)}
    for name, tensor in whole.named_parameters():
        channels, *rest = tensor.shape
        expected = (channels // 8, *(size // 8 for size in rest[:1]), *rest[1:])
        assert shapes[name] == ends.get(name, expected), name
    assert inserted(narrow) == inserted(whole)


def test_a_narrow_network_reads_images() -> None:
    network = ResNet(7, depth=18, insertion="SBN34", width=8)
    assert network(rgb(2, 16)).shape == (2, 7)
    with pytest.raises(PhasebenchError, match="width 0 of a ResNet is not above zero"):
        ResNet(7, width=0)


@pytest.mark.parametrize("shortcut", [True, False])
@pytest.mark.parametrize(
    ("depth", "modules", "layers", "parameters"),
    [
        (18, "34", (8, 10), (6_144, 7_680)),
        (18, "4", (4, 5), (4_096, 5_120)),
        (34, "34", (18, 20), (12_288, 13_824)),
        (34, "4", (6, 7), (6_144, 7_168)),
        (50, "34", (27, 29), (36_864, 43_008)),
        (50, "4", (9, 10), (18_432, 22_528)),
        (18, "1234", (16, 19), (7_680, 9_472)),
    ],
)
def test_insertions(
    depth: int, modules: str, layers: tuple[int, int], parameters: tuple[int, int], shortcut: bool
) -> None:
    plain = count_parameters(empty(10, depth=depth))
    for kind, layer in (("SBN", SpectralBatchNorm2d), ("2BN", nn.BatchNorm2d)):
        network = empty(10, depth=depth, insertion=kind + modules, shortcut=shortcut)
        names = inserted(network)
        assert len(names) == layers[shortcut]
        assert count_parameters(network) - plain == parameters[shortcut]
        assert {name[len("layer")] for name in names} == set(modules)
        assert all(isinstance(network.get_submodule(name), layer) for name in names)


@pytest.mark.parametrize(("depth", "stem"), [(18, "cifar"), (34, "imagenet"), (50, "cifar"), (50, "imagenet")])
def test_names_are_those_of_torchvision(depth: int, stem: str) -> None:
    with torch.device("meta"):
        reference = getattr(torchvision_resnet, f"resnet{depth}")()
    assert list(empty(1000, depth=depth, stem=stem).state_dict()) == list(reference.state_dict())


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_logits_and_gradients_are_those_of_torchvision(training: bool, depth: int) -> None:
    reference = getattr(torchvision_resnet, f"resnet{depth}")(num_classes=7).train(training)
    network = ResNet(7, depth=depth, stem="imagenet")
    network.load_state_dict(reference.state_dict())
    images = rgb(2, 64)
    logits, expected = network.train(training)(images), reference(images[:, 0])
    torch.testing.assert_close(logits, expected, rtol=0, atol=0)
    logits.square().sum().backward()
    expected.square().sum().backward()
    for (name, parameter), of_reference in zip(network.named_parameters(), reference.parameters(), strict=True):
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0, name
        torch.testing.assert_close(parameter.grad, of_reference.grad, rtol=0, atol=0)


def test_initial_weights_are_those_of_a_changed_torchvision_network() -> None:
    torch.manual_seed(3)
    reference = torchvision_resnet.resnet50(num_classes=10)
    reference.conv1 = nn.Conv2d(2, 64, 3, padding=1, bias=False)
    for module in reference.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    drawn = torch.rand(1)
    torch.manual_seed(3)
    network = ResNet(10, planes=(0, 3), depth=50)
    assert torch.equal(torch.rand(1), drawn)
    state = network.state_dict()
    for name, value in reference.state_dict().items():
        assert torch.equal(state[name], value), name


def test_convolutions_start_uniform() -> None:
    torch.manual_seed(0)
    network = ResNet(10)
    for convolution in network.modules():
        if isinstance(convolution, nn.Conv2d):
            bound = convolution.weight[0].numel() ** -0.5
            assert 0.99 * bound < convolution.weight.abs().max().item() <= bound
            # Of a uniform distribution.
            assert convolution.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)


def test_sizes_of_the_maps() -> None:
    sizes: dict[str, int] = {}
    network = empty(10, depth=50)
    for name in ("conv1", "layer1", "layer2", "layer3", "layer4"):
        network.get_submodule(name).register_forward_hook(
            lambda _, __, output, name=name: sizes.update({name: output.shape[-1]})
        )
    # Indices of planes are looked up in memory, which a network without any does not have.
    network.planes.indices = torch.arange(3, device="meta")
    network(torch.empty(1, 2, 3, 32, 32, device="meta"))
    assert sizes == {"conv1": 32, "layer1": 32, "layer2": 16, "layer3": 8, "layer4": 4}


def test_only_the_given_planes_are_read() -> None:
    network = ResNet(10, planes=(0, 3)).eval()
    images = torch.randn(1, 2, 2, 16, 16)
    logits = network(images)
    changed = images.clone()
    changed[:, 0, 1] = changed[:, 1, 0] = 5.0
    torch.testing.assert_close(network(changed), logits)
    assert not torch.allclose(network(-images), logits)
    assert network.conv1.in_channels == 2


@pytest.mark.parametrize(
    ("position", "order"), [("after", ["batch", "second"]), ("before", ["second", "batch"]), ("instead", None)]
)
def test_position_of_the_insertion(position: str, order: list[str] | None) -> None:
    network = empty(10, insertion="SBN4", position=position)
    place = network.get_submodule("layer4.0.bn1")
    if order is None:
        assert isinstance(place, SpectralBatchNorm2d)
    else:
        assert [name for name, _ in place.named_children()] == order


def test_spectral_layers_make_the_last_maps_small() -> None:
    norms = {}
    for insertion in ("", "2BN34", "SBN34"):
        torch.manual_seed(0)
        network = ResNet(10, insertion=insertion)
        network.layer4[1].bn2.register_forward_hook(
            lambda _, __, output, key=insertion: norms.update({key: output.square().mean().sqrt().item()})
        )
        with torch.no_grad():
            network(rgb(8, 32))
    assert norms["2BN34"] == pytest.approx(norms[""], rel=1e-3)
    # Maps of 4x4 pixels are divided by four times their root mean square.
    assert norms["SBN34"] == pytest.approx(1 / 4, rel=0.05)


def test_every_parameter_of_a_spectral_network_learns() -> None:
    torch.manual_seed(0)
    network = ResNet(10, insertion="SBN34")
    nn.functional.cross_entropy(network(rgb(4, 32)), torch.arange(4)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 20}, "ResNet20"),
        ({"stem": "svhn"}, "svhn"),
        ({"insertion": "SBN5"}, "modules 1 to 4"),
        ({"insertion": "LN3"}, "LN3"),
        ({"insertion": "SBN3", "position": "beside"}, "beside"),
        ({"insertion": "SBN3", "ablation": "half"}, "half"),
        ({"insertion": "SBN3", "method": "dct"}, "dct"),
        ({"insertion": "SBN3", "ablation": "downscale_space", "divisor": 0.0}, r"divisor 0\.0"),
    ],
    ids=str,
)
def test_unknown_choices_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(PhasebenchError, match=message):
        empty(10, **options)


def test_kernels_by_hes_rule_have_its_variance_and_those_of_torch_a_sixth_of_it() -> None:
    for init, share in (("torch", 1 / 3), ("he", 2.0)):
        torch.manual_seed(0)
        kernel = ResNet(10, depth=18, width=16, init=init).layer4[1].conv2.weight  # type: ignore[arg-type]
        assert kernel.var().item() == pytest.approx(share / kernel[0].numel(), rel=0.02)
    with pytest.raises(PhasebenchError, match="init 'lecun' is neither"):
        empty(10, init="lecun")
