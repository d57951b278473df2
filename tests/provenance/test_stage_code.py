"""A job that waited in a queue refuses to run other code than was planned."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import phasebench
from phasebench.common.errors import PhasebenchError
from phasebench.data.encodings.registry import ENCODINGS
from phasebench.data.shards.registry import SHARDED_SOURCES
from phasebench.data.sources.registry import SOURCES
from phasebench.evaluation.registry import EVALUATIONS
from phasebench.models.registry import REGISTRY
from phasebench.provenance.stage_code import (
    ANALYSES_TABLE,
    BUILDERS_TABLE,
    ENCODINGS_TABLE,
    EVALUATIONS_TABLE,
    LAWS_TABLE,
    MODELS_TABLE,
    PROCEDURES_TABLE,
    SHARDED_SOURCES_TABLE,
    SOURCES_TABLE,
    check_code,
    dataset_code,
    evaluation_code,
    own_source,
    run_code,
    source_tree,
)
from phasebench.specs.run import Recipe, RunIdentity, RunSpec
from phasebench.specs.stage import StageIdentity

SPEC = RunSpec(
    scale="demo",
    suite="co_domain_symmetry",
    experiment="table_1",
    dataset="data",
    encoding="lab",
    model="cifarnet_type_e",
    recipe=Recipe(optimizer="sgd", learning_rate=0.1, batch_size=2, steps=1, validate_every=1),
    seed=0,
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = Path(phasebench.__file__).parent
    shutil.copytree(folder, tmp_path / "src/phasebench", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "src/phasebench"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def train(source: Path, spec: Path) -> subprocess.CompletedProcess[str]:
    """`phasebench train` of that copy; without data it ends right after the check."""
    command = [sys.executable, "-m", "phasebench", "train", "--spec", str(spec), "--data", "none.h5"]
    arguments = ["--output", str(spec.parent / "run"), "--checkpoint", str(spec.parent / "checkpoint.pt")]
    environment = {**os.environ, "PYTHONPATH": str(source.parent)}
    return subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True)


def test_edited_code_is_refused_by_name(source: Path, tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(RunIdentity(run=SPEC, code=run_code(source_tree(source), SPEC), environment={}).to_json())
    # Neither words nor another model matter.
    edit(source / "nn/complex/equivariant_norm.py", '"""', '"""Reworded. ')
    edit(source / "models/mstar.py", "return ", "return 0 or ")
    assert "none.h5" in train(source, spec).stderr

    edit(source / "training/optimizers.py", "return ", "return 0 or ")
    refused = train(source, spec)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        f"phasebench: error: {spec}: the code has changed since this was planned (phasebench.training.optimizers); "
        "run snakemake again to plan it anew"
    )
    assert not (tmp_path / "run").exists()


def test_evaluations_are_checked_too(source: Path, tmp_path: Path) -> None:
    code = evaluation_code(source_tree(source), "rotation")
    spec = tmp_path / "rotation.json"
    identity = StageIdentity(stage="evaluate", settings={"evaluation": "rotation"}, code=code, environment={})
    spec.write_text(identity.to_json())
    edit(source / "evaluation/rotation.py", "return ", "return 0 or ")
    command = [sys.executable, "-m", "phasebench", "evaluate", str(spec), "--data", "none.h5"]
    environment = {**os.environ, "PYTHONPATH": str(source.parent)}
    arguments = ["--run", str(tmp_path)]
    result = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert "the code has changed since this was planned (phasebench.evaluation.rotation)" in result.stderr


def test_what_is_no_longer_there_is_named(source: Path) -> None:
    with pytest.raises(PhasebenchError, match="model 'gone' is not known; choose one of cds_large, cifarnet_dcn, "):
        run_code(source_tree(source), SPEC.model_copy(update={"model": "gone"}))
    with pytest.raises(PhasebenchError, match="data source 'gone' is not known"):
        dataset_code(source_tree(source), "gone")
    edit(source / "evaluation/registry.py", '"rotation"', '"turning"')
    with pytest.raises(PhasebenchError, match=r"evaluation 'rotation' is not known; choose one of .*turning"):
        evaluation_code(source_tree(source), "rotation")


def test_many_changes_are_counted() -> None:
    with pytest.raises(PhasebenchError, match=r"planned \(a, b, c and 2 more\)"):
        check_code("spec.json", dict.fromkeys("abcde", "1"), dict.fromkeys("abcde", "2"))
    check_code("spec.json", {}, {"a": "1"})


TABLES = {
    ANALYSES_TABLE,
    BUILDERS_TABLE,
    ENCODINGS_TABLE,
    EVALUATIONS_TABLE,
    LAWS_TABLE,
    MODELS_TABLE,
    PROCEDURES_TABLE,
    SHARDED_SOURCES_TABLE,
    SOURCES_TABLE,
}


def calls_of_registry(package: Path) -> int:
    """How often the class is called anywhere in the package, at the top level of a module or not."""
    nodes = (node for path in package.rglob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return sum(isinstance(node, ast.Call) and "Registry" in ast.unparse(node.func).split(".") for node in nodes)


def test_the_registries_that_stages_choose_from_are_those_there_are() -> None:
    tree = own_source()
    assert tree.registries() == TABLES
    # One that is made in a function, or by another name, would not be seen.
    assert calls_of_registry(tree.folder) == len(TABLES)


@pytest.mark.parametrize("name", sorted(EVALUATIONS))
def test_no_evaluation_follows_all_of_a_registry(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each run's own spec file has its model and encodings; an evaluation that had them too would never be current."""
    code = evaluation_code(own_source(), name)
    assert not {entry.target.partition(":")[0] for entry in REGISTRY.values()} & code.keys()


def test_a_registry_that_nobody_chooses_from_is_followed_whole(source: Path) -> None:
    """Who adds a registry and forgets the hash repeats too much, and never too little."""
    before = run_code(source_tree(source), SPEC)
    (source / "training/schedules.py").write_text(
        "from phasebench.common.registry import Registry\n\nSCHEDULES: Registry[str] = Registry(\n"
        "    'schedule', {'first': 'phasebench.training.own:first', 'second': 'phasebench.training.own:second'}\n)\n"
    )
    own = source / "training/own.py"
    own.write_text("def first():\n    return 1\n\n\ndef second():\n    return 2\n\n\ndef other():\n    return 3\n")
    optimizers = source / "training/optimizers.py"
    optimizers.write_text(
        f"{optimizers.read_text()}\n\nfrom phasebench.training.schedules import SCHEDULES\n\nSCHEDULES.load('first')\n"
    )
    with_registry = run_code(source_tree(source), SPEC)
    assert {"phasebench.training.schedules", "phasebench.training.own"} <= with_registry.keys() - before.keys()
    own.write_text(own.read_text().replace("return 3", "return 4"))
    assert run_code(source_tree(source), SPEC) == with_registry
    own.write_text(own.read_text().replace("return 2", "return 5"))
    after = run_code(source_tree(source), SPEC)
    assert {name for name in after if after[name] != with_registry[name]} == {"phasebench.training.own"}


@pytest.mark.parametrize("source_name", [*SOURCES, *SHARDED_SOURCES])
def test_a_data_set_follows_its_own_source(source_name: str) -> None:
    code = dataset_code(own_source(), source_name)
    assert {**SOURCES, **SHARDED_SOURCES}[source_name].partition(":")[0] in code


@pytest.mark.parametrize("name", sorted(ENCODINGS))
def test_a_run_follows_its_own_encoding(name: str) -> None:
    code = run_code(own_source(), SPEC.model_copy(update={"encoding": name}))
    assert ENCODINGS[name].partition(":")[0] in code
