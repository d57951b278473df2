"""Prototype heads with both metrics against their formulae in native complex arithmetic."""

import cmath
import math
from typing import Literal

import pytest
import torch
from support.complex_maps import SCALE, close, complex_normal, gradients_of_sum
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.nn.complex.layout import as_complex, as_planes
from phasebench.nn.complex.prototype import (
    InvariantManifoldPrototypeDistance,
    InvariantPrototypeDistance,
    ManifoldPrototypeDistance,
    Metric,
    PrototypeDistance,
    prototype_head,
)

ALPHA = 1.7
LOG_OFFSET = 1e-9
METRICS: tuple[Metric, ...] = ("euclidean", "manifold")
CHANNELS, CLASSES = 6, 4
every_metric = pytest.mark.parametrize("metric", METRICS)
plain_and_invariant = pytest.mark.parametrize("invariant", [False, True])


def draw_features(count: int = 5, channels: int = CHANNELS) -> Tensor:
    return torch.randn(count, channels, dtype=torch.complex128, generator=torch.Generator().manual_seed(3))


def parts(features: Tensor) -> Tensor:
    """Complex ``(N, C)`` as the heads' ``(N, 2, C)``."""
    return torch.stack((features.real, features.imag), dim=1)


def build(metric: Metric, invariant: bool, channels: int = CHANNELS, n_classes: int = CLASSES) -> PrototypeDistance:
    """A head in double precision with prototypes in all quadrants."""
    head = prototype_head(channels, n_classes, metric, invariant).double()
    nn.init.normal_(head.prototypes)
    nn.init.constant_(head.alpha, ALPHA)
    return head


def plain_logits(head: PrototypeDistance, features: Tensor, metric: Metric, invariant: bool) -> Tensor:
    """Equations 6 to 8 as printed; autograd supplies the gradient."""
    prototypes = torch.complex(*head.prototypes)[None]
    if invariant:
        prototypes = prototypes * (features.sum(dim=1) / math.sqrt(2 * features.shape[1]))[:, None, None]
    values = features[:, :, None]
    if metric == "euclidean":
        squared = (values - prototypes).abs().square()
    else:
        logarithm = (values.abs() + LOG_OFFSET).log() - (prototypes.abs() + LOG_OFFSET).log()
        squared = logarithm.square() + (values * prototypes.conj()).angle().square()
    return -head.alpha * squared.mean(dim=1).sqrt()


def single(feature: complex, prototype: complex) -> float:
    """The manifold distance of one feature to one prototype through the layer."""
    head = build("manifold", False, 1, 1)
    with torch.no_grad():
        head.prototypes.copy_(torch.tensor([prototype.real, prototype.imag]).view(2, 1, 1))
        logit = head(parts(torch.tensor([[feature]], dtype=torch.complex128)))
    return -logit.item() / ALPHA


def test_prototype_logits_equal_their_formula_with_gradients() -> None:
    features = complex_normal(4, 6).requires_grad_()
    heads = {
        PrototypeDistance(6, 3): 0.0,
        InvariantPrototypeDistance(6, 3): math.sqrt(12),
        InvariantPrototypeDistance(6, 3, factor="mean"): 6,
    }
    for head, divisor in heads.items():
        head.double()
        torch.nn.init.constant_(head.alpha, 1.7)
        prototypes = torch.complex(*head.prototypes)[None]
        if divisor:
            prototypes = prototypes * (features.sum(dim=1) / divisor)[:, None, None]
        squared = (features[:, :, None] - prototypes).abs().square().mean(dim=1)
        expected = -head.alpha * squared.sqrt()
        logits = head(as_planes(features[:, :, None, None]).flatten(2))
        close(logits, expected)
        assert (logits <= 0.0).all()
        cotangent = torch.randn_like(expected)
        inputs = [features, head.prototypes, head.alpha]
        reference = torch.autograd.grad(expected, inputs, cotangent)
        for mine, theirs in zip(torch.autograd.grad(logits, inputs, cotangent), reference, strict=True):
            close(mine, theirs, 1e-10)


def test_invariant_prototype_logits_ignore_phase_and_scale_with_magnitude() -> None:
    features = as_planes(complex_normal(4, 6, 1, 1))
    turned = as_planes(SCALE * as_complex(features)).flatten(2)
    head = InvariantPrototypeDistance(6, 3).double()
    close(head(turned), abs(SCALE) * head(features.flatten(2)))
    plain = PrototypeDistance(6, 3).double()
    assert (plain(turned) - abs(SCALE) * plain(features.flatten(2))).abs().max() > 0.1


