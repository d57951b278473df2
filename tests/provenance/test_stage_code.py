"""A job that waited in a queue refuses to run other code than was planned."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import phasebench
from phasebench.codehash.closure import SourceTree
from phasebench.common.errors import PhasebenchError
from phasebench.provenance.stage_code import check_code, dataset_code, evaluation_code, run_code
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
    spec.write_text(RunIdentity(run=SPEC, code=run_code(SourceTree(source), SPEC), environment={}).to_json())
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
    code = evaluation_code(SourceTree(source), "rotation")
    spec = tmp_path / "rotation.json"
    identity = StageIdentity(stage="evaluate", settings={"evaluation": "rotation"}, code=code, environment={})
    spec.write_text(identity.to_json())
    edit(source / "evaluation/rotation.py", "return ", "return 0 or ")
    command = [sys.executable, "-m", "phasebench", "evaluate", "--spec", str(spec), "--data", "none.h5"]
    environment = {**os.environ, "PYTHONPATH": str(source.parent)}
    arguments = ["--run", str(tmp_path), "--output", str(tmp_path / "rotation.parquet")]
    result = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert "the code has changed since this was planned (phasebench.evaluation.rotation)" in result.stderr


def test_what_is_no_longer_there_is_named(source: Path) -> None:
    with pytest.raises(PhasebenchError, match="model 'gone' is not known; choose one of cds_large, cifarnet_dcn, "):
        run_code(SourceTree(source), SPEC.model_copy(update={"model": "gone"}))
    with pytest.raises(PhasebenchError, match="data source 'gone' is not known"):
        dataset_code(SourceTree(source), "gone")
    edit(source / "evaluation/registry.py", '"rotation"', '"turning"')
    with pytest.raises(PhasebenchError, match=r"evaluation 'rotation' is not known; choose one of .*turning"):
        evaluation_code(SourceTree(source), "rotation")


def test_many_changes_are_counted() -> None:
    with pytest.raises(PhasebenchError, match=r"planned \(a, b, c and 2 more\)"):
        check_code("spec.json", dict.fromkeys("abcde", "1"), dict.fromkeys("abcde", "2"))
    check_code("spec.json", {}, {"a": "1"})
