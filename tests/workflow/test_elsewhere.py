"""The workflow from another folder: as a module with a prefix, and with ``--directory``."""

import shutil
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from support.checkout import ROOT
from support.dry_runs import forked_snakemake, planned

from phasebench.cli.main import app
from phasebench.provenance.spec_files import plan_benchmark
from phasebench.provenance.status import Checkout

USER = f"""
configfile: "mine.yaml"

module phasebench:
    snakefile: "{ROOT}/Snakefile"
    config: config["bench"]
    prefix: "benchmark"

use rule * from phasebench as bench_*

rule mine:
    input: rules.bench_all.input
    output: "mine.txt"
    message: "Mine"
    default_target: True
    shell: "touch {{output}}"
"""
SETTINGS = {"scale": "demo", "suites": ["phase_matters"]}


def test_as_a_module_with_a_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Snakefile").write_text(USER)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"bench": SETTINGS}))
    kinds = Counter(job.split(" ")[0] for job in planned(tmp_path))
    specs = tmp_path / "benchmark/results/demo/specs"
    assert kinds["Train"] == len(list(specs.glob("runs/**/seed*.json"))) > 0
    assert kinds["Prepare"] == len(list(specs.glob("datasets/*.json"))) > 0
    assert kinds["Write"] == kinds["Collect"] == kinds["Mine"] == 1
    # Nothing lies beside the prefix, nor in the repository.
    assert {path.name for path in tmp_path.iterdir()} == {"Snakefile", "mine.yaml", "benchmark", ".snakemake"}
    # In the prefix's folder the commands find what the module planned.
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(SETTINGS))
    monkeypatch.chdir(tmp_path / "benchmark")
    with pytest.raises(SystemExit):
        app(["status", "--configfile", "../settings.yaml"])
    assert f"{kinds['Train']} runs: 0 done, 0 stale" in capsys.readouterr().out


def test_without_the_package_one_line_says_so(tmp_path: Path) -> None:
    for name in ("Snakefile", "config.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "workflow", tmp_path / "workflow")
    result = forked_snakemake(tmp_path, "--dry-run")
    assert result.returncode != 0
    lines = [line for line in result.stderr.splitlines() if line.startswith("phasebench: error: ")]
    folder = f"{tmp_path}/src/phasebench"
    remedy = "clone the whole repository, and use its Snakefile by path"
    assert lines == [f"phasebench: error: {folder}: there is no such folder; {remedy}"]


def write_images(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["classes"] = ["a", "b"]
        for part in ("train", "test"):
            file[f"{part}/images"] = np.full((4, 8, 8, 1), value, dtype=np.uint8)
            file[f"{part}/labels"] = np.arange(4) % 2


def test_raw_files_are_watched_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {**SETTINGS, "data_root": "raw", "datasets": {"mnist": {"source": "hdf5", "path": "mine.h5"}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    seen = []
    for value in (0, 1):
        write_images(tmp_path / "raw/mine.h5", value)
        plan = plan_benchmark(settings, ROOT, Path("results"), write=True, base=Path())
        seen.append((tmp_path / "results/demo/specs/datasets/mnist.json").read_bytes())
        assert not plan.left_out
    assert seen[0] != seen[1]
    # The status looks in the same folder, with the suites of the repository.
    (dataset,) = Checkout(tmp_path).datasets()
    assert (dataset.dataset, dataset.state) == ("mnist", "missing")
    (tmp_path / "raw/mine.h5").unlink()
    assert Checkout(tmp_path).plan.left_out
