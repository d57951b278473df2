"""Layers of other libraries beside ours: what is stated of them holds where they are installed."""

import importlib.util
import math
import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from phasebench.nn.complex.activation import CReLU
from phasebench.properties import peer_layers
from phasebench.properties.peer_layers import COMPARISONS, INITIALISATIONS, Comparison, compare, drawn, peer_layers_laws
from phasebench.properties.peers import LIBRARIES, PEERS_LAW, peer_versions
from phasebench.properties.registry import LAWS
from phasebench.properties.rows import Outcome, Property, outcome

NEWS = {"does not hold", "control holds"}


class Relu(nn.Module):
    """CReLU, or another function of the same shape."""

    def __init__(self, slope: float = 0.0, in_place: bool = False) -> None:
        super().__init__()
        self.slope, self.in_place = slope, in_place

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        parts = [nn.functional.leaky_relu(part, self.slope, self.in_place) for part in (maps.real, maps.imag)]
        return torch.complex(*parts)


def outcomes(layer: nn.Module, monkeypatch: pytest.MonkeyPatch, **stated: Any) -> dict[str, Outcome]:
    library = ModuleType("toy_library")
    monkeypatch.setitem(sys.modules, "toy_library", library)
    comparison = Comparison("toy_library", "Relu", "toy_library", lambda _: (CReLU(), layer), **stated)
    return {row.law: outcome(row.holds, row.is_control) for row in compare(comparison) if not row.unit}


def test_equal_and_different_layers_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    same, gradient = "equals CReLU", "has the gradient of CReLU"
    assert outcomes(Relu(), monkeypatch) == {same: "holds", gradient: "holds"}
    assert outcomes(Relu(0.01), monkeypatch) == {same: "does not hold", gradient: "does not hold"}
    known = outcomes(Relu(0.01), monkeypatch, differs="leaks")
    assert known == {same: "fails as expected", gradient: "fails as expected"}
    assert outcomes(Relu(), monkeypatch, differs="leaks") == {same: "control holds", gradient: "control holds"}


def test_a_layer_without_a_backward_pass_has_no_gradient_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes(Relu(in_place=True), monkeypatch, gradient_differs="in place")
    assert found == {"equals CReLU": "holds", "has the gradient of CReLU": "fails as expected"}


def test_what_is_not_installed_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_layers.importlib.util, "find_spec", lambda name: None)
    rows = list(peer_layers_laws())
    assert [row.subject for row in rows] == list(LIBRARIES)
    assert all(row.law.startswith("not installed") and math.isnan(row.value) and row.holds is None for row in rows)


def test_versions_are_those_of_what_is_installed() -> None:
    installed = {name.lower() for name in LIBRARIES if importlib.util.find_spec(name)}
    assert peer_versions().keys() == installed
    assert PEERS_LAW in LAWS


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_is_compared_as_stated(library: str) -> None:
    pytest.importorskip(library)
    rows: list[Property] = [row for one in COMPARISONS if one.library == library for row in compare(one)]
    rows += [drawn(one) for one in INITIALISATIONS if one.library == library]
    assert len(rows) >= 15
    assert [row for row in rows if outcome(row.holds, row.is_control) in NEWS] == []
    assert all(row.value > 0 for row in rows if row.unit and not math.isnan(row.value))
