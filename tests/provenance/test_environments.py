"""The conda environments hold what the rules' code imports, in the versions of the lock."""

import ast
import re
import runpy
import sys
from pathlib import Path

import pytest
import yaml
from support.checkout import ROOT

from phasebench.common.errors import PhasebenchError
from phasebench.data.encodings.registry import ENCODINGS
from phasebench.data.shards.registry import SHARDED_SOURCES
from phasebench.data.sources.registry import SOURCES
from phasebench.models.registry import REGISTRY
from phasebench.plan.registries import ANALYSES_TABLE, EVALUATIONS_TABLE, PROCEDURES_TABLE
from phasebench.properties.registry import LAWS
from phasebench.provenance.environments import read_pins
from phasebench.provenance.stage_code import own_source

TREE = own_source()
ANALYSES = TREE.string_table(ANALYSES_TABLE)
EVALUATIONS = TREE.string_table(EVALUATIONS_TABLE)
PROCEDURES = TREE.string_table(PROCEDURES_TABLE)
# What a command looks up is said by TARGETS.
NO_ENTRIES: dict[str, tuple[str, ...]] = dict.fromkeys(TREE.registries(), ())
# Rule -> what its command may look up by name.
TARGETS = {
    "prepare": [*SOURCES.values()],
    "plan_shards": [*SHARDED_SOURCES.values()],
    "write_shard": [],
    "gather_shards": [],
    "train": [*PROCEDURES.values(), *ENCODINGS.values(), *(entry.target for entry in REGISTRY.values())],
    "evaluate": [*ENCODINGS.values(), *(entry.target for entry in REGISTRY.values()), *EVALUATIONS.values()],
    "overhead": [*(entry.target for entry in REGISTRY.values())],
    "baselines": [*ENCODINGS.values()],
    "properties": [*LAWS.values(), *(entry.target for entry in REGISTRY.values())],
    "analyse": [*ANALYSES.values()],
    "aggregate": [],
    "report": [],
    "preview": [],
}
# Rule -> its text.
RULES = {
    match[1]: match[2]
    for path in (ROOT / "workflow" / "rules").glob("*.smk")
    for match in re.finditer(r"^(?:rule|checkpoint) (\w+):\n((?:    .*\n|\n)+)", path.read_text(), flags=re.MULTILINE)
}
# Packages that are imported by another name than their own.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "lazy_loader": "lazy-loader",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
# pandas reads and writes Parquet with it.
IMPLIED = {"pandas": {"pyarrow"}}


def imports_of(rule: str) -> set[str]:
    """Distributions that the rule's command imports, directly or not."""
    tree = ast.parse((ROOT / "src/phasebench/cli/main.py").read_text())
    command = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == rule)
    own = [node for node in ast.walk(command) if isinstance(node, ast.ImportFrom)]
    roots = [f"{node.module}:{alias.name}" for node in own for alias in node.names]
    assert roots
    modules = {"typer", *TREE.closure([*roots, *TARGETS[rule]], NO_ENTRIES).third_party} - set(sys.stdlib_module_names)
    for name, others in IMPLIED.items():
        modules |= others if name in modules else set()
    return {DISTRIBUTIONS.get(module, module) for module in modules}


def environment_of(rule: str) -> str:
    match = re.search(r'^    conda:\s+"\.\./\.\./(envs/\w+\.yaml)"', RULES[rule], flags=re.MULTILINE)
    assert match is not None
    return match[1]


def locked_versions() -> dict[str, str]:
    """Package -> version in the lock, for the Python that the environments have."""
    found = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        match = re.match(r"([a-z0-9-]+)==(\S+)(?: ; (.*?))? \\$", line)
        if match and (match[3] is None or "python_full_version < '3.12'" in match[3] or "sys_platform" in match[3]):
            found[match[1]] = match[2]
    return found


@pytest.mark.parametrize("name", ["train", "analysis"])
def test_versions_are_those_of_the_lock(name: str) -> None:
    pins = read_pins(ROOT / "envs" / f"{name}.yaml", name)
    assert pins.pop("python") == "3.11"
    locked = locked_versions()
    assert pins == {package: locked[package] for package in pins}


def test_the_environments_are_written_from_the_lock() -> None:
    written = runpy.run_path(str(ROOT / "envs/from_lock.py"))["texts"]()
    assert {path.name for path in written} == {"train.yaml", "analysis.yaml", "snakemake.yaml"}
    assert all(path.read_text(encoding="utf-8") == text for path, text in written.items()), "run `make lock`"
    for text in written.values():
        lines = yaml.safe_load(text)["dependencies"][-1]["pip"]
        # pip then refuses everything that is not listed here.
        assert all("--hash=sha256:" in line for line in lines)
        assert "nodefaults" not in text
    names = {path.stem: set(re.findall(r"- \"?([a-z0-9-]+)==", text)) for path, text in written.items()}
    assert {"torch", "triton", "sympy", "numpy"} <= names["train"]
    # Snakemake's own needs neither torch nor what draws.
    assert not names["snakemake"] & {"torch", "scipy", "matplotlib"}


def test_what_nobody_imports_is_no_part_of_an_identity() -> None:
    assert "sympy" not in read_pins(ROOT / "envs/train.yaml", "train")


@pytest.mark.parametrize("rule", TARGETS)
def test_what_a_rule_imports_is_in_its_environment(rule: str) -> None:
    environment = environment_of(rule)
    missing = imports_of(rule) - read_pins(ROOT / environment, environment).keys()
    assert not missing, f"{environment} lacks {sorted(missing)}"


@pytest.mark.parametrize("environment", ["envs/train.yaml", "envs/analysis.yaml"])
def test_an_environment_holds_nothing_that_its_rules_do_not_need(environment: str) -> None:
    needed = set().union(*(imports_of(rule) for rule in TARGETS if environment_of(rule) == environment))
    assert read_pins(ROOT / environment, environment).keys() - needed == {"python"}


def test_every_rule_has_an_environment() -> None:
    assert TARGETS.keys() == RULES.keys()


@pytest.mark.parametrize(
    ("dependencies", "message"),
    [
        ("[numpy]", "e.yaml: dependencies: 'numpy' does not pin one version"),
        ("['numpy>=2']", "e.yaml: dependencies: 'numpy>=2' does not pin one version"),
        ("[pip: [numpy==2.*]]", "e.yaml: dependencies: 'numpy==2.*' does not pin one version"),
        ("[{pip: [numpy==2.0], pop: 1}]", "e.yaml: dependencies.0"),
    ],
)
def test_an_environment_that_pins_too_little(tmp_path: Path, dependencies: str, message: str) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(f"channels: [conda-forge]\ndependencies: {dependencies}\n")
    with pytest.raises(PhasebenchError) as caught:
        read_pins(path, "e.yaml")
    assert str(caught.value).startswith(message)
