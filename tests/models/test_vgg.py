"""VGG networks: sizes, names, initialisation, and what is inserted where."""

import pytest
import torch
from torch import nn
from torchvision.models import vgg as torchvision_vgg

from phasebench.common.errors import PhasebenchError
from phasebench.models.registry import count_parameters
from phasebench.models.vgg import Vgg
from phasebench.nn.spectral.norm import SpectralBatchNorm2d


def empty(*arguments: object, **options: object) -> Vgg:
    """A network without memory for its parameters: enough to count them."""
    with torch.device("meta"):
        return Vgg(*arguments, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("depth", "head", "n_classes", "count"),
    [
        (16, "narrow", 10, 15_253_578),
        (16, "narrow", 100, 15_299_748),
        (19, "narrow", 10, 20_565_834),
        (19, "narrow", 100, 20_612_004),
        (16, "wide", 10, 33_646_666),
        (16, "wide", 100, 34_015_396),
        (19, "wide", 10, 38_958_922),
        (19, "wide", 100, 39_327_652),
    ],
)
def test_parameter_count(depth: int, head: str, n_classes: int, count: int) -> None:
    assert count_parameters(empty(n_classes, depth=depth, head=head)) == count


@pytest.mark.parametrize(
    ("depth", "modules", "layers", "parameters"),
    [(16, "4", 3, 3_072), (19, "4", 4, 4_096), (19, "34", 8, 6_144), (16, "5", 3, 3_072), (16, "12345", 13, 8_448)],
)
def test_insertions(depth: int, modules: str, layers: int, parameters: int) -> None:
    plain = count_parameters(empty(10, depth=depth))
    for kind, layer in (("SBN", SpectralBatchNorm2d), ("2BN", nn.BatchNorm2d)):
        network = empty(10, depth=depth, insertion=kind + modules)
        seconds = [part for name, part in network.named_modules() if name.endswith(".second")]
        assert len(seconds) == layers
        assert all(isinstance(second, layer) for second in seconds)
        assert count_parameters(network) - plain == parameters


def test_module_4_has_maps_of_4x4_pixels() -> None:
    sizes: set[tuple[int, ...]] = set()
    network = Vgg(10, insertion="SBN4")
    for name, module in network.named_modules():
        if name.endswith(".second"):
            module.register_forward_hook(lambda _, __, output: sizes.add(tuple(output.shape[1:])))
    with torch.no_grad():
        assert network(torch.randn(2, 2, 3, 32, 32)).shape == (2, 10)
    assert sizes == {(512, 4, 4)}


@pytest.mark.parametrize("depth", [16, 19])
def test_convolutions_are_those_of_torchvision(depth: int) -> None:
    with torch.device("meta"):
        reference = getattr(torchvision_vgg, f"vgg{depth}_bn")()
    features = empty(10, depth=depth).features.state_dict()
    assert {name: value.shape for name, value in features.items()} == {
        name: value.shape for name, value in reference.features.state_dict().items()
    }


@pytest.mark.parametrize("depth", [16, 19])
def test_convolutions_compute_as_those_of_torchvision(depth: int) -> None:
    torch.manual_seed(4)
    expected = torchvision_vgg.make_layers(torchvision_vgg.cfgs[{16: "D", 19: "E"}[depth]], batch_norm=True)
    expected[0] = nn.Conv2d(2, 64, 3, padding=1)
    for module in expected:
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=(2 / (9 * module.out_channels)) ** 0.5)
            nn.init.zeros_(module.bias)
    torch.manual_seed(4)
    features = Vgg(10, planes=(0, 3), depth=depth).features
    for name, value in expected.state_dict().items():
        assert torch.equal(features.state_dict()[name], value), name
    images = torch.randn(2, 2, 32, 32)
    with torch.no_grad():
        assert torch.equal(features(images), expected(images))


def test_initial_weights() -> None:
    torch.manual_seed(0)
    network = Vgg(10)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            assert module.weight.std().item() == pytest.approx((2 / (9 * module.out_channels)) ** 0.5, rel=0.05)
            assert module.bias is not None
            assert not module.bias.any()
        if isinstance(module, nn.Linear):
            assert module.weight.abs().max().item() <= module.in_features**-0.5


def test_only_the_given_planes_are_read() -> None:
    network = Vgg(10, planes=(0, 3)).eval()
    images = torch.randn(1, 2, 2, 32, 32)
    logits = network(images)
    changed = images.clone()
    changed[:, 0, 1] = changed[:, 1, 0] = 5.0
    torch.testing.assert_close(network(changed), logits)
    assert not torch.allclose(network(-images), logits)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"depth": 11}, "VGG11"), ({"head": "deep"}, "deep"), ({"insertion": "SBN6"}, "modules 1 to 5")],
    ids=str,
)
def test_unknown_choices_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(PhasebenchError, match=message):
        empty(10, **options)
