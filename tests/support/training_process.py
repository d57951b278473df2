"""Training in a process of its own, which can be killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file

from phasebench.specs.run import RunIdentity


def run_in_process(arguments: dict[str, Path], *, wait: float | None = None, send: int | None = None) -> int:
    """Train in a process of its own; after ``wait`` seconds of training send it a signal."""
    command = [sys.executable, "-m", "phasebench", "train", "--device", "cpu", "--checkpoint-seconds", "0"]
    for name, path in arguments.items():
        command += [f"--{name}", str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    if send is not None:
        deadline = time.monotonic() + 120
        while not arguments["checkpoint"].exists():
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(wait or 0.0)
        process.send_signal(send)
    print(process.communicate()[1].decode())  # pytest shows it if the test fails
    return process.returncode


def write_arguments(folder: Path, store: Path, identity: RunIdentity) -> dict[str, Path]:
    folder.mkdir()
    spec = folder / "spec.json"
    spec.write_text(identity.to_json())
    return {"spec": spec, "data": store, "output": folder / "run", "checkpoint": folder / "run.pt"}


def assert_same_run(first: Path, second: Path) -> None:
    weights = load_file(first / "weights.safetensors")
    others = load_file(second / "weights.safetensors")
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    for name in ("history", "predictions"):
        tables = [pd.read_parquet(folder / f"{name}.parquet") for folder in (first, second)]
        timeless = [table.drop(columns="images_per_second", errors="ignore") for table in tables]
        pd.testing.assert_frame_equal(*timeless, check_exact=True)
