"""The executor as a distribution of its own: it builds, installs, and is found by Snakemake without phasebench."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from support.checkout import ROOT

NAME = "snakemake_executor_plugin_submitit"
DISTRIBUTION = ROOT / "executor"
MODULES = sorted((DISTRIBUTION / "src" / NAME).glob("*.py"))
TESTS = [
    *(ROOT / "tests/executor").rglob("*.py"),
    *(path for path in (ROOT / "tests/slurm").rglob("*.py") if "benchmark" not in path.parts),
]


def imported_modules(path: Path) -> Iterator[str]:
    """Modules that a file imports anywhere, in functions and for type checking too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def imported_packages(path: Path) -> set[str]:
    """Top-level packages that a file imports."""
    return {module.split(".")[0] for module in imported_modules(path)}


def support_files(path: Path) -> set[Path]:
    """Files of tests/support that a file imports, directly or not."""
    found = {ROOT / "tests" / f"{name.replace('.', '/')}.py" for name in imported_modules(path) if "support." in name}
    return found.union(*map(support_files, found))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel of the distribution is installed, and nothing else."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    build = [*pip, "wheel", *offline, "--no-build-isolation", f"--wheel-dir={wheels}", str(DISTRIBUTION)]
    subprocess.run(build, check=True)
    (wheel,) = wheels.iterdir()
    subprocess.run([*pip, "install", *offline, f"--target={target}", str(wheel)], check=True)
    return target


def run_isolated(code: str, installed: Path) -> str:
    """Output of a Python that sees the installed wheel and third-party packages, but no editable installation."""
    libraries = [entry for entry in sys.path if entry.endswith("site-packages")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *libraries])}
    # Editable installations are .pth files, which -S leaves unread.
    command = [sys.executable, "-S", "-c", code]
    return subprocess.run(command, env=environment, cwd=installed, capture_output=True, text=True, check=True).stdout


def test_the_installed_wheel_works_without_phasebench(installed: Path) -> None:
    code = (
        "import importlib.util, pkgutil\n"
        f"import {NAME} as plugin\n"
        f"names = [module.name for module in pkgutil.iter_modules(plugin.__path__, '{NAME}.')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(plugin.__file__, len(names), importlib.util.find_spec('phasebench'), sep='\\n')"
    )
    file, modules, phasebench = run_isolated(code, installed).splitlines()
    assert Path(file) == installed / NAME / "__init__.py"
    assert int(modules) == len(MODULES) - 1
    assert phasebench == "None"
    assert (installed / NAME / "py.typed").exists()


def test_snakemake_finds_the_installed_wheel(installed: Path) -> None:
    code = (
        "from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry\n"
        "plugin = ExecutorPluginRegistry().get_plugin('submitit')\n"
        "print(plugin.cli_prefix, plugin._executor_settings_cls.__module__)"
    )
    assert run_isolated(code, installed).split() == ["submitit", f"{NAME}.settings"]


def test_the_licence_is_in_the_wheel(installed: Path) -> None:
    (licence,) = installed.glob(f"{NAME}-*.dist-info/licenses/LICENSE")
    assert licence.read_text() == (ROOT / "LICENSE").read_text()


def test_the_declared_dependencies_are_those_that_are_imported() -> None:
    imported = set[str]().union(*map(imported_packages, MODULES)) - set(sys.stdlib_module_names) - {NAME}
    distributions = packages_distributions()
    needed = {distributions[name][0].lower().replace("_", "-") for name in imported}
    project = tomllib.loads((DISTRIBUTION / "pyproject.toml").read_text())["project"]
    assert {re.split(r"[<>=!~]", each)[0] for each in project["dependencies"]} == needed


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_neither_the_executor_nor_its_tests_know_the_benchmark(path: Path) -> None:
    for file in {path, *support_files(path)}:
        assert not imported_packages(file) & {"phasebench", "torch"}, file


def test_the_check_follows_support_modules() -> None:
    conftest = support_files(ROOT / "tests/slurm/conftest.py")
    assert {"private_cluster.py", "slurm_processes.py"} <= {file.name for file in conftest}
    assert "phasebench" in imported_packages(ROOT / "tests/support/finished_runs.py")


def test_snakemake_starts_without_submitit() -> None:
    # Snakemake imports every installed plugin, whichever executor is used.
    code = f"import sys\nimport {NAME}\nprint(*sorted({{'submitit', 'numpy'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
