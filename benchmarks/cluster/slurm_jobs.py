"""What a job costs on a SLURM cluster: bare sbatch, this executor (also packed) and, if installed, the SLURM plugin.

Run it where `sbatch` works, in a folder that the nodes share:

    python benchmarks/cluster/slurm_jobs.py --jobs 500 --partition cpu

Every job sleeps for a second and writes a file. Each way is run once, one after the other. The calls of SLURM's
commands, by the controller and by the jobs, are counted by wrappers that stand before them on the PATH.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "sinfo", "scancel")
SNAKEFILE = """
rule all:
    input: expand("out/{number}", number=range(int(config["jobs"])))

rule make:
    output: "out/{number}"
    resources: runtime=10, mem_mb=800, slurm_partition=config["partition"]
    shell: "sleep 1; touch {output}"
"""


def main() -> None:
    arguments = parse_arguments()
    jobs, partition = arguments.jobs, arguments.partition
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        bare = run_bare(Path(name), jobs, partition)
    print(f"bare_sbatch_seconds {bare:.1f}")
    print(f"bare_sbatch_seconds_per_job {bare / jobs:.2f}", flush=True)
    ours = ["--submitit-cluster=slurm"]
    executors = {
        "submitit": ("submitit", ours),
        "submitit_packed": ("submitit", [*ours, "--set-resources", "make:gpu_share=8"]),
    }
    if importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        executors["slurm"] = ("slurm", ["--slurm-init-seconds-before-status-checks=5"])
    for way, (executor, options) in executors.items():
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            seconds, memory, calls = run_snakemake(Path(name), executor, options, jobs, partition)
        print(f"{way}_seconds {seconds:.1f}")
        print(f"{way}_over_bare_seconds_per_job {(seconds - bare) / jobs:.2f}")
        print(f"{way}_controller_peak_megabytes {memory / 1e6:.0f}")
        for command, count in sorted(calls.items()):
            print(f"{way}_calls_of_{command} {count}")
        sys.stdout.flush()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--partition", required=True)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on a file system that the nodes share")
    return parser.parse_args()


def run_bare(folder: Path, jobs: int, partition: str) -> float:
    """Seconds from the first sbatch to the last file, one sbatch for each job."""
    start = time.perf_counter()
    for number in range(jobs):
        options = [f"--partition={partition}", "--mem=800", "--time=10", "--output=/dev/null"]
        subprocess.run(["sbatch", "--quiet", *options, f"--wrap=sleep 1; touch {folder}/{number}"], check=True)
    while len(list(folder.iterdir())) < jobs:
        time.sleep(0.2)
    return time.perf_counter() - start


def run_snakemake(
    folder: Path, executor: str, options: list[str], jobs: int, partition: str
) -> tuple[float, int, Counter[str]]:
    """Seconds, the controller's peak memory in bytes, and how often it called each command of SLURM."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", f"--executor={executor}", f"--jobs={jobs}", "--quiet=all", *options]
    settings = ["--seconds-between-status-checks=5", "--config", f"jobs={jobs}", f"partition={partition}"]
    with counted_commands() as (path, calls):
        start = time.perf_counter()
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [*command, *settings],
                cwd=folder,
                env={**os.environ, "PATH": path},
                stdout=log,
                stderr=log,
            )
            memory = 0
            while process.poll() is None:
                memory = max(memory, psutil.Process(process.pid).memory_info().rss)
                time.sleep(0.5)
        seconds = time.perf_counter() - start
        if process.returncode:
            sys.exit(f"{executor}: {(folder / 'log').read_text()[-3000:]}")
        return seconds, memory, Counter(calls.read_text().split())


@contextmanager
def counted_commands() -> Iterator[tuple[str, Path]]:
    """A PATH with wrappers that write each call of SLURM's commands into a file; jobs on nodes are counted as well."""
    with tempfile.TemporaryDirectory() as name:
        folder, calls = Path(name), Path(name) / "calls"
        calls.touch()
        for command in COMMANDS:
            if real := shutil.which(command):
                wrapper = folder / command
                wrapper.write_text(f'#!/bin/sh\necho {command} >> {calls}\nexec {real} "$@"\n')
                wrapper.chmod(0o755)
        yield f"{folder}:{os.environ['PATH']}", calls


if __name__ == "__main__":
    main()
