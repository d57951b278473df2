"""The benchmark itself on a real SLURM, as a user starts it: `snakemake --profile slurm`."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml
from support.counting_workflow import wait_for
from support.private_cluster import PrivateCluster
from support.tiny_benchmark import STUDY, TINY_SCALE, copy_checkout, keep_one_evaluation

RUN = f"{STUDY}/table_1/colour_shapes-lab/cifarnet_type_i/seed0"
LIMIT_SECONDS = 900


class Benchmark:
    """A checkout, and Snakemake with its profile on a cluster."""

    def __init__(self, checkout: Path, cluster: PrivateCluster) -> None:
        self.checkout = checkout
        keep_one_evaluation(checkout)
        inherited = {name: value for name, value in cluster.environment.items() if name != "PYTHONPATH"}
        self._environment = {**inherited, "PATH": f"{Path(sys.executable).parent}:{inherited['PATH']}"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        # The profile's 20 s between two looks are for real clusters.
        command = ["snakemake", "--profile", "slurm", "--seconds-between-status-checks=1", "--latency-wait=10"]
        return subprocess.Popen(
            [*command, *arguments, "--config", "scale=tiny"],
            cwd=self.checkout,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, succeeds: bool = True) -> str:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=LIMIT_SECONDS)
        assert (process.returncode == 0) == succeeds, output
        return output

    def record(self, run: str = RUN) -> dict[str, object]:
        return dict(json.loads((self.checkout / f"results/tiny/runs/{run}/run.json").read_text()))


@pytest.fixture
def benchmark(cluster: PrivateCluster, tmp_path: Path) -> Benchmark:
    return Benchmark(copy_checkout(tmp_path), cluster)


def longer(checkout: Path, steps: int) -> None:
    """Have the tiny scale's networks train for so many steps."""
    recipe = {"steps": steps, "batch_size": 16, "validate_every": steps // 4}
    suite = {**TINY_SCALE["suites"][STUDY], "recipes": {"cifarnet": recipe}}
    scale = {**TINY_SCALE, "suites": {**TINY_SCALE["suites"], STUDY: suite}}
    (checkout / "workflow/scales/tiny.yaml").write_text(yaml.safe_dump(scale))


def test_the_benchmark_runs_to_its_report(benchmark: Benchmark) -> None:
    output = benchmark.run()
    # Both runs are ready together and ask for the same.
    assert "Submitted 2 jobs as array " in output
    assert "train (partition cpu, 7 min)" in output
    assert "evaluate (partition cpu, 30 min)" in output
    assert "prepare (partition cpu, 120 min)" in output
    assert "<title>" in (benchmark.checkout / "reports/benchmark.html").read_text()
    record = benchmark.record()
    assert "_" in str(record["slurm_job_id"])
    assert record["slurm_restarts"] == 0
    assert "Nothing to be done" in benchmark.run("--dry-run")


def training(cluster: PrivateCluster) -> bool:
    """Whether a training process has come so far that it listens to SIGTERM."""
    for pid in cluster.processes():
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
            listens = caught is not None and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1
            if listens and psutil.Process(pid).cmdline()[1:4] == ["-m", "phasebench", "train"]:
                return True
    return False


def test_a_run_interrupted_twice_ends_bit_identical(
    slurm_none: PrivateCluster, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    disturbed = Benchmark(copy_checkout(tmp_path), slurm_none)
    undisturbed = Benchmark(copy_checkout(tmp_path_factory.mktemp("undisturbed")), slurm_none)
    for benchmark in (disturbed, undisturbed):
        longer(benchmark.checkout, 300)
    results = f"results/tiny/runs/{RUN}"
    undisturbed.run(f"{results}/run.json")

    process = disturbed.start(f"{results}/run.json")
    for _ in range(2):
        wait_for(lambda: training(slurm_none))
        time.sleep(0.5)
        (job,) = [job for job, state in slurm_none.states().items() if state == "RUNNING"]
        # Of a job with so short a limit, submitit takes this signal for the time limit's.
        slurm_none.run("scancel", "--signal=USR2", job)
        wait_for(lambda job=job: slurm_none.states([job])[job] == "PENDING")  # type: ignore[misc]
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, output

    # On a busy machine the short limit itself interrupts either run once more.
    assert disturbed.record()["resumed"] >= 2
    assert disturbed.record()["slurm_restarts"] >= 2
    for file in ("weights.safetensors", "predictions.parquet"):
        assert (disturbed.checkout / results / file).read_bytes() == (
            undisturbed.checkout / results / file
        ).read_bytes(), file
    columns = ["step", "train_loss", "validation_accuracy", "learning_rate"]
    histories = [
        pd.read_parquet(benchmark.checkout / results / "history.parquet") for benchmark in (disturbed, undisturbed)
    ]
    pd.testing.assert_frame_equal(histories[0][columns], histories[1][columns], check_exact=True)


@pytest.fixture
def full_disk(benchmark: Benchmark) -> Iterator[Path]:
    """A file system with room for nothing where the runs' results go."""
    folder = benchmark.checkout / "results/tiny/runs"
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "phasebench-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system is for root only")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_named_and_costs_nothing_that_was_finished(benchmark: Benchmark, full_disk: Path) -> None:
    output = benchmark.run("--retries=0", succeeds=False)
    assert "cannot be written: No space left on device" in output
    assert not list(full_disk.rglob("run.json"))
    assert not list(full_disk.rglob(".*safetensors"))
    subprocess.run(["mount", "-o", "remount,size=100m", str(full_disk)], check=True)
    output = benchmark.run()
    assert "prepare (" not in output
    assert benchmark.record()["steps"] == 4
