"""SurReal: the polar representation, its layers and its networks, against formulae on native complex numbers."""

import cmath
import math

import pytest
import torch
from torch import Tensor, nn

from phasebench.models.surreal import CifarSurReal, MstarSurReal
from phasebench.nn.complex.layout import as_planes
from phasebench.nn.complex.manifold import manifold_distance, to_polar, transport
from phasebench.nn.complex.wfm import (
    GlobalDistanceTransform,
    GTransport,
    LocalDistanceTransform,
    TangentReLU,
    WeightedFrechetMean2d,
)

SCALE = 1.7 * cmath.exp(2.1j)


def random_complex(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def polar(values: Tensor) -> Tensor:
    return to_polar(as_planes(values))


def as_complex(representation: Tensor) -> Tensor:
    log_modulus, cosine, sine = representation.unbind(1)
    return log_modulus.exp() * torch.complex(cosine, sine)


def pixel(value: complex) -> Tensor:
    return polar(torch.tensor([[[[value]]]], dtype=torch.complex128))


def test_polar_representation_and_back() -> None:
    values = random_complex(2, 3, 4, 5)
    torch.testing.assert_close(as_complex(polar(values)), values, rtol=1e-8, atol=1e-8)


def test_zero_has_angle_zero_and_passes_no_gradient() -> None:
    planes = torch.zeros(1, 2, 1, 1, 1, dtype=torch.float64, requires_grad=True)
    representation = to_polar(planes)
    assert representation.flatten().tolist() == pytest.approx([math.log(1e-9), 1.0, 0.0])
    representation.sum().backward()
    assert planes.grad is not None
    assert planes.grad.abs().max() == 0.0


@pytest.mark.parametrize(
    ("left", "right", "distance"),
    [
        (1.0, 1.0, 0.0),
        (1.0, -1.0, math.pi),
        (1.0, math.e, 1.0),
        (cmath.exp(1j * (math.pi - 0.1)), cmath.exp(-1j * (math.pi - 0.1)), 0.2),
        (2.0, 2.0j * math.e, math.hypot(1.0, math.pi / 2)),
    ],
)
def test_manifold_distance_of_literal_values(left: complex, right: complex, distance: float) -> None:
    for first, second in ((left, right), (right, left), (left * SCALE, right * SCALE)):
        assert manifold_distance(pixel(first), pixel(second)).item() == pytest.approx(distance, abs=1e-7)


def test_manifold_distance_has_a_finite_gradient_at_zero() -> None:
    representation = polar(random_complex(1, 2, 3, 3)).requires_grad_()
    manifold_distance(representation, representation.detach()).sum().backward()
    assert representation.grad is not None
    assert representation.grad.isfinite().all()


def frechet_mean(values: Tensor, layer: WeightedFrechetMean2d) -> Tensor:
    """Weighted means, pixel by pixel, on native complex numbers."""
    kernel = layer.weight if layer.mixing is None else layer.weight * layer.mixing
    weight = kernel.square() / (kernel.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-6)
    size, stride, padding = layer.kernel_size, layer.stride, layer.padding
    padded = torch.complex(
        *(nn.functional.pad(part, [padding] * 4, mode="replicate") for part in (values.real, values.imag))
    )
    rows = []
    for top in range(0, padded.shape[2] - size + 1, stride):
        row = []
        for left in range(0, padded.shape[3] - size + 1, stride):
            patch = padded[:, None, :, top : top + size, left : left + size]
            modulus = (weight * (patch.abs() + 1e-9).log()).sum(dim=(2, 3, 4)).exp()
            direction = (weight * patch / patch.abs()).sum(dim=(2, 3, 4))
            row.append(modulus * direction / direction.abs())
        rows.append(torch.stack(row, dim=-1))
    return torch.stack(rows, dim=-2)


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1)])
def test_frechet_means_equal_their_formula(stride: int, padding: int, separable: bool) -> None:
    layer = WeightedFrechetMean2d(3, 4, 3, stride=stride, padding=padding, separable=separable).double()
    values = random_complex(2, 3, 6, 7)
    torch.testing.assert_close(as_complex(layer(polar(values))), frechet_mean(values, layer), rtol=1e-7, atol=1e-9)


