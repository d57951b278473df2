"""A run whose processes train on two nodes of a real SLURM."""

import json
import os
import sys
from pathlib import Path

import numpy as np
from support.counting_workflow import wait_for
from support.private_cluster import PrivateCluster

from phasebench.data.store import write_store
from phasebench.specs.run import Recipe, RunIdentity, RunSpec

RECIPE = Recipe(optimizer="sgd", learning_rate=0.1, batch_size=8, steps=4, validate_every=2, processes=2)


def test_two_processes_train_on_two_nodes(slurm_none: PrivateCluster, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_store(
        tmp_path / "data.h5",
        tmp_path / "data.json",
        samples=rng.integers(0, 255, (40, 32, 32, 3), dtype=np.uint8),
        labels=rng.integers(0, 2, 40),
        splits={"train": np.arange(30), "test": np.arange(30, 40)},
        classes=["one", "two"],
        source={"source": "generated"},
    )
    spec = RunSpec(
        scale="demo",
        suite="study",
        experiment="table",
        dataset="noise",
        encoding="rgb",
        model="cifarnet_real",
        recipe=RECIPE,
        seed=0,
    )
    (tmp_path / "spec.json").write_text(RunIdentity(run=spec, code={}, environment={"torch": "2"}).to_json())
    train = f"{sys.executable} -m phasebench train --device cpu --spec spec.json --data data.h5 --output run"
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
