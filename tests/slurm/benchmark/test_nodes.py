"""A run whose processes train on two nodes of a real SLURM."""

import json
import os
import sys
from pathlib import Path

from support.counting_workflow import wait_for
from support.private_cluster import PrivateCluster
from support.squares import make_spec, write_squares

from phasebench.specs.run import Recipe, RunIdentity

RECIPE = Recipe(optimizer="sgd", learning_rate=0.1, batch_size=8, steps=4, validate_every=2, processes=2)


def test_two_processes_train_on_two_nodes(slurm_none: PrivateCluster, tmp_path: Path) -> None:
    data, spec = write_squares(tmp_path), make_spec(RECIPE, "cifarnet_real", seed=0)
    (tmp_path / "spec.json").write_text(RunIdentity(run=spec, code={}, environment={"torch": "2"}).to_json())
    train = f"{sys.executable} -m phasebench train --device cpu --spec spec.json --data {data.name} --output run"
    lines = ["#!/bin/bash", f"cd {tmp_path}", "srun --ntasks=2 --nodes=2 --overlap printenv SLURMD_NODENAME | sort"]
    lines += [f"export PYTHONPATH={os.environ.get('PYTHONPATH', '')}", f"{train} --checkpoint run.pt", "echo ended $?"]
    (tmp_path / "job.sh").write_text("\n".join(lines) + "\n")
    options = ["--partition=cpu", "--nodes=2", "--ntasks=2", "--mem=1500", "--time=20"]
    output = tmp_path / "job.out"
    slurm_none.run("sbatch", *options, f"--output={output}", str(tmp_path / "job.sh"))
    wait_for(lambda: output.exists() and "ended " in output.read_text())
    said = output.read_text()
    assert said.startswith("n1\nn2\n"), said
    assert "ended 0" in said, said
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["processes"] == 2
    assert not (tmp_path / "run.srun").exists()
