"""Polar representation, manifold distance and transport."""

import cmath
import math

import pytest
import torch
from support.complex_maps import SCALE, close, complex_normal
from support.polar_maps import complex_of, plain_distance, polar_of

from phasebench.nn.complex.layout import as_planes
from phasebench.nn.complex.manifold import manifold_distance, to_polar, transport

PI = math.pi


def distance(left: complex, right: complex) -> float:
    pair = torch.tensor([left, right], dtype=torch.complex128).view(2, 1, 1, 1)
    polar = polar_of(pair)
    return manifold_distance(polar[:1], polar[1:]).item()


def test_polar_representation_holds_log_modulus_cosine_and_sine() -> None:
    maps = complex_normal(2, 3, 4, 5)
    polar = polar_of(maps)
    close(polar, torch.stack(((maps.abs() + 1e-9).log(), maps.angle().cos(), maps.angle().sin()), dim=1))
    close(complex_of(polar), maps, 1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_has_angle_zero_and_passes_no_gradient(dtype: torch.dtype) -> None:
    for value in (0.0, 1e-30):
        planes = torch.full((1, 2, 1, 1, 1), value, dtype=dtype, requires_grad=True)
        polar = to_polar(planes)
        assert polar.flatten().tolist() == pytest.approx([math.log(1e-9), 1.0, 0.0])
        (gradient,) = torch.autograd.grad(polar.sum(), planes)
        assert gradient.abs().max() == 0.0


def test_polar_representation_is_finite_over_all_magnitudes() -> None:
    planes = torch.logspace(-37, 18, 200).view(2, 1, 1, 1, 100).transpose(0, 1).clone().requires_grad_()
    polar = to_polar(planes)
    (gradient,) = torch.autograd.grad(polar.sum(), planes)
    assert polar.isfinite().all()
    assert gradient.isfinite().all()
    torch.testing.assert_close(polar[:, 1].hypot(polar[:, 2]), torch.ones_like(polar[:, 0]))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1, 0.0),
        (1, -1, PI),
        (1, math.e, 1.0),
        (1j, -2j, math.hypot(math.log(2.0), PI)),
        (cmath.exp(1j * (PI - 0.01)), cmath.exp(-1j * (PI - 0.01)), 0.02),
    ],
)
def test_distance_at_known_pairs(left: complex, right: complex, expected: float) -> None:
    assert distance(left, right) == pytest.approx(expected, abs=1e-8)
    assert distance(right, left) == pytest.approx(expected, abs=1e-8)
    assert distance(SCALE * left, SCALE * right) == pytest.approx(expected, abs=1e-8)


def test_distance_is_a_metric_that_ignores_a_common_factor() -> None:
    left, right, third = (complex_normal(2, 3, 4, 4, seed=seed) for seed in range(3))
    plain = manifold_distance(polar_of(left), polar_of(right))
    close(plain, plain_distance(left, right), 1e-7)
    close(plain, manifold_distance(polar_of(right), polar_of(left)))
    close(plain, manifold_distance(polar_of(SCALE * left), polar_of(SCALE * right)), 1e-7)
    assert manifold_distance(polar_of(left), polar_of(left)).max() < 1e-15
    detour = manifold_distance(polar_of(left), polar_of(third)) + manifold_distance(polar_of(third), polar_of(right))
    assert (plain <= detour + 1e-12).all()


def test_distance_passes_gradcheck_with_broadcasting() -> None:
    left, right = complex_normal(2, 2, 2, 2), complex_normal(2, 1, 2, 1, seed=1)
    planes = tuple(as_planes(maps).requires_grad_() for maps in (left, right))
    assert torch.autograd.gradcheck(lambda a, b: manifold_distance(to_polar(a), to_polar(b)), planes)


def test_distance_gradient_is_zero_at_distance_zero() -> None:
    # On the axes the angle between equal directions is exactly zero, elsewhere up to rounding.
    planes = as_planes(torch.tensor([1.0, -2.0, 3.0j, -4.0j], dtype=torch.complex128).view(1, 1, 2, 2))
    left, right = planes.clone().requires_grad_(), planes.clone().requires_grad_()
    gradients = torch.autograd.grad(manifold_distance(to_polar(left), to_polar(right)).sum(), (left, right))
    assert all(gradient.abs().max() == 0.0 for gradient in gradients)


def test_transport_passes_gradcheck_off_the_unit_circle() -> None:
    values = torch.randn(2, 3, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    parameters = (torch.randn(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(transport, (values, *parameters))
    assert torch.autograd.gradcheck(transport, (values,))
