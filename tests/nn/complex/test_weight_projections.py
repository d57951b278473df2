"""Projected weights, and all of them evaluated in one pass."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn
from torch.func import functional_call

from phasebench.common.errors import PhasebenchError
from phasebench.models.mlp import Perceptron
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.weight_projections import (
    COMPLEX_PROJECTIONS,
    REAL_PROJECTIONS,
    half_mask,
    project,
    projected_parameters,
)
from phasebench.training.projected_pass import projected_predictions

EVERY = [(2, name) for name in COMPLEX_PROJECTIONS] + [(1, name) for name in REAL_PROJECTIONS]


def random_weight(n_planes: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randn(n_planes, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def planes(*numbers: complex) -> Tensor:
    return torch.tensor([[z.real for z in numbers], [z.imag for z in numbers]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("origin", (3 + 4j, -2j, 0, -5)),
        # The moduli 5, 2 and 5 have mean 4.
        ("only_phase", (2.4 + 3.2j, -4j, 0, -4)),
        ("only_amplitude", (5, 2, 0, 5)),
        ("only_real", (3, 0, 0, -5)),
        ("only_imaginary", (4, -2, 0, 0)),
        ("imaginary_axis", (4j, -2j, 0, 0)),
    ],
)
def test_complex_projections_by_hand(name: str, expected: Sequence[complex]) -> None:
    torch.testing.assert_close(project(planes(3 + 4j, -2j, 0, -5), name), planes(*map(complex, expected)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("origin", (1.5, -0.5, 0.0)), ("only_sign", (1.0, -1.0, 0.0)), ("only_absolute", (1.5, 0.5, 0.0))],
)
def test_real_projections_by_hand(name: str, expected: Sequence[float]) -> None:
    weight = torch.tensor([[1.5, -0.5, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(project(weight, name), torch.tensor([expected], dtype=torch.float64))


@pytest.mark.parametrize(("n_planes", "name"), EVERY)
def test_projecting_twice_is_projecting_once_where_it_is_said(n_planes: int, name: str) -> None:
    weight = random_weight(n_planes, 5, 7)
    weight[:, 2, 3] = 0.0
    once = project(weight, name)
    twice = project(once, name)
    projection = (COMPLEX_PROJECTIONS if n_planes == 2 else REAL_PROJECTIONS)[name]
    assert torch.allclose(once, twice, rtol=1e-14, atol=0) == projection.idempotent


def test_phases_stay_and_what_is_left_of_them_is_one_number() -> None:
    weight = random_weight(2, 5, 7)
    phase = project(weight, "only_phase")
    torch.testing.assert_close(
        torch.atan2(phase[1], phase[0]), torch.atan2(weight[1], weight[0]), rtol=1e-14, atol=1e-14
    )
    amplitude = project(phase, "only_amplitude")
    torch.testing.assert_close(amplitude[0], torch.full_like(amplitude[0], amplitude[0, 0, 0].item()))
    assert not amplitude[1].any()


def test_phases_are_given_the_modulus_that_moves_the_weight_least() -> None:
    weight = torch.view_as_complex(random_weight(2, 5, 7).movedim(0, -1).contiguous())
    best = minimize_scalar(lambda modulus: float((weight - modulus * weight / weight.abs()).abs().square().sum())).x
    phase = project(torch.view_as_real(weight).movedim(-1, 0), "only_phase")
    assert math.hypot(*phase[:, 0, 0].tolist()) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize(("n_planes", "name"), [(2, "only_sign"), (1, "only_phase"), (2, "half_units"), (1, "re")])
def test_an_unknown_projection_is_refused_with_the_known_ones(n_planes: int, name: str) -> None:
    with pytest.raises(PhasebenchError, match=f"'{name}' is unknown .* known: origin, "):
        project(random_weight(n_planes, 2, 2), name)


@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_half_is_exactly_half_and_every_draw_another(n: int) -> None:
    masks = half_mask((200, n), 1, torch.Generator().manual_seed(0))
    assert set(masks.unique().tolist()) <= {0.0, 1.0}
    assert set((masks == 0).sum(dim=1).tolist()) == {n // 2}
    # Every entry is zeroed in its share of the draws: 200 draws, 5 standard deviations.
    share = (n // 2) / n
    assert ((masks == 0).double().mean(dim=0) - share).abs().max() <= 5 * math.sqrt(share * (1 - share) / 200)


def test_elements_of_a_matrix_are_masked_together() -> None:
    masks = half_mask((3, 5, 7), 2, torch.Generator().manual_seed(0))
    assert (masks == 0).sum(dim=(1, 2)).tolist() == [17, 17, 17]


def plain_predictions(weights: list[Tensor], inputs: Tensor, activated: Sequence[bool]) -> Tensor:
    """One network in native arithmetic, features ``(in, samples)``."""
    hidden = weights[0] @ inputs
    for weight, has_activation in zip(weights[1:], activated, strict=True):
        if has_activation:
            hidden = torch.complex(hidden.real.relu(), hidden.imag.relu()) if hidden.is_complex() else hidden.relu()
        hidden = weight @ hidden
    return (hidden.abs() if hidden.is_complex() else hidden).argmax(dim=0)


def native(weight: Tensor) -> Tensor:
    return torch.complex(*weight) if len(weight) == 2 else weight[0]


@pytest.mark.parametrize("n_planes", [1, 2])
@pytest.mark.parametrize(("hidden", "activated"), [((9,), (True,)), ((9, 6), (True, True)), ((9, 6), (True, False))])
def test_one_pass_equals_one_network_after_the_other(
    n_planes: int, hidden: tuple[int, ...], activated: tuple[bool, ...]
) -> None:
    widths = (12, *hidden, 4)
    weights = [random_weight(n_planes, b, a, seed=a) for a, b in itertools.pairwise(widths)]
    inputs = random_weight(n_planes, 12, 150, seed=5)
    projections = [name for planes_of_it, name in EVERY if planes_of_it == n_planes]
    names, predictions = projected_predictions(
        weights, inputs, activated, projections, torch.Generator().manual_seed(1), 3, 2, samples_at_once=64
    )
    assert names == [*projections, "half_elements", "half_elements", *["half_units"] * 3]
    assert predictions.shape == (len(names), 150)

    generator = torch.Generator().manual_seed(1)
    units = [half_mask((3, width), 1, generator) for width in hidden]
    elements = [half_mask((2, *weight.shape[1:]), 2, generator) for weight in weights]
    networks = [[project(weight, name) for weight in weights] for name in projections]
    networks += [[w * mask[draw] for w, mask in zip(weights, elements, strict=True)] for draw in range(2)]
    for draw in range(3):
        # Units lose the rows into them and the columns out of them.
        halved = [weight.clone() for weight in weights]
        for layer, mask in enumerate(units):
            halved[layer][:, mask[draw] == 0] = 0
            halved[layer + 1][:, :, mask[draw] == 0] = 0
        networks.append(halved)
    for name, network, predicted in zip(names, networks, predictions, strict=True):
        expected = plain_predictions([native(weight) for weight in network], native(inputs), activated)
        assert torch.equal(predicted, expected), name


def test_what_is_predicted_does_not_depend_on_the_scale_of_a_layer() -> None:
    # Wide enough that no sample leaves one active unit alone: phases alone then give all classes the same score.
    weights = [random_weight(2, 24, 12), random_weight(2, 20, 24), random_weight(2, 4, 20)]
    inputs = random_weight(2, 12, 200, seed=5)
    scaled = [factor * weight for factor, weight in zip((1e-4, 30.0, 7.0), weights, strict=True)]
    (_, expected), (_, predicted) = (
        projected_predictions(
            network, inputs, (True, True), list(COMPLEX_PROJECTIONS), torch.Generator().manual_seed(0), 4, 4
        )
        for network in (weights, scaled)
    )
    assert torch.equal(predicted, expected)
    assert len(expected.unique(dim=0)) > 6


def test_a_phase_common_to_the_last_layer_changes_nothing_but_one_of_the_first_does() -> None:
    network = Perceptron((12, 9, 4), complex_valued=True, seed=0)
    first, last = (weight.detach() for weight in network.weights)
    inputs = random_weight(2, 12, 200, seed=5)
    turned = [torch.view_as_real(native(w) * np.exp(0.7j)).movedim(-1, 0).contiguous() for w in (first, last)]

    def predict(*weights: Tensor) -> Tensor:
        return projected_predictions(weights, inputs, (True,), ["origin"], torch.Generator(), 0)[1]

    assert torch.equal(predict(first, turned[1]), predict(first, last))
    assert not torch.equal(predict(turned[0], last), predict(first, last))


class SmallConvolutional(nn.Module):
    """Two complex convolutions and a real layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ComplexConv2d(2, 5, 3)
        self.second = ComplexConv2d(5, 4, 3, groups=1)
        self.head = nn.Linear(4, 3)

    def forward(self, maps: Tensor) -> Tensor:
        modulus: Tensor = torch.linalg.vector_norm(self.second(self.first(maps).relu()), dim=1)
        logits: Tensor = self.head(modulus.mean(dim=(2, 3)))
        return logits


