"""Properties of untrained networks: who ignores what, the size of maps, counts, and what a broken network does."""

import math

import pytest
import torch
from torch import Tensor, nn

from phasebench.models.registry import REGISTRY, count_parameters
from phasebench.nn.spectral.norm import SpectralBatchNorm2d
from phasebench.properties import networks
from phasebench.properties.networks import UntrainedNetwork, build, invariance_rows, logit_change, network_properties
from phasebench.properties.rows import Property


def untrained(model: str) -> UntrainedNetwork:
    entry = REGISTRY[model]
    return UntrainedNetwork(
        model=model,
        input_shape=entry.input_shape,
        real=entry.real,
        published_parameters=entry.published_parameters,
        invariant_to=entry.invariant_to,
    )


def measured(model: str, with_invariance: bool = True) -> list[Property]:
    return list(network_properties(untrained(model), with_invariance=with_invariance))


@pytest.mark.parametrize("model", [name for name, entry in REGISTRY.items() if entry.study == "co_domain_symmetry"])
def test_networks_ignore_what_their_entry_says_and_no_more(model: str) -> None:
    rows = [row for row in measured(model) if row.law.endswith("invariance of the logits")]
    assert {(row.law.split(" ")[0], row.dtype) for row in rows} == {
        (what, dtype) for what in ("phase", "magnitude") for dtype in ("float64", "float32")
    }
    assert [row for row in rows if row.holds == row.is_control] == []
    assert {row.law.split(" ")[0] for row in rows if not row.is_control} == set(REGISTRY[model].invariant_to)


@pytest.mark.parametrize("model", ["lenet_complex", "lenet_real", "perceptron_50_20", "graph_hermitian"])
def test_other_networks_ignore_nothing(model: str) -> None:
    rows = [row for row in measured(model) if row.law.endswith("invariance of the logits")]
    assert rows
    assert all(row.is_control and row.holds is False for row in rows)


def test_a_network_that_reads_a_phase_loses_its_invariance() -> None:
    network = untrained("cifarnet_type_e")
    model = build(network)

    class Leaking(nn.Module):
        """The network with a hundredth of a pixel added to its logits."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: Tensor) -> Tensor:
            """Logits."""
            return model(images) + 0.5 * images[:, 0, :1, 0, 0]

    rows = [row for row in invariance_rows(network, Leaking()) if row.law.startswith("phase")]
    assert rows
    assert not any(row.holds for row in rows)


def test_the_change_of_logits_is_a_median_over_images_and_relative_to_their_spread() -> None:
    before = torch.tensor([[0.0, 0.0], [0.0, 3.0], [0.0, 6.0]])
    after = before + torch.tensor([[0.0, 0.3], [-0.6, 0.1], [9.0, 0.0]])
    assert logit_change(before, after) == pytest.approx(0.6 / 3.0)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("resnet18", [1.0, 1.0, 1.0, 1.0]),
        ("resnet18_sbn34", [1.0, 1.0, 1 / 8, 1 / 4]),
        ("resnet18_2bn34_small_gain", [1.0, 1.0, 1 / 8, 1 / 4]),
        ("resnet18_sbn34_before", [1.0, 1.0, 1.0, 1.0]),
        ("resnet18_sbn34_separate", [1.0, 1.0, math.nan, math.nan]),
        ("vgg16_sbn4", [1.0, 1.0, 1.0, 1 / 4, 1.0]),
    ],
)
def test_maps_of_normalised_networks_have_the_size_of_their_last_normalisation(
    model: str, expected: list[float]
) -> None:
    rows = [row for row in measured(model, with_invariance=False) if row.law == "root mean square of feature maps"]
    assert [row.expected for row in rows] == pytest.approx(expected, nan_ok=True)
    assert [row.item.split(",")[0] for row in rows] == [f"module {number + 1}" for number in range(len(expected))]
    assert [row.holds for row in rows] == [None if math.isnan(size) else True for size in expected]


def test_a_spectral_layer_that_does_not_shrink_its_maps_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = SpectralBatchNorm2d.forward
    monkeypatch.setattr(SpectralBatchNorm2d, "forward", lambda self, maps: maps.shape[-1] * exact(self, maps))
    rows = [row for row in measured("resnet18_sbn4", False) if row.law == "root mean square of feature maps"]
    assert [row.holds for row in rows] == [True, True, True, False]


@pytest.mark.parametrize(
    ("model", "published", "holds"),
    [
        ("cifarnet_type_e", 23_697, True),
        ("cifarnet_type_e", 23_698, False),
        ("cifarnet_type_e", None, None),
        # Printed as 1.7 million.
        ("cds_large", 1_700_000, True),
        ("cds_large", 1_600_000, False),
    ],
)
def test_counts_are_compared_as_precisely_as_they_are_printed(
    model: str, published: int | None, holds: bool | None
) -> None:
    network = untrained(model).model_copy(update={"published_parameters": published})
    first = next(network_properties(network, with_invariance=False))
    assert (first.law, first.value, first.holds) == ("parameters", count_parameters(build(network)), holds)


def test_steps_are_timed_and_nothing_else_is_measured_of_a_real_network_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "MOST_STEPS", 2)
    rows = measured("perceptron_real_512_100", with_invariance=False)
    assert [row.law for row in rows] == ["parameters", "real multiplications", "forward pass", "training step"]
    # Of a perceptron, each weight multiplies once.
    assert rows[1].value == sum(weight.numel() for weight in build(untrained("perceptron_real_512_100")).parameters())
    assert rows[3].value > rows[2].value > 0
    assert {row.unit for row in rows[2:]} == {"ms"}
    assert {row.holds for row in rows[1:]} == {None}


def test_multiplications_of_complex_convolutions_are_counted_by_hand() -> None:
    (found,) = (row for row in measured("cifarnet_dcn", False) if row.law == "real multiplications")
    # Maps of 16x16, 8x8 and 4x4, the pooling, the 1x1 convolution and the dense layers.
    assert found.value == 294_912 + 1_179_648 + 1_179_648 + 4_096 + 17_664


def test_weights_follow_no_state_of_the_generator() -> None:
    def rows() -> list[Property]:
        return [row for row in measured("cifarnet_dcn") if row.unit != "ms"]

    torch.manual_seed(1)
    state, first = torch.get_rng_state(), rows()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    # Two networks differ in nothing but their times; NaN, where nothing is expected, is no equal of itself.
    assert repr(rows()) == repr(first)
