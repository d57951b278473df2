"""Closed forms, symmetries and negative controls of the Co-domain Symmetry layers and networks."""

import cmath
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from phasebench.models.mstar import RealTail
from phasebench.models.registry import build_model, count_parameters
from phasebench.nn.complex.arithmetic import multiply_conjugate
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.equivariant_norm import EquivariantBatchNorm2d
from phasebench.nn.complex.gtrelu import EquivariantGTReLU, GTReLU
from phasebench.nn.complex.invariant import DIVISION_OFFSET, Conjugate, Division, divide
from phasebench.nn.complex.layout import as_complex, as_planes, rotate
from phasebench.nn.complex.pooling import LearnedPool2d
from phasebench.nn.complex.prototype import InvariantPrototypeDistance, PrototypeDistance

COLOUR: dict[str, Any] = {"in_channels": 2, "planes": (0, 1, 3)}
CHIP: dict[str, Any] = {"in_channels": 1, "planes": (0, 1)}
SCALE = 2.5 * cmath.exp(1.1j)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def complex_normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("module", "count"),
    [
        (lambda: ComplexConv2d(6, 8, 3, groups=2), 2 * 8 * 3 * 9),
        (lambda: ComplexConv2d(6, 8, 3, groups=2, bias=True), 2 * 8 * 3 * 9 + 2 * 8),
        (lambda: GTReLU(7), 3 * 7),
        (lambda: GTReLU(7, learn_phase_factor=False), 2 * 7),
        (lambda: EquivariantGTReLU(7), 3 * 7),
        (lambda: Division(7, 3, padding=1, single_filter=True), 2 * 7 * 9),
        (lambda: Division(7, 3), 2 * 7 * 7 * 9),
        (lambda: Conjugate(7, 1, single_filter=True), 2 * 7),
        (lambda: Conjugate(7, 3), 2 * 7 * 7 * 9),
        (lambda: EquivariantBatchNorm2d(7), 2 * 7),
        (lambda: LearnedPool2d(7, 4), 2 * 7 * 16),
        (lambda: PrototypeDistance(7, 5), 2 * 7 * 5 + 1),
        (lambda: InvariantPrototypeDistance(7, 5), 2 * 7 * 5 + 1),
        (lambda: RealTail(15, 11, (5, 5, 5)), 28_366),
        (lambda: RealTail(15, 10, (5, 5, 5)), 28_335),
    ],
)
def test_parameter_count_is_the_closed_form(module: Callable[[], nn.Module], count: int) -> None:
    assert count_parameters(module()) == count


def test_gauss_and_block_form_agree_up_to_rounding() -> None:
    block = ComplexConv2d(6, 8, 3, stride=2, padding=1, groups=2).double()
    gauss = ComplexConv2d(6, 8, 3, stride=2, padding=1, groups=2, form="gauss").double()
    gauss.load_state_dict(block.state_dict())
    planes = as_planes(complex_normal(2, 6, 9, 9))
    expected = block(planes)
    assert (gauss(planes) - expected).abs().max() / expected.abs().max() < 1e-12


def test_the_offset_of_the_division_shrinks_the_quotient_by_a_known_ratio() -> None:
    numerator, denominator = complex_normal(2, 3, 4, 4), complex_normal(2, 1, 4, 4, seed=1)
    squared = denominator.abs().square()
    for magnitude in (1e-4, 1e-2, 1.0, 1e3):
        factor = magnitude * cmath.exp(2.0j)
        quotient = as_complex(divide(as_planes(factor * numerator), as_planes(factor * denominator)))
        expected = numerator / denominator * squared / (squared + DIVISION_OFFSET / magnitude**2)
        torch.testing.assert_close(quotient, expected, rtol=1e-11, atol=0.0)


def test_the_conjugate_product_takes_the_squared_magnitude_of_a_common_factor() -> None:
    left, right = complex_normal(2, 3, 4, 4), complex_normal(2, 1, 4, 4, seed=1)
    scaled = multiply_conjugate(as_planes(SCALE * left), as_planes(SCALE * right))
    close(scaled, abs(SCALE) ** 2 * multiply_conjugate(as_planes(left), as_planes(right)))


