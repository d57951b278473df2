"""The complex baselines and CDS-Large."""

from collections.abc import Callable

import pytest
import torch
from support.complex_maps import close
from torch import Tensor, nn

from phasebench.models.cds_large import CoDomainSymmetricLarge, ConvolutionBlock
from phasebench.models.deep_complex import (
    CifarDeepComplex,
    MstarDeepComplex,
    ProjectionBlock,
    ResidualBlock,
    ResidualTrunk,
    WideShallow,
)
from phasebench.models.registry import count_parameters
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.layout import as_complex, rotate
from phasebench.nn.complex.whitening import ComplexBatchNorm2d

NETWORKS: dict[str, tuple[Callable[..., nn.Module], int, int]] = {
    "cifar": (CifarDeepComplex, 2, 32),
    "mstar": (MstarDeepComplex, 1, 128),
    "wide_shallow": (WideShallow, 2, 32),
    "large": (CoDomainSymmetricLarge, 2, 32),
}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (lambda: CifarDeepComplex(10), 66_858),
        (lambda: CifarDeepComplex(10, in_channels=3), 67_146),
        (lambda: CifarDeepComplex(100), 78_468),
        (lambda: MstarDeepComplex(10), 863_587),
        (lambda: MstarDeepComplex(11), 863_587 + 89),
        (lambda: MstarDeepComplex(10, stem_norm="complex"), 863_609),
        (lambda: ResidualTrunk(11, 10, 10), 858_890),
        (lambda: WideShallow(10), 1_680_046),
        (lambda: WideShallow(10, in_channels=3, learn_imaginary=True), 1_680_292),
        (lambda: CoDomainSymmetricLarge(10), 1_747_520),
    ],
)
def test_parameter_count(network: Callable[[], nn.Module], count: int) -> None:
    assert count_parameters(network()) == count


def test_closed_forms_of_the_layers_counts() -> None:
    assert count_parameters(ComplexBatchNorm2d(7)) == 5 * 7
    assert count_parameters(ComplexConv2d(6, 4, 3, groups=2, bias=True)) == 2 * 4 * 3 * 9 + 2 * 4
    assert count_parameters(ResidualBlock(5)) == 2 * 5 * 5 + 2 * 2 * 25 * 9
    assert count_parameters(ProjectionBlock(5)) == count_parameters(ResidualBlock(5)) + 2 * 25
    assert count_parameters(ConvolutionBlock(8, 4, 2)) == 2 * 4 * 4 * 9 + 5 * 4


@pytest.mark.parametrize(
    ("name", "modules", "expected"),
    [
        ("cifar", ["conv1", "conv2", "conv3", "pool"], [16, 8, 4, 1]),
        ("mstar", ["stem.0", "stem", "conv", "trunk.stage1", "trunk.stage2", "trunk.stage3"], [64, 32, 32, 32, 16, 8]),
        ("wide_shallow", ["conv", "trunk.stage1", "trunk.stage2", "trunk.stage3"], [32, 32, 16, 8]),
        (
            "large",
            ["conv", "invariant", "stage1.1", "stage1", "stage2.0", "stage2", "stage3.0", "stage3", "pool"],
            [32, 32, 32, 16, 16, 8, 8, 4, 1],
        ),
    ],
)
def test_spatial_sizes(name: str, modules: list[str], expected: list[int]) -> None:
    network, channels, size = NETWORKS[name]
    model, sizes = network(7).eval(), []
    for module in modules:
        model.get_submodule(module).register_forward_hook(lambda _, inputs, output: sizes.append(output.shape[-1]))
    assert model(torch.randn(1, 2, channels, size, size)).shape == (1, 7)
    assert sizes == expected


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_native_complex_input_equals_planes(name: str) -> None:
    network, channels, size = NETWORKS[name]
    model, planes = network(10).eval(), torch.randn(1, 2, channels, size, size)
    assert torch.equal(model(as_complex(planes)), model(planes))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_gradients_reach_every_parameter_and_are_finite(name: str) -> None:
    torch.manual_seed(0)
    network, channels, size = NETWORKS[name]
    model = network(10)
    logits = model(torch.randn(2, 2, channels, size, size))
    nn.functional.cross_entropy(logits, torch.tensor([3, 8])).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().max() > 0.0, parameter_name


