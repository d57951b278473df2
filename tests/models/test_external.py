"""Networks from outside: every domain, lazy layers, complex parameters, and faults in one line."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from phasebench.common.errors import PhasebenchError
from phasebench.models.external import ExternalNetwork, build_external_model
from phasebench.models.inference import load_weights
from phasebench.models.registry import count_parameters
from phasebench.nn.complex.layout import as_complex
from phasebench.specs.run import ExternalModel

NETWORKS = """
import torch
from torch import nn


class Complex(nn.Module):
    def __init__(self, num_classes, in_channels, width=3):
        super().__init__()
        self.mix = nn.Conv2d(in_channels, width, 1, dtype=torch.complex64)
        self.head = nn.Linear(width, num_classes, dtype=torch.complex64)

    def forward(self, images):
        assert images.dtype == torch.complex64 and images.ndim == 4
        return self.head(self.mix(images).mean(dim=(-2, -1)))


class Lazy(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.norm, self.head = nn.LazyBatchNorm2d(), nn.LazyLinear(n_classes)

    def forward(self, images):
        return self.head(self.norm(images).flatten(1))


class Planes(nn.Module):
    def __init__(self, n_classes, in_channels):
        super().__init__()
        self.head = nn.Linear(2 * in_channels, n_classes)

    def forward(self, planes):
        return self.head(planes.mean(dim=(-2, -1)).flatten(1))


class Unused(Planes):
    def __init__(self, n_classes, in_channels):
        super().__init__(n_classes, in_channels)
        self.other = nn.LazyLinear(3)


class Double(Planes):
    def forward(self, planes):
        return self.head.double()(planes.double().mean(dim=(-2, -1)).flatten(1)).long()


class Two(Planes):
    def forward(self, planes):
        return (planes, planes)


def fixed(n_classes):
    return Frozen(n_classes)


class Frozen(Planes):
    def __init__(self, n_classes):
        super().__init__(n_classes, 2)
        self.requires_grad_(False)


def text(n_classes):
    return "no network"


def nobody(in_channels):
    return Planes(10, in_channels)


number = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "nets.py"
    path.write_text(NETWORKS)
    return path


def build(
    file: Path, name: str, domain: str = "planes", logits: str | None = None, *, n_classes: int = 4, **options: int
) -> nn.Module:
    fields = {"target": f"{file}:{name}", "domain": domain, "logits": logits, "input_shape": (2, 6, 5)}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_external_model(
            "mine",
            ExternalModel.model_validate(fields),
            options,
            n_classes=n_classes,
            in_channels=2,
            planes=(0, 1, 3),
            input_size=None,
        )


def images(seed: int = 0) -> torch.Tensor:
    return torch.randn(5, 2, 2, 6, 5, generator=torch.Generator().manual_seed(seed))


def test_a_complex_network_reads_complex_images_and_its_logits_are_made_real(file: Path) -> None:
    modulus, real = (build(file, "Complex", "complex", kind, width=7) for kind in ("modulus", "real"))
    assert isinstance(modulus, ExternalNetwork)
    expected = modulus.network(as_complex(images()))
    torch.testing.assert_close(modulus(images()), expected.abs())
    torch.testing.assert_close(real(as_complex(images())), expected.real)
    # A complex number has two real ones.
    assert count_parameters(modulus) == 2 * (2 * 7 + 7 + 7 * 4 + 4)


def test_a_real_network_reads_the_planes_that_are_not_zero(file: Path) -> None:
    network = build(file, "Lazy", "real")
    assert count_parameters(network) == 2 * 3 + 3 * 6 * 5 * 4 + 4
    changed = images()
    changed[:, 1, 0] += 1.0
    torch.testing.assert_close(network(changed), network(images()))
    # The pass that gave the layers their shapes moved no statistics and left the mode alone.
    assert network.training
    assert int(network.network.norm.num_batches_tracked) == 2  # type: ignore[union-attr]


def test_lazy_layers_are_drawn_from_the_seed(file: Path) -> None:
    first, second = (build(file, "Lazy", "real") for _ in range(2))
    torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)


def test_a_conversion_keeps_imaginary_parts(file: Path) -> None:
    network = build(file, "Complex", "complex", "modulus")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for name, value in network.double().state_dict().items():
        assert value.dtype == torch.complex128
        torch.testing.assert_close(value.to(torch.complex64), before[name], rtol=0, atol=0)


def test_complex_weights_are_read_back_as_they_were_written(file: Path, tmp_path: Path) -> None:
    first, second = (build(file, "Complex", "complex", "modulus") for _ in range(2))
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.mul_(1.0 + 2.0j)
    save_file(first.state_dict(), tmp_path / "weights.safetensors")
    load_weights(second, tmp_path / "weights.safetensors")
    torch.testing.assert_close(second.state_dict(), first.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("None_", {}, r"network 'mine': '.*nets.py:None_': nets has no 'None_'; correct the name"),
        ("number", {}, r"\(.*nets.py:number\) cannot be called; name a class or a function"),
        ("text", {}, "makes a str; it must make a torch.nn.Module"),
        ("nobody", {}, "has no argument for the number of classes; call it n_classes or num_classes"),
        ("Planes", {"depth": 3}, r"cannot be built \(TypeError: .*'depth'\); arguments given: n_classes=4, in_chann"),
        ("Planes", {"in_channels": 3}, r"fails on two images \(RuntimeError: mat1 .*domain 'planes' and 2 channels of"),
        ("Planes", {"domain": "complex"}, r"fails on two images \(RuntimeError: .*domain 'complex'"),
        ("Planes", {"n_classes": 9, "num_classes": 4}, r"cannot be built \(TypeError: .*num_classes"),
        ("Two", {}, "gives a tuple; it must give logits as one tensor"),
        ("Double", {}, "gives logits of type torch.int64; they must be floating-point"),
        ("Complex", {"domain": "complex"}, "gives logits of type torch.complex64; say 'logits: modulus' or"),
        ("Planes", {"logits": "real"}, "gives logits of type torch.float32; leave out 'logits'"),
        ("Unused", {}, "has lazy layers that a pass in evaluation mode does not reach"),
        ("fixed", {}, "has no trainable parameter; there is nothing to train"),
    ],
)
def test_a_fault_is_one_line(file: Path, name: str, settings: dict[str, int], message: str) -> None:
    with pytest.raises(PhasebenchError, match=message) as caught:
        build(file, name, **settings)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_wrong_logits_are_named(file: Path) -> None:
    file.write_text(
        "from torch import nn\n\n\ndef flat(n_classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(120, 7))\n"
    )
    with pytest.raises(PhasebenchError, match=r"gives a tensor of shape \(2, 7\) for 2 images and 4 classes; it must"):
        build(file, "flat")
