"""Whitening normalisation, the complex initialisations, the complex baselines and CDS-Large."""

import math
import shutil
from collections.abc import Callable

import pytest
import torch
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
from phasebench.nn.complex.init import he_rayleigh_, he_unitary_
from phasebench.nn.complex.layout import as_complex, rotate
from phasebench.nn.complex.whitening import ComplexBatchNorm2d, inverse_square_root

NETWORKS: dict[str, tuple[Callable[..., nn.Module], int, int]] = {
    "cifar": (CifarDeepComplex, 2, 32),
    "mstar": (MstarDeepComplex, 1, 128),
    "wide_shallow": (WideShallow, 2, 32),
    "large": (CoDomainSymmetricLarge, 2, 32),
}


IDENTITY = torch.eye(2, dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def correlated(channels: int = 3) -> Tensor:
    """Planes whose parts have different variances, a correlation and a mean in every channel."""
    mixing = normal(2, 2, channels, seed=1)
    planes = torch.einsum("abc,nbchw->nachw", mixing, normal(4, 2, channels, 5, 6))
    return planes + normal(2, channels, 1, 1, seed=2)


def random_norm(channels: int = 3, eps: float = 1e-3) -> ComplexBatchNorm2d:
    layer = ComplexBatchNorm2d(channels, eps).double()
    with torch.no_grad():
        layer.weight.copy_(normal(3, channels, seed=3))
        layer.bias.copy_(normal(2, channels, seed=4))
    return layer


def vectors(planes: Tensor) -> Tensor:
    """All values of each channel as vectors of two, ``(C, 2, N H W)``."""
    return planes.permute(2, 1, 0, 3, 4).flatten(2)


def covariances(planes: Tensor) -> Tensor:
    values = vectors(planes)
    centred = values - values.mean(dim=2, keepdim=True)
    return centred @ centred.mT / values.shape[2]


def matrices(entries: Tensor) -> Tensor:
    rr, ri, ii = entries.unbind(0)
    return torch.stack((torch.stack((rr, ri), dim=1), torch.stack((ri, ii), dim=1)), dim=1)


def whiten_by_eigenvectors(layer: ComplexBatchNorm2d, planes: Tensor) -> Tensor:
    """The layer in training mode from an eigendecomposition; returns vectors."""
    values = vectors(planes)
    eigenvalues, basis = torch.linalg.eigh(covariances(planes) + layer.eps * IDENTITY)
    root = basis @ torch.diag_embed(eigenvalues.rsqrt()) @ basis.mT
    return matrices(layer.weight) @ root @ (values - values.mean(dim=2, keepdim=True)) + layer.bias.T[:, :, None]


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def test_inverse_square_root_inverts_the_matrix() -> None:
    factor = normal(4, 2, 2)
    covariance = factor @ factor.mT
    entries = torch.stack((covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]))
    root = matrices(inverse_square_root(entries, 0.1))
    close(root @ (covariance + 0.1 * IDENTITY) @ root, IDENTITY.expand(4, 2, 2))
    assert (torch.linalg.eigvalsh(root) > 0.0).all()


def test_whitening_equals_an_eigendecomposition_with_gradients() -> None:
    layer, planes = random_norm(), correlated().requires_grad_()
    expected = whiten_by_eigenvectors(layer, planes)
    output = vectors(layer(planes))
    close(output, expected)
    inputs, cotangent = [planes, layer.weight, layer.bias], normal(*output.shape, seed=5)
    ours = torch.autograd.grad(output, inputs, cotangent)
    for mine, theirs in zip(ours, torch.autograd.grad(expected, inputs, cotangent), strict=True):
        close(mine, theirs, 1e-10)


