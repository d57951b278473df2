"""Complex batch normalisation by whitening against an eigendecomposition."""

import shutil

import pytest
import torch
from support.complex_maps import close
from torch import Tensor

from phasebench.nn.complex.layout import as_complex, rotate
from phasebench.nn.complex.whitening import ComplexBatchNorm2d, inverse_square_root

IDENTITY = torch.eye(2, dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def matrices(entries: Tensor) -> Tensor:
    rr, ri, ii = entries.unbind(0)
    return torch.stack((torch.stack((rr, ri), dim=1), torch.stack((ri, ii), dim=1)), dim=1)


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


def whiten_by_eigenvectors(layer: ComplexBatchNorm2d, planes: Tensor) -> Tensor:
    """The layer in training mode from an eigendecomposition; returns vectors."""
    values = vectors(planes)
    eigenvalues, basis = torch.linalg.eigh(covariances(planes) + layer.eps * IDENTITY)
    root = basis @ torch.diag_embed(eigenvalues.rsqrt()) @ basis.mT
    return matrices(layer.weight) @ root @ (values - values.mean(dim=2, keepdim=True)) + layer.bias.T[:, :, None]


def covariances(planes: Tensor) -> Tensor:
    values = vectors(planes)
    centred = values - values.mean(dim=2, keepdim=True)
    return centred @ centred.mT / values.shape[2]


def degenerate_maps() -> dict[str, Tensor]:
    ramp = torch.linspace(-100.0, 100.0, 72).reshape(2, 1, 6, 6)
    return {
        "zero": torch.zeros(2, 2, 1, 6, 6),
        "constant": torch.full((2, 2, 1, 6, 6), 1e4),
        "real": torch.stack((ramp, torch.zeros_like(ramp)), dim=1),
        "collinear": torch.stack((ramp, 1.7 * ramp), dim=1),
        "tiny": torch.stack((1e-30 * ramp, -1e-30 * ramp), dim=1),
    }


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
