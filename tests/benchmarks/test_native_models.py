"""The complex networks equal the same networks written plainly with native complex tensors and autograd."""

import sys

import pytest
import torch
from support.checkout import ROOT
from torch import Tensor, nn
from torch.nn import functional

from phasebench.common.errors import PhasebenchError
from phasebench.models.registry import REGISTRY, build_model
from phasebench.nn.complex.layout import as_complex

sys.path.append(str(ROOT / "benchmarks"))
import native_complex
from native_models import NATIVE_MODELS
from native_models.cifarnet import NativeTypeE

BENCHMARKS = ROOT / "benchmarks"
N_CLASSES, BATCH = 10, 3


def randomized_model(name: str, in_channels: int) -> nn.Module:
    """A double-precision model in training mode; parameters are off their first values, phase factors out of range."""
    torch.manual_seed(3)
    model = build_model(name, n_classes=N_CLASSES, in_channels=in_channels, planes=()).double()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith("phase_factor"):
                parameter.uniform_(-0.5, 2.5)
            else:
                parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def images_with_zeros(shape: tuple[int, int, int]) -> Tensor:
    """Random planes whose first channel is real in one image, as of LAB colours, and zero in half of another one."""
    planes = torch.randn(BATCH, 2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    planes[1, 1, 0] = 0.0
    planes[2, ..., shape[2] // 2 :] = 0.0
    return planes


def logits_and_gradients(model: nn.Module, images: Tensor, parameters: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    logits = model(images)
    loss = functional.cross_entropy(logits, torch.arange(len(images)))
    return logits.detach(), list(torch.autograd.grad(loss, parameters))


@pytest.mark.parametrize("name", NATIVE_MODELS)
def test_logits_and_gradients_equal_those_of_native_complex_arithmetic(name: str) -> None:
    shape = REGISTRY[name].input_shape
    model, planes = randomized_model(name, shape[0]), images_with_zeros(shape)
    native = NATIVE_MODELS[name](model)
    names = [parameter for parameter, _ in model.named_parameters()]
    logits, gradients = logits_and_gradients(model, planes, list(model.parameters()))
    expected_logits, expected_gradients = logits_and_gradients(
        native, as_complex(planes), [native.real(parameter) for parameter in names]
    )
    torch.testing.assert_close(logits, expected_logits, rtol=1e-9, atol=1e-9)
    for parameter, ours, expected in zip(names, gradients, expected_gradients, strict=True):
        # A bias in front of a normalisation has no gradient but rounding.
        error, size = (ours - expected).abs().max().item(), expected.abs().max().item()

        assert error <= 1e-9 * size + 1e-15, f"{parameter}: {error:.1e} of {size:.1e}"


def test_the_plain_networks_use_nothing_of_the_package() -> None:
    sources = sorted((BENCHMARKS / "native_models").glob("*.py"))
    assert len(sources) > 5
    assert not [path.name for path in sources if "phasebench" in path.read_text(encoding="utf-8")]


def test_the_benchmark_refuses_a_native_form_that_is_another_function(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shifted(NativeTypeE):
        def forward(self, maps: Tensor) -> Tensor:
            return super().forward(maps + 1e-6)

    images = native_complex.random_images("cifarnet_type_e", 4, torch.device("cpu"))
    model = native_complex.build("cifarnet_type_e", images)
    assert isinstance(native_complex.native_form("cifarnet_type_e", model, images), NativeTypeE)
    monkeypatch.setitem(NATIVE_MODELS, "cifarnet_type_e", Shifted)
    with pytest.raises(PhasebenchError, match="cifarnet_type_e: the native form is another function"):
        native_complex.native_form("cifarnet_type_e", model, images)


def test_figures_compare_with_the_native_form_if_there_is_one() -> None:
    assert native_complex.figures("a", {"native": 10.0, "eager": 25.0, "compiled": 40.0}) == [
        "a_native 10.0 images/s",
        "a_eager 25.0 images/s",
        "a_compiled 40.0 images/s",
        "a_eager_over_native 2.50 ratio",
        "a_compiled_over_native 4.00 ratio",
    ]
    assert native_complex.figures("b", {"eager": 25.0}) == ["b_eager 25.0 images/s"]