def test_a_negative_normalised_modulus_turns_the_phase_by_half_a_turn() -> None:
    layer, maps = EquivariantBatchNorm2d(3).double(), complex_normal(4, 3, 5, 5)
    nn.init.zeros_(layer.norm.weight)
    nn.init.constant_(layer.norm.bias, -2.0)
    close(as_complex(layer(as_planes(maps))), -2.0 * maps / maps.abs(), 1e-3)


@pytest.mark.parametrize("training", [True, False])
def test_equivariant_batch_norm_turns_with_its_input_in_both_modes(training: bool) -> None:
    layer, maps, turn = EquivariantBatchNorm2d(3).double(), complex_normal(4, 3, 5, 5), cmath.exp(-2.7j)
    layer(as_planes(maps))
    layer.train(training)
    close(as_complex(layer(as_planes(turn * maps))), turn * as_complex(layer(as_planes(maps))))


def test_every_part_of_type_e_is_equivariant_and_only_its_head_is_invariant() -> None:
    model = build_model("cifarnet_type_e", n_classes=10, **COLOUR).double().eval()
    maps, turn = complex_normal(2, 2, 32, 32), cmath.exp(2.2j)
    for names in (("conv1", "activation1"), ("conv2", "activation2"), ("conv3", "activation3"), ("pool",), ("dense",)):
        stage = nn.Sequential(*(model.get_submodule(name) for name in names))
        output = as_complex(stage(as_planes(maps)))
        close(as_complex(stage(as_planes(turn * maps))), turn * output, 1e-11)
        maps = output.detach()
    features = model.get_submodule("norm")(as_planes(maps)).flatten(2)
    turned = model.get_submodule("norm")(as_planes(turn * maps)).flatten(2)
    head = model.get_submodule("head")
    assert (turned - features).abs().max() > 0.01
    close(head(turned), head(features))


def settled(name: str, encoding: dict[str, Any], size: int, count: int, **options: Any) -> tuple[nn.Module, Tensor]:
    """A double-precision model in evaluation mode whose running statistics have moved, and its images."""
    images = as_planes(complex_normal(count, encoding["in_channels"], size, size, seed=2))
    model = build_model(name, n_classes=10, **encoding, **options).double()
    with torch.no_grad():
        model(images)
        model(images)
    return model.eval(), images


@torch.no_grad()
def relative_change(model: nn.Module, images: Tensor, changed: Tensor) -> float:
    before, after = model(images), model(changed)
    return float((after - before).abs().max() / before.abs().max())


@pytest.mark.parametrize(
    ("name", "encoding", "size", "count"),
    [
        ("cifarnet_type_i", COLOUR, 32, 24),
        ("cifarnet_type_e", COLOUR, 32, 24),
        ("cds_large", COLOUR, 32, 3),
        ("mstar_cds", CHIP, 128, 4),
    ],
)
def test_decisions_and_logits_withstand_rotation_in_both_precisions(
    name: str, encoding: dict[str, Any], size: int, count: int
) -> None:
    model, images = settled(name, encoding, size, count)
    turned = rotate(images, torch.linspace(0.2, 6.2, count, dtype=torch.float64))
    assert relative_change(model, images, turned) < 1e-12
    model, images, turned = model.float(), images.float(), turned.float()
    assert relative_change(model, images, turned) < 1e-4
    with torch.no_grad():
        assert torch.equal(model(images).argmax(dim=1), model(turned).argmax(dim=1))


@pytest.mark.parametrize("name", ["cifarnet_real", "cifarnet_dcn"])
def test_baselines_change_their_logits_and_decisions_under_rotation(name: str) -> None:
    model, images = settled(name, COLOUR, 32, 64)
    # Random networks prefer one class whatever they see; without the mean logits the image decides.
    with torch.no_grad():
        centre = model(images).mean(dim=0)
        turned = rotate(images, torch.full((64,), 2.0, dtype=torch.float64))
        decisions, after = ((model(maps) - centre).argmax(dim=1) for maps in (images, turned))
    assert relative_change(model, images, turned) > 0.01
    assert (decisions != after).double().mean() > 0.2