def test_weights_are_convex_and_a_constant_stays() -> None:
    layer = WeightedFrechetMean2d(3, 4, 3).double()
    assert (layer.convex_weight() >= 0.0).all()
    assert layer.convex_weight().sum(dim=(1, 2, 3)).tolist() == pytest.approx([1.0] * 4, abs=1e-6)
    constant = torch.full((1, 3, 5, 5), SCALE, dtype=torch.complex128)
    assert (as_complex(layer(polar(constant))) - SCALE).abs().max() < 1e-5


def test_equal_weights_give_the_geometric_mean_of_the_moduli() -> None:
    layer = WeightedFrechetMean2d(2, 1, 3).double()
    nn.init.ones_(layer.weight)
    values = random_complex(1, 2, 3, 3)
    geometric = values.abs().log().mean().exp().item()
    assert as_complex(layer(polar(values))).abs().item() == pytest.approx(geometric, rel=1e-6)


def test_g_transport_multiplies_and_commutes_with_scaling() -> None:
    layer, mean = GTransport(4).double(), WeightedFrechetMean2d(3, 4, 3).double()
    nn.init.uniform_(layer.shift)
    values = random_complex(2, 3, 5, 5)
    factor = torch.polar(layer.shift.exp(), layer.turn)[:, None, None]
    expected = factor * as_complex(mean(polar(values)))
    torch.testing.assert_close(as_complex(layer(mean(polar(values)))), expected)
    torch.testing.assert_close(as_complex(layer.after(mean, polar(values))), expected)
    scaled = as_complex(layer.after(mean, polar(SCALE * values)))
    # The weights of a mean sum to a little less than one.
    torch.testing.assert_close(scaled, SCALE * expected, rtol=1e-5, atol=1e-7)


def test_tangent_relu_of_literal_values() -> None:
    for value, expected in ((0.5, 1.0), (2.0j, 2.0j), (-2.0j, 2.0), (1 - 1j, math.sqrt(2)), (-3.0, -3.0)):
        assert as_complex(TangentReLU()(pixel(value))).item() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    "layer", [GlobalDistanceTransform(3, 5, 5), LocalDistanceTransform(3, 2)], ids=["global", "local"]
)
def test_distance_transforms_ignore_complex_scaling(layer: nn.Module) -> None:
    layer, values = layer.double(), random_complex(2, 3, 5, 5)
    before, after = layer(polar(values)), layer(polar(SCALE * values))
    assert before.shape == ((2, 3, 5, 5) if isinstance(layer, GlobalDistanceTransform) else (2, 3, 4, 4))
    assert (before >= 0.0).all()
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


def test_gradients_by_finite_differences() -> None:
    mean, transported = WeightedFrechetMean2d(2, 3, 2, separable=True).double(), GTransport(3).double()
    distance = GlobalDistanceTransform(3, 2, 2).double()

    def network(planes: Tensor, weight: Tensor, turn: Tensor) -> Tensor:
        averages = torch.func.functional_call(mean, {"weight": weight}, (to_polar(planes),))
        turned = transport(averages, transported.shift, turn)
        return distance(turned)

    planes = as_planes(random_complex(2, 2, 3, 3)).requires_grad_()
    assert torch.autograd.gradcheck(network, (planes, mean.weight, transported.turn))


@pytest.mark.parametrize(("network", "shape"), [(CifarSurReal, (4, 2, 32, 32)), (MstarSurReal, (4, 1, 128, 128))])
def test_logits_ignore_the_phase(network: type[nn.Module], shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model = network(10).double().eval()
    images = random_complex(*shape)
    before, after = model(images), model(cmath.exp(0.7j) * images)
    assert before.shape == (4, 10)
    assert (after - before).abs().max() < 1e-12 * before.abs().max()


def test_smaller_chips_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 100x100 pixels, got 96x96"):
        MstarSurReal(10)(torch.zeros(1, 2, 1, 96, 96))
