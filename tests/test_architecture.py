"""The tests mirror the packages, and what starts often imports little.

Which package may import which is a contract in ``pyproject.toml``, held by ``make lint``.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from support.checkout import ROOT

PACKAGE = ROOT / "src" / "phasebench"
PLUGIN = "snakemake_executor_plugin_submitit"
# Folders of tests that mirror no package of phasebench.
OTHER_SUBJECTS = {"benchmarks", "browser", "executor", "fuzz", "logger", "slurm", "support", "workflow"}


def misplaced(tests: Path, package: Path) -> list[str]:
    """Test files in folders that mirror no package."""
    files = sorted(path.relative_to(tests) for path in tests.rglob("test_*.py"))
    return [
        str(file)
        for file in files
        if file.parts[0] not in OTHER_SUBJECTS and not (package / file.parent / "__init__.py").is_file()
    ]


def test_the_tests_mirror_the_packages() -> None:
    assert misplaced(ROOT / "tests", PACKAGE) == []


def test_a_misplaced_test_is_seen(tmp_path: Path) -> None:
    for file in ("p/__init__.py", "p/data/__init__.py", "p/data/a.py", "p/folder/a.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    for file in (
        "test_p.py",
        "data/test_a.py",
        "slurm/test_a.py",
        "folder/test_a.py",
        "unit/test_a.py",
        "data/b/test_b.py",
    ):
        (tmp_path / "tests" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / file).touch()
    assert misplaced(tmp_path / "tests", tmp_path / "p") == ["data/b/test_b.py", "folder/test_a.py", "unit/test_a.py"]


def modules_of(*packages: str) -> list[str]:
    """Every module of packages of phasebench."""
    paths = [path for package in packages for path in sorted((PACKAGE / package).rglob("*.py"))]
    names = (".".join(path.relative_to(ROOT / "src").with_suffix("").parts) for path in paths)
    return [name.removesuffix(".__init__") for name in names]


@pytest.mark.parametrize(
    ("imported", "left_out"),
    [
        # The workflow is parsed again by every job on a cluster.
        (
            ["phasebench.provenance.spec_files"],
            {"torch", "h5py", "pandas", "numpy", "pyarrow", "scipy", "seaborn", "torchvision", "sklearn"},
        ),
        # Snakemake imports every installed plugin, whichever executor is used.
        ([PLUGIN], {"submitit", "numpy", "phasebench"}),
        # `phasebench --help` and whatever else a person waits for.
        (["phasebench.cli.main"], {"torch", "h5py", "pandas", "numpy", "pyarrow", "scipy", "seaborn", "snakemake"}),
        # The report is written where no torch is installed.
        (modules_of("tables", "reporting"), {"torch", "torchvision", "h5py"}),
    ],
    ids=["parsing", "plugin", "command line", "report"],
)
def test_what_starts_often_or_elsewhere_imports_little(imported: list[str], left_out: set[str]) -> None:
    code = f"import sys, {', '.join(imported)}\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert set(imported) <= loaded
    assert loaded & left_out == set()
