"""Registries: entries are imported when they are loaded, and unknown names get one wording."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from phasebench.common.errors import PhasebenchError
from phasebench.common.registry import Registry
from phasebench.data.encodings.registry import load_encoding
from phasebench.data.sources.registry import load_source
from phasebench.evaluation.registry import load_evaluation
from phasebench.models.registry import find_model


@dataclass(frozen=True)
class Described:
    target: str
    label: str = ""


NUMBERS: Registry[str] = Registry("number", {"half": "fractions:Fraction", "broken": "no_such_module:Thing"})


def test_an_entry_is_imported_when_it_is_loaded() -> None:
    assert NUMBERS.load("half") is Fraction
    assert NUMBERS.find("broken") == "no_such_module:Thing"
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        NUMBERS.load("broken")
    assert "no_such_module" not in sys.modules


def test_an_entry_may_say_more_than_its_target() -> None:
    registry: Registry[Described] = Registry("number", {"half": Described("fractions:Fraction", "1/2")})
    assert (registry.load("half"), registry.find("half").label) == (Fraction, "1/2")


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    for look_up in (NUMBERS.find, NUMBERS.load):
        with pytest.raises(PhasebenchError) as caught:
            look_up("third")
        assert str(caught.value) == "number 'third' is not known; choose one of broken, half"


@pytest.mark.parametrize(
    ("look_up", "kind"),
    [
        (load_encoding, "encoding"),
        (load_evaluation, "evaluation"),
        (find_model, "model"),
        (lambda name: load_source(name, {}, Path("unused"), download=False), "data source"),
    ],
)
def test_every_registry_answers_alike(look_up: Callable[[str], object], kind: str) -> None:
    with pytest.raises(PhasebenchError, match=rf"^{kind} 'gone' is not known; choose one of \w+, "):
        look_up("gone")