def change_under_rotation(model: nn.Module, channels: int, size: int) -> float:
    """Largest relative change of the logits, in double precision, with running statistics that have moved."""
    images, angle = normal(2, 2, channels, size, size), torch.tensor([1.0, -2.5], dtype=torch.float64)
    model = model.double()
    with torch.no_grad():
        model(images)
        model(images)
        model.eval()
        before = model(images)
        after = model(rotate(images, angle))
    return float((after - before).abs().max() / before.abs().max())


def test_large_network_is_invariant_to_phase() -> None:
    torch.manual_seed(0)
    assert change_under_rotation(CoDomainSymmetricLarge(10), 2, 32) < 1e-12


@pytest.mark.parametrize("name", ["cifar", "mstar", "wide_shallow"])
def test_deep_complex_networks_are_not_invariant_to_phase(name: str) -> None:
    torch.manual_seed(0)
    network, channels, size = NETWORKS[name]
    assert change_under_rotation(network(10), channels, size) > 0.01


def test_large_network_is_not_invariant_to_magnitude() -> None:
    torch.manual_seed(0)
    model, images = CoDomainSymmetricLarge(10).eval(), torch.randn(2, 2, 2, 32, 32)
    assert not torch.allclose(model(3.0 * images), model(images), rtol=0.1)


def test_projection_puts_the_shortcut_before_the_residual() -> None:
    block = ProjectionBlock(3).double()
    planes = normal(2, 2, 3, 8, 8)
    output = as_complex(block(planes))
    weight = torch.complex(*block.shortcut.weight)
    shortcut = nn.functional.conv2d(as_complex(planes), weight, stride=2)
    assert output.shape == (2, 6, 4, 4)
    close(output[:, :3], shortcut)
    nn.init.zeros_(block.residual.conv2.weight)
    assert as_complex(block(planes))[:, 3:].abs().max() == 0.0


def test_a_block_without_residual_is_the_identity() -> None:
    block, planes = ResidualBlock(3), torch.randn(2, 2, 3, 8, 8)
    nn.init.zeros_(block.residual.conv2.weight)
    assert torch.equal(block(planes), planes)


def test_the_learned_imaginary_part_reads_the_real_part_alone() -> None:
    model = WideShallow(10, in_channels=3, learn_imaginary=True).eval()
    planes = torch.randn(2, 2, 3, 32, 32)
    changed = planes.clone()
    changed[:, 1] += 1.0
    assert torch.equal(model(changed), model(planes))
    changed[:, 0] += 1.0
    assert not torch.allclose(model(changed), model(planes))


def test_real_stem_normalisation_treats_the_parts_by_themselves() -> None:
    model = MstarDeepComplex(10)
    maps = model.stem[1](3.0 * torch.randn(4, 2, 11, 8, 8) + 2.0)
    assert maps.shape == (4, 2, 11, 8, 8)
    torch.testing.assert_close(maps.mean(dim=(0, 3, 4)), torch.zeros(2, 11), rtol=0.0, atol=1e-5)
    torch.testing.assert_close(maps.std(dim=(0, 3, 4)), torch.ones(2, 11), rtol=0.01, atol=0.0)


def test_large_network_starts_its_normalisation_as_the_public_code() -> None:
    norm = ConvolutionBlock(32, 64, 2).norm
    assert torch.equal(norm.weight[0], torch.ones(64))
    assert torch.equal(norm.weight[2], torch.ones(64))
    assert 0.5 < norm.weight[1].abs().max() <= 0.9
    assert torch.equal(norm.running_covariance, torch.tensor([[1.0], [0.0], [1.0]]).expand(3, 64))
