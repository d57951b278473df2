"""Spectral batch normalisation against its definition, in both methods."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.spectral_layers import everything, random_layer, random_maps
from torch import Tensor

from phasebench.common.errors import PhasebenchError
from phasebench.nn.spectral import moments
from phasebench.nn.spectral.norm import ConstantDownscale, Method, SpectralBatchNorm2d

# Even and odd sides, single rows and columns, single pixels, and rows too wide for matrix products.
SHAPES = [
    (3, 4, 8, 8),
    (3, 4, 7, 7),
    (2, 3, 5, 6),
    (2, 3, 6, 5),
    (5, 2, 1, 1),
    (3, 2, 1, 4),
    (3, 2, 4, 1),
    (2, 2, 3, 18),
]

SHAPES += [(2, 2, 3, 34), (2, 2, 3, 35), (3, 2, 2, 2)]


METHODS: list[Method] = ["direct", "fft"]


def by_definition(layer: SpectralBatchNorm2d, maps: Tensor) -> Tensor:
    """Algorithm 1 in training, written with complex numbers."""
    spectrum = torch.fft.rfft2(maps)
    mean = spectrum.mean(dim=(0, 2, 3), keepdim=True)
    variance = (spectrum - mean).abs().square().mean(dim=(0, 2, 3), keepdim=True)
    assert layer.weight is not None
    assert layer.bias is not None
    weight, bias = layer.weight[:, None, None], layer.bias[:, None, None]
    normalised = (spectrum - mean) / (variance + layer.options.eps).sqrt()
    return torch.fft.irfft2(weight * normalised + bias, s=maps.shape[-2:])


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_methods_are_one_function(shape: tuple[int, ...], training: bool) -> None:
    maps = random_maps(*shape)
    direct = everything(random_layer(shape[1]), maps, training=training)
    for other in (
        everything(random_layer(shape[1], "fft"), maps, training=training),
        everything(random_layer(shape[1]), maps.to(memory_format=torch.channels_last), training=training),
    ):
        assert len(direct) == len(other) == 6
        for ours, theirs in zip(direct, other, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_training_follows_the_definition(shape: tuple[int, ...], method: Method) -> None:
    layer, maps = random_layer(shape[1], method), random_maps(*shape)
    torch.testing.assert_close(layer(maps), by_definition(layer, maps), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"centre": False},
        {"divide": False},
        {"weight": False, "bias": False},
        {"centre": False, "weight": False, "bias": False},
        {"divide": False, "bias": False},
        {"centre": False, "divide": False, "bias": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_ablations_are_equal_in_both_methods_and_have_right_gradients(
    switches: dict[str, bool], training: bool
) -> None:
    maps = random_maps(2, 2, 3, 4)
    direct, fft = (everything(random_layer(2, method, **switches), maps, training=training) for method in METHODS)
    assert len(direct) == 4 + switches.get("weight", True) + switches.get("bias", True)
    for ours, theirs in zip(direct, fft, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    layer = random_layer(2, **switches).train(training)
    layer.momentum = 0.0
    assert torch.autograd.gradcheck(
        lambda maps, *_: layer(maps), (maps.requires_grad_(), *layer.parameters()), raise_exception=True
    )


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ({"divide": False, "weight": False, "bias": False}, lambda x, mean, _: x - mean),
        ({"centre": False, "weight": False, "bias": False}, lambda x, _, variance: x / variance.sqrt()),
        ({"weight": False, "bias": False}, lambda x, mean, variance: (x - mean) / variance.sqrt()),
        ({"centre": False, "divide": False, "weight": False, "bias": False}, lambda x, *_: x),
    ],
    ids=["subtract", "divide", "both", "neither"],
)
def test_switches_leave_out_what_they_say(switches: dict[str, bool], expected) -> None:
    maps = random_maps(4, 3, 6, 6)
    layer = SpectralBatchNorm2d(3, eps=0.0, **switches).double()
    spectrum = torch.fft.rfft2(maps)
    mean = spectrum.mean(dim=(0, 2, 3), keepdim=True)
    variance = (spectrum - mean).abs().square().mean(dim=(0, 2, 3), keepdim=True)
    torch.testing.assert_close(layer(maps), torch.fft.irfft2(expected(spectrum, mean, variance), s=(6, 6)))


def test_separate_parts_are_normalised_each_by_its_own_deviation() -> None:
    layer = SpectralBatchNorm2d(3, eps=0.0, method="fft", separate=True).double()
    maps = random_maps(4, 3, 7, 9)
    spectrum = torch.fft.rfft2(maps)

    def normalised(part: Tensor) -> Tensor:
        variance, mean = torch.var_mean(part, dim=(0, 2, 3), correction=0, keepdim=True)
        return (part - mean) / variance.sqrt()

    expected = torch.complex(normalised(spectrum.real), normalised(spectrum.imag))
    torch.testing.assert_close(layer(maps), torch.fft.irfft2(expected, s=(7, 9)))
    assert not torch.allclose(layer(maps), SpectralBatchNorm2d(3, eps=0.0).double()(maps), atol=1e-4)


def test_separate_parts_need_transforms() -> None:
    with pytest.raises(PhasebenchError, match="separate"):
        SpectralBatchNorm2d(3, separate=True)
    with pytest.raises(PhasebenchError, match="dct"):
        SpectralBatchNorm2d(3, method="dct")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_gradients_against_finite_differences(method: Method) -> None:
    for shape in ((2, 2, 3, 4), (2, 2, 2, 3), (4, 2, 1, 1)):
        layer = random_layer(2, method)
        inputs = (random_maps(*shape).requires_grad_(), layer.weight, layer.bias)
        assert torch.autograd.gradcheck(lambda maps, *_, layer=layer: layer(maps), inputs, raise_exception=True)


def test_blocks_of_the_batch_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = random_maps(7, 3, 6, 6)
    whole = everything(random_layer(3), maps, training=True)
    monkeypatch.setattr(moments, "BLOCK", 1)
    for ours, theirs in zip(everything(random_layer(3), maps, training=True), whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("maps_format", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("side", [4, 7])
def test_a_gradient_may_have_another_layout_than_the_maps(side: int, maps_format: torch.memory_format) -> None:
    maps = random_maps(3, 6, side, side).contiguous(memory_format=maps_format).requires_grad_()
    gradient = random_maps(3, 6, side, side, seed=1)
    results = [
        torch.autograd.grad(layer(maps), [maps, *layer.parameters()], gradient.contiguous(memory_format=layout))
        for layer in (random_layer(6), random_layer(6, "fft"))
        for layout in (torch.contiguous_format, torch.channels_last)
    ]
    for others in results[1:]:
        torch.testing.assert_close(others, results[0], rtol=1e-10, atol=1e-10)


def test_only_row_0_is_shifted() -> None:
    maps = random_maps(4, 3, 7, 7)
    output = random_layer(3)(maps).detach()
    ratio = output / maps
    torch.testing.assert_close(ratio[:, :, 1:], ratio[:1, :, 1:2, :1].expand(4, 3, 6, 7))
    assert not torch.allclose(ratio[:, :, 0], ratio[:, :, 1])


@pytest.mark.parametrize("method", METHODS)
def test_the_bias_is_an_impulse_in_the_corner(method: Method) -> None:
    layer = random_layer(3, method)
    maps = random_maps(2, 3, 5, 6)
    with torch.no_grad():
        difference = layer(maps)
        assert layer.bias is not None
        layer.bias += torch.tensor([1.0, -2.0, 3.0])
        difference = layer(maps) - difference
    expected = torch.zeros(2, 3, 5, 6).double()
    expected[:, :, 0, 0] = torch.tensor([1.0, -2.0, 3.0])
    torch.testing.assert_close(difference, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("side", [4, 7, 8])
def test_a_map_of_unit_variance_is_divided_by_the_root_of_its_size(side: int) -> None:
    maps = torch.randn(64, 8, side, side, generator=torch.Generator().manual_seed(0))
    output = SpectralBatchNorm2d(8)(maps)
    assert output.square().mean().sqrt().item() == pytest.approx(1 / side, rel=0.02)


def test_the_factor_of_the_input_is_lost() -> None:
    layer = SpectralBatchNorm2d(3, eps=0.0).double()
    maps = random_maps(4, 3, 6, 6)
    torch.testing.assert_close(layer(5 * maps), layer(maps))


@pytest.mark.parametrize("method", METHODS)
def test_running_statistics_after_one_step(method: Method) -> None:
    layer = SpectralBatchNorm2d(3, method=method).double()
    maps = random_maps(4, 3, 5, 6)
    layer(maps)
    coefficients = torch.fft.rfft2(maps).transpose(0, 1).flatten(1)
    assert coefficients.shape[1] == 4 * 5 * 4
    mean = coefficients.mean(dim=1)
    variance = torch.view_as_real(coefficients).var(dim=1).sum(dim=1)
    torch.testing.assert_close(layer.running_mean, 0.1 * torch.view_as_real(mean).T)
    torch.testing.assert_close(layer.running_var, 0.9 + 0.1 * variance)


@pytest.mark.parametrize("method", METHODS)
def test_inference_uses_the_running_statistics(method: Method) -> None:
    layer = SpectralBatchNorm2d(3, eps=0.0, momentum=1.0, bias=False, method=method).double()
    maps = random_maps(4, 3, 7, 7)
    trained = layer(maps)
    n = 4 * 7 * 4
    layer.running_var *= (n - 1) / n
    torch.testing.assert_close(layer.eval()(maps), trained)
    torch.testing.assert_close(layer(maps[:1]), trained[:1])


def test_matching_parameters_make_inference_the_identity() -> None:
    layer = SpectralBatchNorm2d(3, eps=0.0).double().eval()
    layer.running_mean[0] = torch.tensor([1.0, -2.0, 0.5])
    layer.running_var.copy_(torch.tensor([4.0, 9.0, 0.25]))
    with torch.no_grad():
        assert layer.weight is not None
        assert layer.bias is not None
        layer.weight.copy_(layer.running_var.sqrt())
        layer.bias.copy_(layer.running_mean[0])
    maps = random_maps(2, 3, 7, 7)
    torch.testing.assert_close(layer(maps), maps)


def test_a_channel_without_variance_has_finite_gradients() -> None:
    maps = torch.zeros(2, 1, 4, 4)
    maps[:, :, 0, 0] = 3.0
    maps.requires_grad_()
    output = SpectralBatchNorm2d(1)(maps)
    torch.testing.assert_close(output, torch.zeros_like(output), atol=1e-3, rtol=0)
    output.sum().backward()
    assert maps.grad is not None
    assert torch.isfinite(maps.grad).all()


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_maps_are_normalised_in_single_precision(method: Method) -> None:
    maps = 100 * random_maps(8, 3, 6, 7, dtype=torch.bfloat16)
    layer = SpectralBatchNorm2d(3, method=method)
    exact = SpectralBatchNorm2d(3).double()
    maps_in, reference_in = maps.clone().requires_grad_(), maps.double().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(maps_in)
    reference = exact(reference_in)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(layer.running_var.double(), exact.running_var, rtol=1e-5, atol=0)
    torch.testing.assert_close(output.double(), reference, rtol=2**-8, atol=1e-5)
    gradient = random_maps(*maps.shape, dtype=torch.bfloat16, seed=3)
    output.backward(gradient)
    reference.backward(gradient.double())
    assert maps_in.grad is not None
    assert reference_in.grad is not None
    assert maps_in.grad.dtype == torch.bfloat16
    torch.testing.assert_close(maps_in.grad.double(), reference_in.grad, rtol=2**-8, atol=1e-6)
    assert layer.weight is not None
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32


def test_single_precision_is_close_to_double() -> None:
    maps = random_maps(16, 4, 8, 8, dtype=torch.float32)
    single = SpectralBatchNorm2d(4)
    torch.testing.assert_close(single(maps).double(), by_definition(single.double(), maps.double()), rtol=0, atol=1e-6)


@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="no C++ compiler")
@pytest.mark.parametrize("side", [4, 7])
def test_a_compiled_layer_is_one_graph_and_equals_the_eager_one(side: int) -> None:
    maps = random_maps(8, 3, side, side, dtype=torch.float32)
    layers = [random_layer(3).float().train() for _ in range(2)]
    results = []
    for layer, forward in zip(
        layers, (layers[0], torch.compile(layers[1], dynamic=False, fullgraph=True)), strict=True
    ):
        inputs = [maps.clone().requires_grad_(), *layer.parameters()]
        output = forward(inputs[0])
        gradients = torch.autograd.grad(output, inputs, random_maps(*maps.shape, seed=2, dtype=torch.float32))
        results.append([output, *gradients, layer.running_mean, layer.running_var])
    for eager, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, eager, rtol=1e-4, atol=1e-5)


def test_weights_that_were_made_in_inference_mode_can_train() -> None:
    moments._row_transforms.cache_clear()
    layer = SpectralBatchNorm2d(2)
    with torch.inference_mode():
        layer(torch.ones(2, 2, 5, 5))
    maps = torch.randn(2, 2, 5, 5, requires_grad=True)
    layer(maps).sum().backward()
    assert maps.grad is not None


def test_all_state_is_real_and_survives_a_file(tmp_path: Path) -> None:
    layer = random_layer(3).float()
    save_file(layer.state_dict(), tmp_path / "layer.safetensors")
    other = SpectralBatchNorm2d(3)
    other.load_state_dict(load_file(tmp_path / "layer.safetensors"))
    maps = random_maps(2, 3, 7, 7, dtype=torch.float32)
    torch.testing.assert_close(other.eval()(maps), layer.eval()(maps), rtol=0, atol=0)
    assert set(other.state_dict()) == {"weight", "bias", "running_mean", "running_var"}


def test_wrong_maps_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected maps \(B, 3, H, W\)"):
        SpectralBatchNorm2d(3)(torch.zeros(2, 4, 5, 5))
    with pytest.raises(ValueError, match="more than one coefficient"):
        SpectralBatchNorm2d(3)(torch.zeros(1, 3, 1, 1))


def test_downscaling_is_the_same_in_both_domains() -> None:
    maps = random_maps(2, 3, 5, 7)
    for domain in ("space", "frequency"):
        torch.testing.assert_close(ConstantDownscale(4.0, domain)(maps), maps / 4)  # type: ignore[arg-type]


def test_the_compiler_takes_the_matrices_as_constant() -> None:
    marked = torch.compiler.assume_constant_result(lambda: None)
    assert vars(marked)
    assert vars(moments.row_transforms) == vars(marked)
