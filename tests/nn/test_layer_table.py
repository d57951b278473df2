"""The page docs/layers.md against what is exported, and its statements against the layers, in float64."""

import cmath
import importlib
import inspect
import math
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
import torch
from support.checkout import ROOT
from support.complex_maps import complex_normal
from torch import Tensor, nn

from phasebench import nn as layers
from phasebench.nn import complex as complex_layers
from phasebench.nn import graph, spectral
from phasebench.properties.layer_equivariance import STATEMENTS

PAGE = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
PACKAGES = {"Complex layers": complex_layers, "Spectral layers": spectral, "Graph layers": graph}
ANGLE, FACTOR = 2.3, 3.0
# A statement holds up to the offsets of the layers; what is not stated fails by far.
HOLDS, FAILS = 1e-3, 0.03


@dataclass(frozen=True)
class Row:
    """One class of the page."""

    section: str
    name: str
    input: str
    phase: str
    magnitude: str
    paper: str


def table(title: str) -> Iterator[list[str]]:
    """The cells of a section's table, without its two head lines."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    lines = [line for line in section[1].splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


ROWS = [
    Row(section, name.strip("`"), kind, phase, magnitude, paper)
    for section in PACKAGES
    for name, kind, _, phase, magnitude, paper in table(section)
]
FUNCTIONS = [name for names, _ in table("Functions") for name in re.findall(r"`(\w+)`", names)]
BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "ComplexConv2d": lambda: complex_layers.ComplexConv2d(5, 4, 3, padding=1),
    "CReLU": complex_layers.CReLU,
    "ZReLU": complex_layers.ZReLU,
    "ModReLU": lambda: complex_layers.ModReLU(5),
    "Cardioid": complex_layers.Cardioid,
    "TReLU": complex_layers.TReLU,
    "PolarTReLU": complex_layers.PolarTReLU,
    "GTReLU": lambda: complex_layers.GTReLU(5),
    "EquivariantGTReLU": lambda: complex_layers.EquivariantGTReLU(5),
    "EquivariantThresholdGTReLU": lambda: complex_layers.EquivariantThresholdGTReLU(5, threshold=0.7),
    "EquivariantActivation": lambda: complex_layers.EquivariantActivation(complex_layers.CReLU()),
    "EquivariantBatchNorm2d": lambda: complex_layers.EquivariantBatchNorm2d(5),
    "ComplexBatchNorm2d": lambda: complex_layers.ComplexBatchNorm2d(5),
    "Division": lambda: complex_layers.Division(5, 3),
    "Conjugate": lambda: complex_layers.Conjugate(5, 3),
    "RealPlanes": lambda: complex_layers.RealPlanes((0, 1, 2, 7)),
    "MagnitudeMaxPool2d": lambda: complex_layers.MagnitudeMaxPool2d(2),
    "LearnedPool2d": lambda: complex_layers.LearnedPool2d(5, 6),
    "WeightedFrechetMean2d": lambda: complex_layers.WeightedFrechetMean2d(5, 4, 3, padding=1),
    "GTransport": lambda: complex_layers.GTransport(5),
    "GlobalDistanceTransform": lambda: complex_layers.GlobalDistanceTransform(5, 6, 6),
    "LocalDistanceTransform": lambda: complex_layers.LocalDistanceTransform(5, 3),
    "PrototypeDistance": lambda: complex_layers.PrototypeDistance(5, 3),
    "InvariantPrototypeDistance": lambda: complex_layers.InvariantPrototypeDistance(5, 3),
    "ManifoldPrototypeDistance": lambda: complex_layers.ManifoldPrototypeDistance(5, 3),
    "InvariantManifoldPrototypeDistance": lambda: complex_layers.InvariantManifoldPrototypeDistance(5, 3),
    "SpectralBatchNorm2d": lambda: spectral.SpectralBatchNorm2d(5),
    "SpectralGroupNorm2d": lambda: spectral.SpectralGroupNorm2d(1, 5),
    "ComplexSpectralBatchNorm2d": lambda: spectral.ComplexSpectralBatchNorm2d(5),
    "ConstantDownscale": lambda: spectral.ConstantDownscale(4.0),
    "GraphConvolution": lambda: graph.GraphConvolution(7, 4),
    "HermitianGraphConvolution": lambda: graph.HermitianGraphConvolution(7, 4),
}


def inputs_of(name: str, kind: str, factor: complex) -> tuple[Tensor, ...]:
    """Random inputs of a layer, multiplied by a factor common to all numbers of each sample."""
    maps = factor * complex_normal(4, 5, 6, 6)
    if kind == "planes":
        return (complex_layers.as_planes(maps),)
    if kind == "polar":
        return (complex_layers.to_polar(complex_layers.as_planes(maps)),)
    if kind == "features":
        return (complex_layers.as_planes(maps)[..., 0, 0],)
    real = complex_normal(4, 5, 6, 6).real * abs(factor)
    if kind == "maps":
        return (real,)
    assert kind == "nodes"
    nodes, phases = abs(factor) * complex_normal(4, 5, 7).real, complex_normal(4, 5, seed=1).real
    weights = graph.mean_distance(complex_normal(4, 5, 7).real)
    hermitian = name == "HermitianGraphConvolution"
    return (nodes, weights, phases + cmath.phase(factor)) if hermitian else (nodes, weights)


def numbers(layer: nn.Module, name: str, kind: str, factor: complex) -> Tensor:
    """The output as complex numbers, or as real ones where it is real."""
    with torch.no_grad():
        output: Tensor = layer(*inputs_of(name, kind, factor))
    if name == "RealPlanes":
        return output
    if kind == "planes" or name == "HermitianGraphConvolution":
        return complex_layers.as_complex(output)
    if kind == "polar" and output.ndim == 5:
        return output[:, 0].exp() * torch.complex(output[:, 1], output[:, 2])
    return output


def behaviour(layer: nn.Module, name: str, kind: str, factor: complex) -> str:
    """What becomes of the factor, as the page says it."""
    before, after = (numbers(layer, name, kind, one) for one in (1.0, factor))
    candidates = {"invariant": before}
    if before.is_complex() or isinstance(factor, float):
        candidates["equivariant"] = factor * before
    changes = {
        key: float((after - expected).abs().max() / expected.abs().max()) for key, expected in candidates.items()
    }
    assert all(change < HOLDS or change > FAILS for change in changes.values()), changes
    return next((key for key, change in changes.items() if change < HOLDS), "none")


def settled(name: str, kind: str) -> nn.Module:
    """A layer in double precision with random parameters, whose running statistics have moved."""
    torch.manual_seed(0)
    layer = BUILDERS[name]().double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    with torch.no_grad():
        for _ in range(20):
            layer(*inputs_of(name, kind, 1.0))
    return layer


@pytest.mark.parametrize("row", [row for row in ROWS if row.name != "Insertion"], ids=lambda row: row.name)
def test_a_layer_does_with_a_common_factor_what_the_page_says_and_no_more(row: Row) -> None:
    layer = settled(row.name, row.input)
    for said, factor in ((row.phase, cmath.exp(1j * ANGLE)), (row.magnitude, FACTOR)):
        if said == "-":
            assert row.section != "Complex layers"
            continue
        word, _, mode = said.partition(" in ")
        assert mode in ("", "training", "evaluation")
        for training, other in ((True, "evaluation"), (False, "training")):
            expected = "none" if mode == other else word
            assert behaviour(layer.train(training), row.name, row.input, factor) == expected, (said, training)


def test_the_page_lists_each_exported_name_once_and_no_other() -> None:
    listed = [(row.section, row.name) for row in ROWS]
    classes = {
        (section, name)
        for section, package in PACKAGES.items()
        for name in package.__all__
        if inspect.isclass(getattr(package, name))
    }
    assert sorted(listed) == sorted(classes)
    exported = {name for package in PACKAGES.values() for name in package.__all__}
    assert sorted(FUNCTIONS) == sorted(exported - {name for _, name in listed})
    assert {row.name for row in ROWS} - {"Insertion"} == BUILDERS.keys()


def modules() -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(layers.__path__, f"{layers.__name__}."):
        yield importlib.import_module(info.name)


def test_the_properties_state_what_the_page_says() -> None:
    stated = {name: (one.input, one.phase, one.magnitude) for name, one in STATEMENTS.items()}
    rows = [row for row in ROWS if row.section == "Complex layers"]
    assert stated == {row.name: (row.input, row.phase, row.magnitude) for row in rows}


def test_every_public_layer_is_exported() -> None:
    defined = {
        name
        for module in modules()
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    }
    assert {name for name in defined if not name.startswith("_")} == BUILDERS.keys()


def test_no_exported_name_is_that_of_a_module() -> None:
    """Importing such a module would put it in the place of what is exported."""
    names = {module.__name__.rpartition(".")[2] for module in modules()}
    assert not names & {name for package in PACKAGES.values() for name in package.__all__}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_docstring_names_the_papers_of_the_page(row: Row) -> None:
    words = " ".join(inspect.getdoc(getattr(PACKAGES[row.section], row.name)).split())  # type: ignore[union-attr]
    for reference in row.paper.split("; "):
        year = re.match(r".*?\b\d{4}", reference)
        authors = year[0] if year else reference.partition(",")[0]
        assert authors in words or (row.section == "Graph layers" and authors in (graph.__doc__ or ""))


def test_the_lines_of_python_run_and_their_logits_do_not_see_the_phase() -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    *_, last = code[1].strip().splitlines()
    assert len([line for line in code[1].splitlines() if line]) == 6
    names: dict[str, Any] = {}
    torch.manual_seed(0)
    exec(code[1], names)
    logits = names["logits"]
    assert logits.shape == (8, 10)
    names["images"] = torch.polar(torch.ones(()), torch.tensor(math.pi / 3)) * names["images"]
    exec(last, names)
    torch.testing.assert_close(names["logits"], logits, rtol=1e-4, atol=1e-4)
