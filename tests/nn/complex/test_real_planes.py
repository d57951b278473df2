"""The input of real networks: which planes they read, and that one layer reads them."""

import re

import pytest
import torch
from support.checkout import ROOT

from phasebench.models.registry import REGISTRY, build_model
from phasebench.nn.complex.real_planes import RealPlanes


def test_planes_are_real_parts_before_imaginary_ones() -> None:
    maps = torch.arange(24.0).view(1, 2, 3, 2, 2)
    chosen = RealPlanes((0, 2, 4))(maps)
    assert torch.equal(chosen, torch.stack((maps[:, 0, 0], maps[:, 0, 2], maps[:, 1, 1]), dim=1))


def test_complex_maps_are_read_as_their_planes() -> None:
    maps = torch.randn(2, 3, 4, 4, dtype=torch.complex64)
    assert torch.equal(RealPlanes((1, 5))(maps), torch.stack((maps[:, 1].real, maps[:, 2].imag), dim=1))


@pytest.mark.parametrize("name", [name for name, entry in REGISTRY.items() if entry.real])
def test_every_real_network_reads_its_planes_with_it_and_stores_none_of_them(name: str) -> None:
    channels = REGISTRY[name].input_shape[0]
    with torch.device("meta"):
        model = build_model(name, n_classes=10, in_channels=channels, planes=range(channels))
    assert [path for path, module in model.named_modules() if isinstance(module, RealPlanes)] == ["planes"]
    assert not [key for key in model.state_dict() if "planes" in key]


def test_planes_are_selected_in_one_place() -> None:
    files = (ROOT / "src/phasebench").rglob("*.py")
    selecting = [path.name for path in files if ".flatten(1, 2).index_select(1" in path.read_text(encoding="utf-8")]
    assert selecting == ["real_planes.py"]


def test_channels_are_summed_in_one_place() -> None:
    definition = re.compile(r"def _?(per_channel|sum_over_pixels)\(")
    files = (ROOT / "src/phasebench/nn").rglob("*.py")
    assert [path.name for path in files if definition.search(path.read_text(encoding="utf-8"))] == ["_channels.py"]
