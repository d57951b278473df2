"""Parameter counts, shapes, initialisation and symmetry of the registered models."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from phasebench.common.errors import PhasebenchError
from phasebench.common.registry import Registry
from phasebench.models.listing import COUNTS_FILE, count_of, list_models
from phasebench.models.registry import REGISTRY, build_model, count_parameters
from phasebench.nn.complex.invariant import Division
from phasebench.nn.complex.layout import as_complex, rotate

LAB: dict[str, Any] = {"in_channels": 2, "planes": (0, 1, 3)}
RGB: dict[str, Any] = {"in_channels": 3, "planes": (0, 1, 2)}
CHIP: dict[str, Any] = {"in_channels": 1, "planes": (0, 1)}
GREY: dict[str, Any] = {"in_channels": 1, "planes": (0,)}


@pytest.mark.parametrize(
    ("name", "n_classes", "encoding", "count"),
    [
        ("cifarnet_type_i", 10, LAB, 24_241),
        ("cifarnet_type_e", 10, LAB, 23_697),
        ("cifarnet_dcn", 10, LAB, 66_858),
        ("cifarnet_surreal", 10, LAB, 35_274),
        ("cifarnet_real", 10, LAB, 34_282),
        ("cifarnet_dcn", 10, RGB, 67_146),
        ("cifarnet_surreal", 10, RGB, 35_418),
        ("cifarnet_dcn", 100, LAB, 78_468),
        ("cifarnet_surreal", 100, LAB, 46_884),
        ("cifarnet_type_i", 10, RGB, 24_529),
        ("cifarnet_type_e", 10, RGB, 23_985),
        ("cifarnet_real", 10, RGB, 34_282),
        ("cifarnet_type_i", 100, LAB, 47_281),
        ("cifarnet_type_e", 100, LAB, 46_737),
        ("cifarnet_type_i", 100, RGB, 47_569),
        ("cifarnet_type_e", 100, RGB, 47_025),
        ("cifarnet_real", 100, RGB, 45_892),
        ("cifarnet_real", 10, {"in_channels": 2, "planes": (0, 1, 2, 3)}, 34_426),
        ("mstar_cds", 11, CHIP, 29_536),
        ("mstar_cds", 10, CHIP, 29_505),
        ("mstar_dcn", 10, CHIP, 863_587),
        ("mstar_surreal", 10, CHIP, 65_905),
        ("mstar_real", 10, CHIP, 32_625),
        ("mstar_real", 11, CHIP, 32_656),
    ],
)
def test_parameter_count(name: str, n_classes: int, encoding: dict[str, Any], count: int) -> None:
    assert count_parameters(build_model(name, n_classes=n_classes, **encoding)) == count


@pytest.mark.parametrize(
    ("name", "n_classes", "count"),
    [
        ("resnet18", 10, 11_173_962),
        ("resnet18_2bn34", 10, 11_173_962 + 7_680),
        ("resnet18_sbn34", 100, 11_220_132 + 7_680),
        ("resnet18_sbn4", 10, 11_173_962 + 5_120),
        ("resnet18_sbn1234", 10, 11_173_962 + 9_472),
        ("resnet34", 10, 21_282_122),
        ("resnet34_2bn34", 100, 21_328_292 + 13_824),
        ("resnet34_sbn34", 10, 21_282_122 + 13_824),
        ("resnet50", 100, 23_705_252),
        ("resnet50_2bn34", 10, 23_520_842 + 43_008),
        ("resnet50_sbn34", 10, 23_520_842 + 43_008),
        ("resnet50_2bn4", 10, 23_520_842 + 22_528),
        ("resnet50_sbn4", 10, 23_520_842 + 22_528),
        ("vgg16", 10, 15_253_578),
        ("vgg16_2bn4", 10, 15_253_578 + 3_072),
        ("vgg16_sbn4", 100, 15_299_748 + 3_072),
        ("vgg19", 100, 20_612_004),
        ("vgg19_2bn34", 10, 20_565_834 + 6_144),
        ("vgg19_sbn34", 10, 20_565_834 + 6_144),
        ("vgg19_2bn4", 10, 20_565_834 + 4_096),
        ("vgg19_sbn4", 10, 20_565_834 + 4_096),
        # What the layer keeps: no weights, one of the two, or all of them.
        ("resnet18_sbn34_subtract_only", 10, 11_173_962),
        ("resnet18_sbn34_divide_only", 10, 11_173_962),
        ("resnet18_sbn34_no_affine", 10, 11_173_962),
        ("resnet18_sbn34_downscale_space", 10, 11_173_962),
        ("resnet18_sbn34_downscale_frequency", 10, 11_173_962),
        ("resnet18_sbn34_weight_only", 10, 11_173_962 + 3_840),
        ("resnet18_sbn34_separate", 10, 11_173_962 + 7_680),
        ("resnet18_sbn34_before", 10, 11_173_962 + 7_680),
        ("resnet18_sbn34_instead", 10, 11_173_962),
    ],
)
def test_parameter_count_of_spectral_networks(name: str, n_classes: int, count: int) -> None:
    with torch.device("meta"):
        assert count_parameters(build_model(name, n_classes=n_classes, **RGB)) == count


def test_a_suites_options_go_before_those_of_the_table() -> None:
    with torch.device("meta"):
        model = build_model("resnet18_sbn34", n_classes=200, stem="imagenet", insertion="SBN4", **RGB)
    assert count_parameters(model) == 11_279_112 + 5_120


def test_the_other_invariant_layer_has_the_same_parameter_count() -> None:
    assert count_parameters(build_model("mstar_cds", n_classes=11, invariant="division", **CHIP)) == 29_536


def module_sizes(model: nn.Module, names: list[str], *, images: Tensor) -> list[int]:
    """Heights of the outputs of some modules, one forward pass."""
    sizes: dict[str, int] = {}
    modules = dict(model.named_modules())

    def record(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: sizes.__setitem__(name, output.shape[-2])

    hooks = [modules[name].register_forward_hook(record(name)) for name in names]
    model(images)
    for hook in hooks:
        hook.remove()
    return [sizes[name] for name in names]


@pytest.mark.parametrize("name", ["cifarnet_type_i", "cifarnet_type_e"])
def test_cifarnet_shapes(name: str) -> None:
    model = build_model(name, n_classes=7, **LAB)
    images = torch.randn(2, 2, 2, 32, 32)
    assert module_sizes(model, ["conv1", "conv2", "conv3", "pool"], images=images) == [16, 8, 4, 1]
    assert model(images).shape == (2, 7)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(128, [124, 122, 61, 30, 26, 13, 3, 2]), (100, [96, 94, 47, 23, 19, 9, 2, 1])],
)
def test_mstar_shapes(size: int, expected: list[int]) -> None:
    model = build_model("mstar_cds", n_classes=10, **CHIP)
    names = ["conv1", "invariant", "pool", "conv2", "tail.stem", "tail.middle.0", "tail.middle", "tail.last"]
    images = torch.randn(2, 2, 1, size, size)
    assert module_sizes(model, names, images=images) == expected
    assert model(images).shape == (2, 10)


def standard_deviations(weight: Tensor) -> tuple[float, float]:
    return weight[0].std().item(), weight[1].std().item()


def test_cifarnet_initialisation() -> None:
    torch.manual_seed(0)
    models = [build_model("cifarnet_type_i", n_classes=10, **RGB) for _ in range(12)]
    expected = {"conv1": 0.0589, "conv2": 0.0589, "conv3": 0.0589, "dense": 0.0625, "pool": 0.1768}
    for name, sigma in expected.items():
        weights = torch.cat([model.get_parameter(f"{name}.weight").detach() for model in models], dim=1)
        assert standard_deviations(weights) == pytest.approx((sigma, sigma), rel=0.05), name
    filters = torch.cat([model.get_parameter("division.filter.weight").detach() for model in models], dim=1)
    assert standard_deviations(filters) == pytest.approx((0.2357, 0.2357), rel=0.05)
    prototypes = models[0].get_parameter("head.prototypes")
    assert prototypes.min().item() >= 0.0
    assert prototypes.max().item() <= 1.0
    assert prototypes.mean().item() == pytest.approx(0.5, abs=0.05)
    assert models[0].get_parameter("head.alpha").item() == 1.0
    assert torch.equal(models[0].get_parameter("activation2.phase_factor"), torch.ones(32))


def trained_a_little(name: str, encoding: dict[str, Any], images: Tensor, **options: Any) -> nn.Module:
    """A double-precision model in evaluation mode whose running statistics have moved."""
    torch.manual_seed(1)
    model = build_model(name, n_classes=10, **encoding, **options).double()
    with torch.no_grad():
        for _ in range(3):
            model(images)
    return model.eval()


def relative_change(model: nn.Module, images: Tensor, changed: Tensor) -> float:
    with torch.no_grad():
        before, after = model(images), model(changed)
    return float((after - before).abs().max() / before.abs().max())


def draw(encoding: dict[str, Any], size: int, count: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(count, 2, encoding["in_channels"], size, size, dtype=torch.float64, generator=generator)
    angle = torch.rand(count, dtype=torch.float64, generator=generator) * 6.28
    return images, rotate(images, angle)


@pytest.mark.parametrize("name", ["cifarnet_type_i", "cifarnet_type_e"])
@pytest.mark.parametrize("encoding", [LAB, RGB], ids=["lab", "rgb"])
def test_cifarnet_is_invariant_to_phase(name: str, encoding: dict[str, Any]) -> None:
    images, turned = draw(encoding, 32)
    model = trained_a_little(name, encoding, images)
    assert relative_change(model, images, turned) < 1e-12
    single = model.float()
    assert relative_change(single, images.float(), turned.float()) < 1e-4


@pytest.mark.parametrize("invariant", ["conjugate", "division"])
def test_mstar_network_is_invariant_to_phase(invariant: str) -> None:
    images, turned = draw(CHIP, 128, 2)
    model = trained_a_little("mstar_cds", CHIP, images, invariant=invariant)
    assert relative_change(model, images, turned) < 1e-12


def test_the_texts_layers_on_mstar_equal_their_formulae() -> None:
    """Section 5.1: convolution, equivariant GTReLU, magnitude pooling and division, in native complex arithmetic."""
    torch.manual_seed(1)
    model = build_model("mstar_cds_text", n_classes=10, **CHIP).double()
    for name, parameter in model.named_parameters():
        if name.startswith("activation1"):
            nn.init.uniform_(parameter, 0.5, 1.5)
    images, turned = draw(CHIP, 100, 2)
    weight, channel_factor = (
        torch.complex(*model.get_parameter(name).detach()) for name in ("conv1.weight", "activation1.scale")
    )
    omega = model.get_parameter("activation1.phase_factor").detach()[:, None, None]
    scaled = functional.conv2d(as_complex(images), weight) * channel_factor[:, None, None]
    mean = scaled.mean(dim=1, keepdim=True)
    unit = mean / (mean.abs() + 1e-6)
    phase = (scaled * unit.conj()).angle().clamp(min=0.0)
    activated = (scaled.abs() + 1e-6) * torch.exp(1j * omega * phase) * unit
    _, where = functional.max_pool2d(activated.abs(), 2, return_indices=True)
    pooled = activated.flatten(2).gather(2, where.flatten(2)).view(where.shape)
    below = functional.conv2d(pooled, torch.complex(*model.get_parameter("invariant.filter.weight").detach()))
    quotient = pooled[..., 1:-1, 1:-1] * below.conj() / (below.abs().square() + 1e-7)
    polar = torch.cat(((quotient.abs() + 1e-5).log(), quotient.angle().cos(), quotient.angle().sin()), dim=1)
    with torch.no_grad():
        torch.testing.assert_close(model(images), model.get_submodule("tail")(polar), rtol=1e-8, atol=1e-8)
    assert relative_change(model, images, turned) < 1e-4
    assert count_parameters(model) == 29_050
    with pytest.raises(PhasebenchError, match="give 'invariant: division' too"):
        build_model("mstar_cds", n_classes=10, order="text", **CHIP)


@pytest.mark.parametrize(("name", "encoding", "size"), [("cifarnet_real", LAB, 32), ("mstar_real", CHIP, 128)])
def test_real_networks_are_not_invariant(name: str, encoding: dict[str, Any], size: int) -> None:
    images, turned = draw(encoding, size, 2)
    model = trained_a_little(name, encoding, images)
    assert relative_change(model, images, turned) > 0.01


def test_only_type_i_ignores_magnitude_up_to_the_offset_of_its_division() -> None:
    images, _ = draw(LAB, 32)
    type_i = trained_a_little("cifarnet_type_i", LAB, images)
    assert relative_change(type_i, images, 3.0 * images) < 1e-3
    assert relative_change(type_i, images, 0.1 * images) < 0.1
    division = type_i.get_submodule("division")
    assert isinstance(division, Division)
    division.offset = 0.0
    assert relative_change(type_i, images, 3.0 * images) < 1e-9
    type_e = trained_a_little("cifarnet_type_e", LAB, images)
    assert relative_change(type_e, images, 3.0 * images) > 0.5


GREY_MODELS = ("lenet", "graph", "perceptron")


# Insertions leave the door as it is.
@pytest.mark.parametrize("name", sorted(name for name, entry in REGISTRY.items() if "insertion" not in entry.options))
def test_native_complex_input_equals_planes(name: str) -> None:
    encoding = CHIP if name.startswith("mstar") else GREY if name.startswith(GREY_MODELS) else LAB
    model = build_model(name, n_classes=10, **encoding).eval()
    planes = torch.randn(2, 2, encoding["in_channels"], *REGISTRY[name].input_shape[1:])
    assert torch.equal(model(as_complex(planes)), model(planes))


def test_real_network_reads_only_the_planes_it_is_given() -> None:
    model = build_model("cifarnet_real", n_classes=10, **LAB)
    planes = torch.randn(2, 2, 2, 32, 32)
    changed = planes.clone()
    changed[:, 1, 0] += 1.0
    assert torch.equal(model(planes), model(changed))
    changed[:, 1, 1] += 1.0
    assert not torch.allclose(model(planes), model(changed))


def test_an_unknown_model_is_refused_with_the_known_names() -> None:
    with pytest.raises(PhasebenchError, match=r"cifarnet_type_z.*choose one of cds_large, cifarnet_dcn"):
        build_model("cifarnet_type_z", n_classes=10, **LAB)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("resnet18_sbn34", {"shortcutt": False}, "resnet18_sbn34.*shortcutt.*options given: shortcutt"),
        ("lenet_complex", {"width": 3}, "lenet_complex.*'width'"),
        ("lenet_complex", {"initialisation": "he"}, "'he' is unknown; known: default, rayleigh_glorot, rayleigh_he"),
        ("graph_phase", {"edges": "phases"}, "'phases' are unknown; known: none, phase, "),
    ],
)
def test_a_mistyped_option_is_named(model: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(PhasebenchError, match=message):
        build_model(model, n_classes=10, in_channels=1, planes=(0, 1, 2), **options)


@pytest.mark.parametrize("name", REGISTRY)
def test_the_stored_parameter_count_is_that_of_the_network(name: str) -> None:
    assert json.loads(COUNTS_FILE.read_text())[name] == count_of(name), "run `phasebench models --count`"


def test_no_parameter_count_is_stored_of_a_model_that_is_gone() -> None:
    assert json.loads(COUNTS_FILE.read_text()).keys() == REGISTRY.keys()


def test_a_model_without_a_stored_count_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("phasebench.models.listing.COUNTS_FILE", tmp_path / "counts.json")
    one = Registry("model", {"lenet_real": REGISTRY["lenet_real"]})
    monkeypatch.setattr("phasebench.models.listing.REGISTRY", one)
    (tmp_path / "counts.json").write_text("{}")
    assert [row["parameters"] for row in list_models()] == [170_810]