@pytest.mark.parametrize("training", [True, False])
def test_whitening_passes_gradcheck(training: bool) -> None:
    layer = random_norm(2, 1e-2).train(training)

    def apply(planes: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        output: Tensor = torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (planes,))
        return output

    planes = normal(2, 2, 2, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(apply, (planes, layer.weight, layer.bias))


def test_whitened_maps_have_zero_mean_and_the_covariance_of_gamma() -> None:
    planes = correlated()
    start = ComplexBatchNorm2d(3, eps=0.0).double()
    close(vectors(start(planes)).mean(dim=2), torch.zeros(3, 2, dtype=torch.float64))
    close(covariances(start(planes)), 0.5 * IDENTITY.expand(3, 2, 2), 1e-7)
    layer = random_norm(eps=0.0)
    gamma = matrices(layer.weight)
    close(vectors(layer(planes)).mean(dim=2), layer.bias.T)
    close(covariances(layer(planes)), gamma @ gamma.mT)


def test_whitening_undoes_invertible_maps_up_to_an_orthogonal_one() -> None:
    layer, planes = ComplexBatchNorm2d(3, eps=0.0).double(), correlated()
    mapped = torch.einsum("abc,nbchw->nachw", normal(2, 2, 3, seed=6), planes) + normal(2, 3, 1, 1, seed=7)
    close(as_complex(layer(mapped)).abs(), as_complex(layer(planes)).abs(), 1e-9)


def test_whitening_passes_a_common_phase_until_gamma_or_evaluation_break_it() -> None:
    planes, angle = correlated(), torch.full((4,), 0.7, dtype=torch.float64)
    start = ComplexBatchNorm2d(3, eps=0.0).double()
    turned = rotate(start(planes), angle)
    close(start(3.0 * rotate(planes, angle)), turned, 1e-9)
    for layer in (random_norm(), start.eval()):
        assert (layer(rotate(planes, angle)) - rotate(layer(planes), angle)).abs().max() > 0.1


def test_running_statistics_are_kept_and_used_in_evaluation() -> None:
    layer, planes = random_norm(), correlated()
    start = 0.5**0.5 * IDENTITY.expand(3, 2, 2)
    close(matrices(layer.running_covariance), start, 1e-7)
    layer(planes)
    close(layer.running_mean, 0.1 * vectors(planes).mean(dim=2).T)
    close(matrices(layer.running_covariance), 0.9 * start + 0.1 * covariances(planes), 1e-7)
    layer.momentum = 1.0
    trained = layer(planes)
    kept = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.eval()
    close(layer(planes), trained)
    close(layer(planes[:1]), trained[:1])
    assert all(torch.equal(kept[name], value) for name, value in layer.state_dict().items())


def test_a_checkpoint_restores_the_running_statistics() -> None:
    layer, other = random_norm(), ComplexBatchNorm2d(3, 1e-3).double()
    layer(correlated())
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.eval()(correlated()), layer.eval()(correlated()))


def degenerate_maps() -> dict[str, Tensor]:
    ramp = torch.linspace(-100.0, 100.0, 72).reshape(2, 1, 6, 6)
    return {
        "zero": torch.zeros(2, 2, 1, 6, 6),
        "constant": torch.full((2, 2, 1, 6, 6), 1e4),
        "real": torch.stack((ramp, torch.zeros_like(ramp)), dim=1),
        "collinear": torch.stack((ramp, 1.7 * ramp), dim=1),
        "tiny": torch.stack((1e-30 * ramp, -1e-30 * ramp), dim=1),
    }


@pytest.mark.parametrize("kind", sorted(degenerate_maps()))
@pytest.mark.parametrize("eps", [1e-4, 1e-5])
def test_whitening_of_degenerate_channels_is_finite(kind: str, eps: float) -> None:
    layer, planes = ComplexBatchNorm2d(1, eps), degenerate_maps()[kind].requires_grad_()
    for mode in (True, False):
        output = layer.train(mode)(planes)
        assert output.isfinite().all()
        for gradient in torch.autograd.grad(output.square().sum(), [planes, layer.weight, layer.bias]):
            assert gradient.isfinite().all()
    if kind in ("zero", "constant"):
        assert layer.train()(planes).abs().max() == 0.0


