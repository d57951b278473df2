"""The executor as a wheel, in an environment without torch and the benchmark, with a workflow of somebody else."""

import importlib.metadata
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from support.checkout import ROOT
from support.private_cluster import PrivateCluster

SNAKEFILE = """
rule all:
    input: "sum.txt"

rule number:
    output: "numbers/{n}.txt"
    resources: runtime=5, mem_mb=400
    shell: "echo $(( {wildcards.n} * {wildcards.n} )) > {output}"

rule add:
    input: expand("numbers/{n}.txt", n=[1, 2, 3])
    output: "sum.txt"
    resources: runtime=5, mem_mb=400
    shell: "awk '{{ total += $1 }} END {{ print total }}' {input} > {output}"
"""


def needed_by(distribution: importlib.metadata.Distribution, found: dict[str, importlib.metadata.Distribution]) -> None:
    """Collect the installed distributions that one needs, by name."""
    for line in distribution.requires or ():
        requirement = Requirement(line)
        name = requirement.name.lower().replace("_", "-")
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found[name] = importlib.metadata.distribution(name)
            needed_by(found[name], found)


def environment_of_the_wheel(folder: Path) -> Path:
    """An environment with the wheel and what it needs, and nothing else; returns its Python."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "wheel")]
    subprocess.run(build, cwd=ROOT / "executor", check=True, capture_output=True)
    venv.create(folder / "env", symlinks=True)
    packages = folder / f"env/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    (wheel,) = (folder / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # As they are installed here, since a test downloads nothing.
    found: dict[str, importlib.metadata.Distribution] = {}
    (facts,) = packages.glob("snakemake_executor_plugin_submitit-*.dist-info")
    needed_by(importlib.metadata.Distribution.at(facts), found)
    for distribution in found.values():
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}:
            source = Path(str(distribution.locate_file(top)))
            if source.exists() and not (packages / top).exists():
                (packages / top).symlink_to(source)
    return folder / "env/bin/python"


def test_a_workflow_of_three_rules_of_somebody_else(slurm_none: PrivateCluster, tmp_path: Path) -> None:
    python = environment_of_the_wheel(tmp_path)
    environment = {
        name: value
        for name, value in {**os.environ, **slurm_none.environment}.items()
        if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    environment["PATH"] = f"{python.parent}:{environment['PATH']}"
    absent = "import importlib.util as u; print(*(n for n in ('torch', 'phasebench') if u.find_spec(n)))"
    found = subprocess.run([python, "-c", absent], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert (found.stdout.strip(), found.stderr) == ("", "")
    work = tmp_path / "work"
    work.mkdir()
    (work / "Snakefile").write_text(SNAKEFILE)
    before = len(slurm_none.history())
    options = ["--executor=submitit", "--submitit-cluster=slurm", "--jobs=4", "--seconds-between-status-checks=1"]
    command = [python, "-m", "snakemake", *options, "--default-resources", "slurm_partition=cpu"]
    result = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (work / "sum.txt").read_text().split() == ["14"]
    assert len(slurm_none.history()) - before == 4