@pytest.mark.parametrize("name", [*COMPLEX_PROJECTIONS, "half_units", "half_elements"])
def test_convolutions_are_projected_and_the_network_left_alone(name: str) -> None:
    model = SmallConvolutional().double()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    replaced = projected_parameters(model, name, generator=torch.Generator().manual_seed(0))
    assert set(replaced) == {"first.weight", "second.weight"}
    maps = random_weight(3, 2, 2, 8, 8)
    result = functional_call(model, replaced, maps)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())

    for key in replaced:
        expected = before[key]
        if name in COMPLEX_PROJECTIONS:
            expected = project(expected, name)
        else:
            kept = replaced[key] != 0
            expected = torch.where(kept, expected, 0.0)
            entries = kept.any(dim=0).flatten(1)
            zeroed = (~entries).all(dim=1) if name == "half_units" else ~entries
            # The second convolution makes the outputs, which are no units to leave out.
            whole = name == "half_units" and key == "second.weight"
            assert int(zeroed.sum()) == (0 if whole else zeroed.numel() // 2)
        torch.testing.assert_close(replaced[key], expected, rtol=0, atol=0)
        dict(model.named_parameters())[key].data.copy_(expected)
    torch.testing.assert_close(result, model(maps), rtol=0, atol=0)


def test_real_layers_are_projected_where_they_are_named() -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(4, 3))
    replaced = projected_parameters(model, "only_sign", layers=(nn.Conv2d, nn.Linear))
    assert set(replaced) == {"0.weight", "2.weight"}
    for key, value in replaced.items():
        weight = model.state_dict()[key]
        torch.testing.assert_close(value, weight.sign() * weight.abs().mean())


def test_a_projection_of_no_layer_or_of_chance_without_a_generator_is_refused() -> None:
    with pytest.raises(ValueError, match="no layer of type ComplexConv2d"):
        projected_parameters(nn.Linear(2, 2), "only_phase")
    with pytest.raises(ValueError, match="half_units needs a generator"):
        projected_parameters(SmallConvolutional(), "half_units")