def test_prototype_gradient_is_finite_at_distance_zero() -> None:
    head = PrototypeDistance(4, 2)
    features = head.prototypes.detach()[None, :, :, 0].clone().requires_grad_()
    assert gradients_of_sum(head(features), features, head.prototypes).isfinite().all()


@every_metric
@plain_and_invariant
def test_logits_equal_their_formula_with_gradients(metric: Metric, invariant: bool) -> None:
    head, features = build(metric, invariant), draw_features().requires_grad_()
    ours, theirs = head(parts(features)), plain_logits(head, features, metric, invariant)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert ours.shape == (5, CLASSES)
    assert (ours <= 0.0).all()
    inputs, cotangent = [features, head.prototypes, head.alpha], torch.randn_like(theirs)
    reference = torch.autograd.grad(theirs, inputs, cotangent)
    for left, right in zip(torch.autograd.grad(ours, inputs, cotangent), reference, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)


@every_metric
@plain_and_invariant
def test_heads_pass_gradcheck(metric: Metric, invariant: bool) -> None:
    head, planes = build(metric, invariant), parts(draw_features(2)).requires_grad_()

    def logits(values: Tensor, prototypes: Tensor, alpha: Tensor) -> Tensor:
        state = {"prototypes": prototypes, "alpha": alpha}
        return torch.func.functional_call(head, state, (values,))

    parameters = (head.prototypes.detach().requires_grad_(), head.alpha.detach().requires_grad_())
    assert torch.autograd.gradcheck(logits, (planes, *parameters))


@pytest.mark.parametrize(
    ("feature", "prototype", "expected"),
    [
        (2 + 1j, 2 + 1j, 0.0),
        (-1, 1, math.pi),
        (1, math.e, 1.0),
        (3j, -3, math.pi / 2.0),
        (math.e * 1j, 1, math.hypot(1.0, math.pi / 2.0)),
        # Both sides of the cut of the angle: the arc is the short one.
        (cmath.exp(1j * (math.pi - 0.01)), cmath.exp(-1j * (math.pi - 0.01)), 0.02),
        (complex(-1.0, -0.0), complex(-1.0, 0.0), 0.0),
    ],
)
def test_manifold_distance_of_known_pairs(feature: complex, prototype: complex, expected: float) -> None:
    assert single(feature, prototype) == pytest.approx(expected, abs=1e-7)
    assert single(prototype, feature) == pytest.approx(expected, abs=1e-7)


def test_manifold_distance_is_the_root_mean_square_over_channels() -> None:
    head = build("manifold", False, 3, 1)
    with torch.no_grad():
        head.prototypes.copy_(torch.tensor([1.0, 0.0])[:, None, None].expand(2, 3, 1))
    features = torch.tensor([[math.e, math.exp(-2.0), 1j]], dtype=torch.complex128)
    expected = math.sqrt((1.0 + 4.0 + (math.pi / 2.0) ** 2) / 3.0)
    assert -head(parts(features)).item() / ALPHA == pytest.approx(expected, abs=1e-8)


@every_metric
def test_invariant_head_ignores_phase(metric: Metric) -> None:
    head, features = build(metric, True), draw_features()
    logits = head(parts(features))
    for angle in (0.3, math.pi, -2.0):
        turned = head(parts(cmath.exp(1j * angle) * features))
        torch.testing.assert_close(turned, logits, rtol=1e-12, atol=1e-12)


def test_invariant_head_under_magnitude_scales_with_the_euclidean_metric_and_stays_with_the_manifold_metric() -> None:
    features = draw_features()
    euclidean, manifold = build("euclidean", True), build("manifold", True)
    scaled = parts(SCALE * features)
    torch.testing.assert_close(euclidean(scaled), abs(SCALE) * euclidean(parts(features)), rtol=1e-12, atol=0.0)
    torch.testing.assert_close(manifold(scaled), manifold(parts(features)), rtol=1e-7, atol=0.0)


@every_metric
def test_plain_head_is_not_invariant_to_phase(metric: Metric) -> None:
    head, features = build(metric, False), draw_features()
    assert (head(parts(cmath.exp(1j) * features)) - head(parts(features))).abs().max() > 0.1


@pytest.mark.parametrize(("metric", "power"), [("euclidean", 1), ("manifold", 0)])
def test_a_factor_common_to_features_and_prototypes(metric: Metric, power: int) -> None:
    head, features = build(metric, False), draw_features()
    logits = head(parts(features)).detach()
    with torch.no_grad():
        prototypes = SCALE * torch.complex(*head.prototypes)
        head.prototypes.copy_(torch.stack((prototypes.real, prototypes.imag)))
    torch.testing.assert_close(head(parts(SCALE * features)), abs(SCALE) ** power * logits, rtol=1e-7, atol=0.0)