def test_single_precision_is_close_to_double_far_from_zero() -> None:
    layer, planes = random_norm(), correlated() + 1000.0
    expected = layer(planes)
    torch.testing.assert_close(layer.float()(planes.float()).double(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("training", [True, False])
def test_statistics_of_half_precision_maps_are_single(training: bool) -> None:
    layer, single = ComplexBatchNorm2d(3).train(training), ComplexBatchNorm2d(3).train(training)
    planes = correlated().bfloat16().requires_grad_()
    reference = planes.detach().float().requires_grad_()
    cotangent = normal(*planes.shape, seed=5).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(planes)
    expected = single(reference)
    assert torch.equal(output, expected.bfloat16())
    assert torch.equal(layer.running_covariance, single.running_covariance)
    ours = torch.autograd.grad(output, [planes, layer.weight, layer.bias], cotangent)
    theirs = torch.autograd.grad(expected, [reference, single.weight, single.bias], cotangent.float())
    assert [gradient.dtype for gradient in ours] == [torch.bfloat16, torch.float32, torch.float32]
    for mine, gradient in zip(ours, theirs, strict=True):
        scale = gradient.abs().max().item()
        torch.testing.assert_close(mine.float(), gradient, rtol=0.0, atol=0.01 * scale)


@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="no C++ compiler")
def test_compiled_whitening_equals_eager_whitening() -> None:
    planes, results = correlated().float(), []
    for compiled in (False, True):
        layer = random_norm().float()
        forward = torch.compile(layer, dynamic=False) if compiled else layer
        maps = planes.clone().requires_grad_()
        output = forward(maps)
        gradients = torch.autograd.grad((output - 1.0).square().sum(), [maps, layer.weight, layer.bias])
        results.append([output, *gradients, layer.running_mean, layer.running_covariance])
    for eager, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, eager, rtol=1e-4, atol=1e-3)


def test_rayleigh_initialisation_has_the_modulus_and_phase_of_its_name() -> None:
    torch.manual_seed(0)
    weight = torch.complex(*he_rayleigh_(ComplexConv2d(32, 64, 3, groups=2)).weight.detach())
    sigma = 1.0 / math.sqrt(16 * 9)
    assert weight.real.std().item() == pytest.approx(sigma, rel=0.05)
    assert weight.imag.std().item() == pytest.approx(sigma, rel=0.05)
    modulus = weight.abs()
    assert modulus.mean().item() == pytest.approx(sigma * math.sqrt(math.pi / 2), rel=0.05)
    assert modulus.median().item() == pytest.approx(sigma * math.sqrt(2 * math.log(2)), rel=0.05)
    octants = torch.histc(weight.angle(), 8, -math.pi, math.pi) / weight.numel()
    torch.testing.assert_close(octants, torch.full((8,), 0.125), rtol=0.1, atol=0.0)


@pytest.mark.parametrize(("in_channels", "out_channels", "size"), [(11, 22, 3), (2, 12, 3), (12, 12, 1), (1, 4, 3)])
def test_unitary_initialisation_is_orthogonal_with_the_variance_of_he(
    in_channels: int, out_channels: int, size: int
) -> None:
    torch.manual_seed(0)
    weight = he_unitary_(ComplexConv2d(in_channels, out_channels, size).double()).weight.detach()
    matrix = torch.complex(*weight).flatten(2).flatten(0, 1)
    gram = matrix.mH @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.mH
    fan_in = in_channels * size**2
    expected = 2.0 / fan_in * max(matrix.shape) * torch.eye(len(gram), dtype=gram.dtype)
    torch.testing.assert_close(gram, expected)
    assert weight.square().mean().item() == pytest.approx(1.0 / fan_in)
    if matrix.numel() > 1000:
        parts = weight.square().mean(dim=(1, 2, 3, 4)) * fan_in
        assert parts.tolist() == pytest.approx([1.0, 1.0], rel=0.05)


@pytest.mark.parametrize("initialise", [he_rayleigh_, he_unitary_])
def test_initialisations_follow_the_seed(initialise: Callable[[ComplexConv2d], ComplexConv2d]) -> None:
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(initialise(ComplexConv2d(3, 4, 3, bias=True)).weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.allclose(weights[0], weights[2])


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
