"""The floors of the package: a module imports only from floors below its own, and stays small."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.checkout import ROOT

PACKAGE = ROOT / "src" / "phasebench"
FLOORS = (
    {"common"},
    {"specs", "codehash", "nn"},
    {"models", "data"},
    {"training", "evaluation", "analysis"},
    {"plan"},
    {"claims"},
    {"provenance"},
    {"tables"},
    {"reporting"},
    {"cli", "__main__"},
)
FLOOR_OF = {part: level for level, parts in enumerate(FLOORS) for part in parts}
LONGEST_MODULE = 300
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def part_of(path: Path) -> str:
    """The module or package directly below ``phasebench``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(source: str, package: str) -> Iterator[str]:
    """The parts of phasebench that a module imports anywhere, in functions and for type checking too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("phasebench."))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_down(path: Path) -> None:
    own = part_of(path)
    package = ".".join(["phasebench", *path.relative_to(PACKAGE).parts[:-1]])
    for other in imported_parts(path.read_text(encoding="utf-8"), package):
        # On the lowest floor and on the highest stand single modules, which may use each other.
        single = {own, other} <= FLOORS[0] or {own, other} <= FLOORS[-1]
        assert other == own or single or FLOOR_OF[other] < FLOOR_OF[own], f"{own} imports {other}"


def test_every_part_has_a_floor() -> None:
    assert {part_of(path) for path in MODULES} <= FLOOR_OF.keys()


def test_the_check_sees_every_kind_of_import() -> None:
    source = "import phasebench.a\nfrom phasebench import b\nfrom phasebench.c.d import e\nimport torch\n"
    source += "from .. import f\nfrom ..g import h\nfrom . import i\ndef lazy():\n    from phasebench.j import k\n"
    assert set(imported_parts(source, "phasebench.own")) == {"a", "b", "c", "f", "g", "own", "j"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE.parent).as_posix())
def test_a_module_has_one_subject(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


def test_the_workflow_is_parsed_without_heavy_libraries() -> None:
    code = (
        "import sys\nimport phasebench.provenance.spec_files\n"
        "print(*sorted({'torch', 'h5py', 'pandas', 'numpy', 'pyarrow', 'scipy', 'seaborn'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
