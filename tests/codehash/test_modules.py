"""Parsed modules: one for each text, and which file is named where a text is no Python."""

from pathlib import Path

import pytest

from phasebench.codehash.modules import parse_module
from phasebench.common.errors import PhasebenchError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_text_is_parsed_once_wherever_it_stands(tmp_path: Path) -> None:
    first, second = (write(tmp_path / folder / "a.py", "x = 1\n") for folder in ("one", "two"))
    module = parse_module("p.a", first)
    assert parse_module("p.a", second) is module
    assert parse_module("p.b", second) is not module
    write(second, "x = 2\n")
    (statement,) = parse_module("p.a", second).definitions["x"]
    assert statement.text != module.definitions["x"][0].text


def test_an_edited_stub_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "__init__.py", "def __getattr__(name): ...\n")
    assert "A" not in parse_module("p", path).names
    write(tmp_path / "__init__.pyi", "from .a import A\n")
    assert "A" in parse_module("p", path).names


@pytest.mark.parametrize("suffix", [".py", ".pyi"])
def test_the_file_that_is_no_python_is_named(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / "__init__.py", "def __getattr__(name): ...\n")
    write(path.with_suffix(suffix), "x = 1\ndef (:\n")
    with pytest.raises(PhasebenchError, match=rf"__init__\{suffix}: line 2: not valid Python"):
        parse_module("p", path)
