"""A run that uses one layer neither executes nor hashes the others, whichever way it imports the layer."""

import subprocess
import sys

import pytest
from support.checkout import ROOT

from phasebench.codehash.closure import SourceTree
from phasebench.nn import complex as complex_layers
from phasebench.nn import spectral

TREE = SourceTree(ROOT / "src" / "phasebench", frozenset())
PUBLIC = [(package, name) for package in (complex_layers, spectral) for name in package.__all__]


@pytest.mark.parametrize("package", [complex_layers, spectral], ids=lambda package: package.__name__)
def test_importing_the_package_imports_no_layer(package: object) -> None:
    name = getattr(package, "__name__", "")
    code = f"import sys, {name}; print([module for module in sys.modules if module.startswith('{name}.')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(("package", "name"), PUBLIC, ids=lambda value: getattr(value, "__name__", value))
def test_the_hash_is_the_same_by_the_package_and_by_the_module(package: object, name: str) -> None:
    face, home = getattr(package, "__name__", ""), getattr(package, name).__module__
    by_module, by_package = TREE.closure([f"{home}:{name}"]).hashes, TREE.closure([f"{face}:{name}"]).hashes
    assert home in by_module
    # The package adds the line that says where the name comes from.
    assert by_package.keys() - by_module.keys() == {face}
    assert by_module.items() <= by_package.items()


def test_a_network_without_complex_convolutions_does_not_follow_them() -> None:
    assert TREE.closure(["phasebench.nn.complex.layout:as_planes"]).hashes.keys() == {"phasebench.nn.complex.layout"}
    convolution = TREE.closure(["phasebench.nn.complex:ComplexConv2d"]).hashes
    assert "phasebench.nn.complex.cpu_convolution" in convolution
    assert "phasebench.nn.complex.frechet_mean" not in convolution
