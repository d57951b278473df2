"""The executor with processes of this machine: Snakemake's own test workflows, and what happens to its jobs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from snakemake.common.tests import TestWorkflowsLocalStorageBase
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

from snakemake_executor_plugin_submitit import ExecutorSettings

LIMIT_SECONDS = 60

WORKFLOW = """
rule all:
    input: "out/a", "out/b"

rule make:
    output: "out/{name}"
    log: "logs/{name}.log"
    resources:
        runtime=10,
        gpu=0,
    shell: "python {workflow.basedir}/work.py {wildcards.name} {output} {config[steps]} > {log} 2>&1"
"""

# Counts steps; at SIGTERM it writes down how far it got and ends, as training does.
WORK = """
import os, pathlib, signal, sys, time
name, output, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(1))
saved = pathlib.Path(f"{name}.saved")
done = int(saved.read_text()) if saved.exists() else 0
with open(f"{name}.starts", "a") as starts:
    starts.write(f"{os.getpid()} {done} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}\\n")
while done < steps:
    time.sleep(0.1)
    done += 1
    if told:
        saved.write_text(str(done))
        sys.exit(75)
pathlib.Path(output).write_text(str(done))
"""


class TestSnakemakesOwnWorkflows(TestWorkflowsLocalStorageBase):
    __test__ = True

    def get_executor(self) -> str:
        return "submitit"

    def get_executor_settings(self) -> ExecutorSettingsBase:
        return ExecutorSettings(cluster="local")


class Checkout:
    """A directory with the workflow, and the Snakemake processes started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        (folder / "Snakefile").write_text(WORKFLOW)
        (folder / "work.py").write_text(WORK)

    def start(self, *arguments: str, steps: int = 5) -> subprocess.Popen[str]:
        options = ["--submitit-cluster=local", "--jobs=2", "--seconds-between-status-checks=1", "--nolock"]
        command = [sys.executable, "-m", "snakemake", "--executor=submitit", "--rerun-incomplete", *options, *arguments]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        process = subprocess.Popen(
            [*command, "--config", f"steps={steps}"],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Ctrl-C on a terminal goes to the whole group of processes.
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def starts(self, name: str) -> list[list[str]]:
        """Process number, step and GPUs of each start of the work."""
        path = self.folder / f"{name}.starts"
        return [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []

    def working(self) -> bool:
        return bool(self.starts("a") and self.starts("b"))

    def workers(self) -> list[int]:
        """Processes of the work, the jobs and their controllers that are alive."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
            except psutil.Error:
                continue
        return [pid for pid in found if pid not in {process.pid for process in self.started}]


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path)
    yield checkout
    for process in checkout.started:
        process.kill()
        process.communicate()
    for pid in checkout.workers():
        os.kill(pid, signal.SIGKILL)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def test_jobs_survive_their_snakemake_and_are_taken_up_again(checkout: Checkout) -> None:
    first = checkout.start(steps=60)
    wait_for(checkout.working)
    first.kill()
    second = checkout.start(steps=60)
    output, _ = second.communicate(timeout=LIMIT_SECONDS)
    assert second.returncode == 0, output
    assert output.count("is still in the queue: taken up again") == 2
    assert "Submitted" not in output
    assert len(checkout.starts("a")) == len(checkout.starts("b")) == 1
    assert not checkout.workers()


def test_a_job_that_works_on_an_old_version_is_replaced(checkout: Checkout) -> None:
    first = checkout.start(steps=600)
    wait_for(checkout.working)
    first.kill()
    second = checkout.start(steps=5)
    output, _ = second.communicate(timeout=LIMIT_SECONDS)
    assert second.returncode == 0, output
    assert output.count("works on an earlier version: cancelled") == 2
    assert len(checkout.starts("a")) == 2
    assert not checkout.workers()


def test_ctrl_c_stops_the_jobs_gently_and_leaves_no_process(checkout: Checkout) -> None:
    process = checkout.start(steps=600)
    wait_for(checkout.working)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode != 0
    assert "Cancelling 2 jobs" in output
    wait_for(lambda: not checkout.workers())
    # They were told, and wrote down how far they got.
    assert (checkout.folder / "a.saved").exists()
    assert (checkout.folder / "b.saved").exists()


def test_ctrl_c_can_leave_the_jobs_alone(checkout: Checkout) -> None:
    process = checkout.start("--submitit-on-exit=keep", steps=60)
    wait_for(checkout.working)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert "2 jobs stay in the queue" in output
    second = checkout.start(steps=60)
    output, _ = second.communicate(timeout=LIMIT_SECONDS)
    assert second.returncode == 0, output
    assert len(checkout.starts("a")) == 1


def test_sigterm_lets_running_jobs_finish(checkout: Checkout) -> None:
    process = checkout.start(steps=30)
    wait_for(checkout.working)
    process.terminate()
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert "Will exit after finishing currently running jobs" in output
    assert (checkout.folder / "out/a").read_text() == "30"
    assert (checkout.folder / "out/b").read_text() == "30"
    assert not (checkout.folder / "a.saved").exists()


def test_a_killed_wrapper_takes_its_processes_with_it(checkout: Checkout) -> None:
    process = checkout.start("--keep-going", steps=600)
    wait_for(checkout.working)
    for worker in map(psutil.Process, checkout.workers()):
        if "submitit.core._submit" in worker.cmdline():
            worker.kill()
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode != 0
    assert output.count("has failed: the scheduler does not know it any more") == 2
    wait_for(lambda: not checkout.workers())
    assert (checkout.folder / "a.saved").exists()


def test_gpus_are_dealt_out(checkout: Checkout) -> None:
    process = checkout.start("--submitit-visible-gpus=2,5", "--set-resources", "make:gpu=1")
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, output
    assert {checkout.starts("a")[0][2], checkout.starts("b")[0][2]} == {"2", "5"}


def test_more_gpus_than_visible_are_refused(checkout: Checkout) -> None:
    process = checkout.start("--submitit-visible-gpus=0", "--set-resources", "make:gpu=2")
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode != 0
    assert "Not submitted: rule make: resources: gpu: 2 asked for, and submitit-visible-gpus names 1" in output
    assert not checkout.working()


def test_a_second_snakemake_is_refused(checkout: Checkout) -> None:
    first = checkout.start(steps=600)
    wait_for(checkout.working)
    second = checkout.start(steps=600)
    output, _ = second.communicate(timeout=LIMIT_SECONDS)
    assert second.returncode != 0
    assert f"Another Snakemake (process {first.pid} on " in output


def test_the_cluster_is_never_guessed(checkout: Checkout) -> None:
    process = checkout.start("--submitit-cluster=")
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode != 0
    assert "submitit-cluster" in output