def test_turning_only_some_channels_is_no_common_phase() -> None:
    for name in ("cifarnet_type_i", "cifarnet_type_e", "cds_large"):
        model, images = settled(name, COLOUR, 32, 2)
        mixed = images.clone()
        mixed[:, :, 1] = rotate(images, torch.ones(2, dtype=torch.float64))[:, :, 1]
        assert relative_change(model, images, mixed) > 1e-3


def test_the_magnitude_error_of_type_i_vanishes_with_the_offset_of_its_division() -> None:
    model, images = settled("cifarnet_type_i", COLOUR, 32, 6)
    division = model.get_submodule("division")
    assert isinstance(division, Division)
    for factor, most in ((3.0, 1e-3), (0.1, 0.1)):
        changes = []
        for offset in (1e-7, 1e-9, 1e-11, 0.0):
            division.offset = offset
            changes.append(relative_change(model, images, factor * images))
        assert most > changes[0] > changes[1] > changes[2] > changes[3]
        assert changes[3] < 1e-9
        # The change follows the offset linearly.
        assert 20.0 < changes[1] / changes[2] < 500.0


@pytest.mark.parametrize(
    ("name", "encoding", "size"), [("cifarnet_type_e", COLOUR, 32), ("cds_large", COLOUR, 32), ("mstar_cds", CHIP, 128)]
)
def test_networks_without_a_division_are_not_invariant_to_magnitude(
    name: str, encoding: dict[str, Any], size: int
) -> None:
    model, images = settled(name, encoding, size, 2)
    assert relative_change(model, images, 3.0 * images) > 0.01


def test_the_chip_network_with_a_division_is_invariant_to_magnitude_but_for_its_offset() -> None:
    model, images = settled("mstar_cds", CHIP, 128, 2, invariant="division")
    assert relative_change(model, images, 3.0 * images) < 0.01
    division = model.get_submodule("invariant")
    assert isinstance(division, Division)
    division.offset = 0.0
    assert relative_change(model, images, 3.0 * images) < 1e-9


def test_type_e_starts_as_the_study_says() -> None:
    models = [build_model("cifarnet_type_e", n_classes=10, **COLOUR) for _ in range(24)]

    def gather(name: str) -> Tensor:
        return torch.cat([model.get_parameter(name).detach() for model in models], dim=1)

    sigmas = {"conv1": 0.0589, "conv2": 0.0589, "conv3": 0.0589, "pool": 0.1768, "dense": 0.0625}
    for name, sigma in sigmas.items():
        weight = gather(f"{name}.weight")
        measured = [weight[part].std().item() for part in (0, 1)]
        assert measured == pytest.approx([sigma, sigma], rel=0.05), name
        assert weight.mean().abs().item() < 0.1 * sigma, name
    for name in ("activation1", "activation2", "activation3"):
        scale = gather(f"{name}.scale")
        assert 0.0 <= scale.min() < 0.05
        assert 0.95 < scale.max() <= 1.0
        assert torch.equal(gather_vector(models, f"{name}.phase_factor").unique(), torch.ones(1))
    assert torch.equal(gather_vector(models, "norm.norm.weight").unique(), torch.ones(1))
    assert torch.equal(gather_vector(models, "norm.norm.bias").unique(), torch.zeros(1))


def gather_vector(models: list[nn.Module], name: str) -> Tensor:
    return torch.cat([model.get_parameter(name).detach() for model in models])


@pytest.mark.parametrize(("name", "encoding"), [("mstar_cds", CHIP), ("cds_large", COLOUR)])
def test_the_other_networks_draw_their_kernels_as_a_real_convolution_does(name: str, encoding: dict[str, Any]) -> None:
    model = build_model(name, n_classes=10, **encoding)
    convolutions = [module for module in model.modules() if isinstance(module, ComplexConv2d)]
    assert convolutions
    for convolution in convolutions:
        bound = convolution.weight[0, 0].numel() ** -0.5
        deviation = convolution.weight.std().item()
        assert convolution.weight.abs().max() <= bound
        assert deviation == pytest.approx(bound / 3**0.5, rel=0.15)
