"""External networks in the plan, and their identity: an edit repeats their runs and nothing else."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.edits import changed, reworded, with_key
from support.tiny_benchmark import STUDY, copy_checkout

from phasebench.plan import external
from phasebench.provenance import external_code, network_checks, spec_files
from phasebench.provenance.spec_files import plan_benchmark
from phasebench.specs.run import RunIdentity, RunSpec
from phasebench.specs.stage import read_identity

TABLE = f"{STUDY}/table_1"
NETWORK = '''
"""A network of somebody else."""

from parts import Head
from torch import nn

from phasebench.nn.complex.activation import ModReLU


class Mine(nn.Module):
    """With a layer of ours."""

    def __init__(self, n_classes, in_channels):
        """Build."""
        super().__init__()
        self.activation, self.head = ModReLU(in_channels), Head(n_classes)
'''
PARTS = '''
"""Parts."""


class Head:
    """One."""

    def one(self):
        return 1


def other():
    return 2
'''

CHECKED: list[RunSpec] = []
"""Runs whose networks were checked."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of networks beside nothing of ours."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "net.py").write_text(NETWORK.lstrip())
    (folder / "second.py").write_text(NETWORK.lstrip())
    (folder / "parts.py").write_text(PARTS.lstrip())
    return folder


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(network_checks, "check_apart", lambda specs, source: CHECKED.extend(specs))
    CHECKED.clear()
    return copy_checkout(tmp_path / "checkout")


@pytest.fixture(autouse=True)
def _installed_anew() -> Iterator[None]:
    yield
    forget()


def forget() -> None:
    """Forget which packages are installed."""
    importlib.invalidate_caches()
    external.offered_networks.cache_clear()
    external_code.distributions.cache_clear()


def choice(target: object, **settings: Any) -> dict[str, Any]:
    return {"target": str(target), "domain": "planes", "beside": [TABLE], **settings}


def write(checkout: Path, models: dict[str, Any], **config: Any) -> set[str]:
    """Write the spec files; return the names of those whose bytes changed."""
    specs = checkout / "results/tiny/specs"
    before = {path: path.read_bytes() for path in specs.rglob("*.json")}
    settings = {"scale": "tiny", "suites": [STUDY], "models": models, **config}
    plan_benchmark(settings, checkout, checkout / "results", write=True)
    after = {path: path.read_bytes() for path in specs.rglob("*.json")}
    return {path.relative_to(specs).as_posix() for path in after if before.get(path) != after[path]}


def run_of(model: str) -> str:
    return f"runs/{TABLE}/colour_shapes-lab/{model}/seed0.json"


def test_an_edit_of_a_file_repeats_its_runs_and_nothing_else(checkout: Path, folder: Path) -> None:
    plain = write(checkout, {})
    models = {"mine": choice(f"{folder}/net.py:Mine"), "second": choice(f"{folder}/second.py:Mine")}
    added = write(checkout, models)
    # What is computed from all runs of an experiment takes the new ones in.
    assert added == {run_of("mine"), run_of("second"), f"analyses/{TABLE}/bias_variance.json", "aggregate.json"}
    assert run_of("cifarnet_type_e") in plain
    identity = read_identity(RunIdentity, checkout / "results/tiny/specs" / run_of("mine"))
    assert {"net", "parts", "phasebench.nn.complex.activation", "phasebench.models.external"} <= identity.code.keys()
    assert not {"second", "phasebench.models.cifarnet"} & identity.code.keys()
    own = read_identity(RunIdentity, checkout / "results/tiny/specs" / run_of("cifarnet_type_e"))
    assert "phasebench.models.external" not in own.code
    assert "external" not in own.to_json()
    changed("Mine")(folder / "net.py")
    assert write(checkout, models) == {run_of("mine")}
    # Each network was checked when it was new, and the changed one once more.
    assert [spec.model for spec in CHECKED] == ["mine", "second", "mine"]
    reworded(folder / "net.py")
    changed("other")(folder / "parts.py")
    assert write(checkout, models) == set()
    changed("Head")(folder / "parts.py")
    assert write(checkout, models) == {run_of("mine"), run_of("second")}
    # What only networks from outside need, and what this one uses of ours.
    changed("_arguments")(checkout / "src/phasebench/models/external.py")
    assert write(checkout, models) == {run_of("mine"), run_of("second")}


def test_an_installed_package_is_its_version_and_the_files_that_it_reaches(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    package, record = site / "toy_nets", site / "toy_nets-1.2.dist-info"
    for place in (package, record):
        place.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text("from toy_nets.layers import *\n\ndef net(n_classes):\n    return Layer()\n")
    (package / "layers.py").write_text("import yaml\n\n\nclass Layer:\n    pass\n")
    (package / "other.py").write_text("")
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-nets\nVersion: 1.2\n")
    (record / "top_level.txt").write_text("toy_nets\n")
    (record / "entry_points.txt").write_text("[phasebench.models]\ntoy = toy_nets.nets:net\n")
    monkeypatch.syspath_prepend(str(site))
    forget()
    models = {"toy": choice("toy_nets.nets:net")}
    assert run_of("toy") in write(checkout, models)
    identity = read_identity(RunIdentity, checkout / "results/tiny/specs" / run_of("toy"))
    assert {"toy_nets", "toy_nets.nets", "toy_nets.layers"} <= identity.code.keys()
    assert "toy_nets.other" not in identity.code
    assert (identity.environment["toy-nets"], identity.environment["torch"]) == ("1.2", "2.13.0")
    # By its entry point, the target need not be given.
    assert write(checkout, {"toy": {"domain": "planes", "beside": [TABLE]}}) == set()
    (package / "other.py").write_text("changed = True\n")
    assert write(checkout, models) == set()
    # A comment counts: what the package does with its files is not known.
    (package / "layers.py").write_text("import yaml\n\n\nclass Layer:  # comment\n    pass\n")
    assert write(checkout, models) == {run_of("toy")}
    assert "toy_nets" not in sys.modules


def test_properties_follow_the_versions_of_the_libraries_that_they_compare(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_key("suites", STUDY, "properties", value=True)(checkout / "workflow/scales/tiny.yaml")
    monkeypatch.setattr(spec_files, "peer_versions", dict)
    write(checkout, {})
    monkeypatch.setattr(spec_files, "peer_versions", lambda: {"torchcvnn": "0.10.0"})
    assert write(checkout, {}) == {f"properties/{STUDY}.json"}
