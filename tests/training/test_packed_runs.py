"""Runs that share the cores of one job, as the executor packs them: the bytes of runs alone."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.squares import make_spec, write_squares

from phasebench.specs.run import Recipe, RunIdentity
from snakemake_executor_plugin_submitit.job_runner import PackedCall, SnakemakeCall

RECIPE = Recipe(optimizer="sgd", learning_rate=0.1, batch_size=8, steps=4, validate_every=2)


@pytest.fixture
def commands(tmp_path: Path) -> list[list[str]]:
    """Training of two seeds."""
    data, found = write_squares(tmp_path), []
    for seed in range(2):
        spec = make_spec(RECIPE, seed=seed)
        path = tmp_path / f"{seed}.json"
        path.write_text(RunIdentity(run=spec, code={}, environment={"torch": "2"}).to_json())
        command = [sys.executable, "-m", "phasebench", "train", "--device", "cpu"]
        found.append([*command, "--spec", str(path), "--data", str(data), "--checkpoint", str(tmp_path / f"{seed}.pt")])
    return found


def test_packed_runs_have_the_bytes_of_runs_alone(
    commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"EXECUTOR": "local", "LOCAL_JOB_ID": "7", "FOLDER": str(tmp_path)}.items():
        monkeypatch.setenv(f"SUBMITIT_{name}", value)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        calls = []
        for seed, command in enumerate(commands):
            line = " ".join([*command, "--output", str(tmp_path / f"packed{seed}")])
            calls.append(SnakemakeCall(line, str(tmp_path), 5, 3, f"train seed={seed}"))
        PackedCall(calls, gpu=False)()
    finally:
        signal.signal(signal.SIGTERM, handler)
    subprocess.run([*commands[1], "--output", str(tmp_path / "alone1")], check=True, capture_output=True)
    for name in ("weights.safetensors", "predictions.parquet"):
        packed, alone = ((tmp_path / folder / name).read_bytes() for folder in ("packed1", "alone1"))
        assert packed == alone
        assert packed != (tmp_path / "packed0" / name).read_bytes()