def test_prototypes_of_the_invariant_head_are_multiplied_by_eight_times_the_mean_of_128_channels() -> None:
    for metric in METRICS:
        invariant, plain = build(metric, True, 128), build(metric, False, 128)
        plain.load_state_dict(invariant.state_dict())
        feature = draw_features(1, 128)
        prototypes = 8.0 * feature.mean() * torch.complex(*plain.prototypes.detach())
        with torch.no_grad():
            plain.prototypes.copy_(torch.stack((prototypes.real, prototypes.imag)))
        torch.testing.assert_close(invariant(parts(feature)), plain(parts(feature)), rtol=1e-12, atol=0.0)


@every_metric
@plain_and_invariant
def test_a_feature_on_its_prototype_is_of_that_class(metric: Metric, invariant: bool) -> None:
    head = build(metric, invariant)
    features = torch.complex(*head.prototypes.detach()).T
    if invariant:
        # With a mean of sqrt(2C) / C the prototypes are multiplied by one.
        features = features - features.mean(dim=1, keepdim=True) + math.sqrt(2.0 / CHANNELS)
        with torch.no_grad():
            head.prototypes.copy_(torch.stack((features.T.real, features.T.imag)))
    logits = head(parts(features))
    assert logits.argmax(dim=1).tolist() == list(range(CLASSES))
    assert logits.diagonal().abs().max() < 1e-12


@every_metric
@plain_and_invariant
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zeros_and_distance_zero_give_finite_logits_and_gradients(
    metric: Metric, invariant: bool, dtype: torch.dtype
) -> None:
    head = build(metric, invariant).to(dtype)
    with torch.no_grad():
        head.prototypes[..., 0] = 0.0
    features = torch.randn(4, 2, CHANNELS, dtype=dtype)
    features[0], features[1, :, 0], features[2] = 0.0, 0.0, head.prototypes.detach()[..., 1]
    features[3] = -features[3].flip(1) + features[3]  # the mean over channels is zero
    features.requires_grad_()
    logits = head(features)
    gradients = torch.autograd.grad(logits.sum(), (features, head.prototypes, head.alpha))
    assert logits.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_gradient_is_zero_at_manifold_distance_zero() -> None:
    head = build("manifold", False, 4, 1)
    # On the axes the angle between equal directions is exactly zero, elsewhere up to rounding.
    with torch.no_grad():
        head.prototypes.copy_(torch.tensor([[1.0, -2.0, 0.0, 0.0], [0.0, 0.0, 3.0, -4.0]])[..., None])
    features = head.prototypes.detach()[None, :, :, 0].clone().requires_grad_()
    gradients = torch.autograd.grad(head(features).sum(), (features, head.prototypes))
    assert all(gradient.abs().max() == 0.0 for gradient in gradients)


@every_metric
@plain_and_invariant
def test_rounded_features_under_autocast_change_the_logits_by_a_rounding(metric: Metric, invariant: bool) -> None:
    head = build(metric, invariant).float()
    features = parts(draw_features(8)).float()
    plain = head(features)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = head(features.bfloat16())
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, plain, rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("metric", "invariant", "expected"),
    [
        ("euclidean", False, PrototypeDistance),
        ("euclidean", True, InvariantPrototypeDistance),
        ("manifold", False, ManifoldPrototypeDistance),
        ("manifold", True, InvariantManifoldPrototypeDistance),
    ],
)
def test_head_by_name_with_its_parameter_count_and_start(
    metric: Literal["euclidean", "manifold"], invariant: bool, expected: type[PrototypeDistance]
) -> None:
    head = prototype_head(128, 10, metric, invariant)
    assert type(head) is expected
    assert sum(parameter.numel() for parameter in head.parameters()) == 2 * 128 * 10 + 1
    assert head.alpha.item() == 1.0
    assert 0.0 <= head.prototypes.min() < head.prototypes.max() <= 1.0
    assert head.prototypes.mean().item() == pytest.approx(0.5, abs=0.05)


def test_an_unknown_metric_is_refused_with_the_known_names() -> None:
    with pytest.raises(PhasebenchError, match=r"unknown metric 'cosine' .*; known: euclidean, manifold"):
        prototype_head(2, 3, "cosine")  # type: ignore[arg-type]
