"""The example of networks of other libraries: its configuration fits, and what is installed of them is built."""

import pytest
import torch
import yaml
from support.checkout import ROOT
from support.shipped import shipped_suite

from phasebench.models.external import build_external_model
from phasebench.models.registry import REGISTRY, count_parameters
from phasebench.plan.config import NetworkChoice
from phasebench.plan.external import external_model

CONFIG = yaml.safe_load((ROOT / "examples/peers.yaml").read_text(encoding="utf-8"))
LIBRARIES = {"complexpytorch": "complexPyTorch", "torchcvnn": "torchcvnn", "complextorch": "complextorch"}
# The largest difference is a bias for each complex number of the convolutions, which the study's have not.
N_BIASES = 2 * (16 + 32 + 64 + 64 + 128)


@pytest.mark.parametrize("name", CONFIG["models"])
def test_a_network_of_another_library_has_the_size_of_the_studys(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    choice = NetworkChoice.model_validate(CONFIG["models"][name])
    [named] = choice.beside
    suite, experiment = named.split("/")
    external = external_model(name, choice, shipped_suite(suite).experiments[experiment])
    pytest.importorskip(LIBRARIES[name])
    shape = {"n_classes": 10, "in_channels": 2, "planes": (0, 1, 2)}
    network = build_external_model(name, external, choice.options, **shape, input_size=(32, 32))
    published = REGISTRY["cifarnet_type_e"].published_parameters
    assert published is not None
    assert abs(count_parameters(network) - published) <= N_BIASES + 2 * 128
    network(torch.randn(3, 2, 2, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
