"""Several jobs that share a GPU or the cores of one job: each on its own in all that can happen to it."""

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.counting_workflow import ENDLESS, CountingWorkflow, wait_for

from snakemake_executor_plugin_submitit.gpu_sharing import SHARE_VARIABLE, SharedGpu

SHARE = ["--set-resources", "make:gpu_share=4"]


@pytest.fixture
def workflow(tmp_path: Path) -> Iterator[CountingWorkflow]:
    workflow = CountingWorkflow(tmp_path, ["--submitit-cluster=local", "--seconds-between-status-checks=1"])
    yield workflow
    workflow.clean_up()


def logs(workflow: CountingWorkflow) -> list[str]:
    return sorted(path.name for path in (workflow.folder / ".snakemake/submitit").rglob("*.out"))


def test_members_fail_and_are_tried_again_one_by_one(workflow: CountingWorkflow) -> None:
    # The second has a program of its own, which fails once.
    (workflow.folder / "Snakefile").write_text(
        (workflow.folder / "Snakefile").read_text().replace("work.py {wild", "w{wildcards.number}.py {wild")
    )
    work = (workflow.folder / "work.py").read_text()
    for number in range(3):
        (workflow.folder / f"w{number}.py").write_text(work)
    fails_once = (
        "import pathlib, sys\nseen = pathlib.Path('seen')\nif not seen.exists():\n    seen.touch()\n    sys.exit(7)\n"
    )
    (workflow.folder / "w1.py").write_text(fails_once + work)
    process = workflow.start(*SHARE, "--retries=1", "--keep-going", jobs=3, steps=5)
    output = workflow.finish(process)
    assert "Submitted 3 jobs in one pack as job " in output
    assert output.count("has failed: the job's command ended with status 1") == 1
    assert [workflow.result(job) for job in range(3)] == ["5"] * 3
    assert dict(workflow.submissions()) == {"make number=0": 1, "make number=1": 2, "make number=2": 1}
    # Of the members that succeeded nothing is left; of the other its log, and the one around the pack.
    member, pack = logs(workflow)
    assert re.fullmatch(pack.replace("_0_log.out", r"\.[012]_0_log\.out"), member)


def test_members_end_when_they_are_done(workflow: CountingWorkflow) -> None:
    (workflow.folder / "0.saved").write_text(str(ENDLESS))
    process = workflow.start(*SHARE, jobs=2, steps=ENDLESS)
    workflow.wait_for_output(process, "1 of 3 steps")
    assert workflow.result(0) == str(ENDLESS)
    assert workflow.result(1) is None
    workflow.release()
    workflow.finish(process)
    assert {path.name for path in (workflow.folder / ".snakemake/submitit").iterdir()} == {"ledger.jsonl", "lock"}


def test_a_requeue_starts_those_that_have_not_ended_from_where_they_were(workflow: CountingWorkflow) -> None:
    (workflow.folder / "0.saved").write_text(str(ENDLESS))
    process = workflow.start(*SHARE, jobs=3, steps=ENDLESS)
    workflow.wait_until_working(3)
    workflow.wait_for_output(process, "1 of 4 steps")
    for pid in workflow.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "submitit.core._submit" in psutil.Process(pid).cmdline():
                os.kill(pid, signal.SIGUSR2)
    for job in (1, 2):
        workflow.wait_for_start(2, job)
        assert workflow.first_steps(job) == [0, workflow.saved_step(job)]
    workflow.release()
    workflow.finish(process)
    assert workflow.first_steps(0) == [ENDLESS]


def test_the_next_snakemake_takes_up_the_members_that_it_needs(workflow: CountingWorkflow) -> None:
    first = workflow.start(*SHARE, jobs=3, steps=ENDLESS)
    workflow.wait_until_working(3)
    first.kill()
    second = workflow.start(jobs=2, steps=ENDLESS)
    workflow.wait_for_output(second, "is still in the queue: taken up again", times=2)
    workflow.wait_for_output(second, "1 jobs of an earlier start go on, and nothing that is asked for now needs them.")
    workflow.release()
    workflow.finish(second)
    assert [len(workflow.starts(job)) for job in range(3)] == [1] * 3


def test_members_share_one_gpu(workflow: CountingWorkflow) -> None:
    resources = ["--set-resources", "make:gpu_share=2", "make:gpu=1"]
    workflow.finish(workflow.start(*resources, "--submitit-visible-gpus=3,5", jobs=4, steps=1))
    gpus = [workflow.starts(job)[0][2] for job in range(4)]
    assert sorted(gpus) == ["3", "3", "5", "5"]


def test_ctrl_c_ends_all_members(workflow: CountingWorkflow) -> None:
    process = workflow.start(*SHARE, jobs=3, steps=ENDLESS)
    workflow.wait_until_working(3)
    os.killpg(process.pid, signal.SIGINT)
    assert "Cancelling 3 jobs" in workflow.finish(process, succeeds=False)
    wait_for(lambda: not workflow.processes())
    assert all(workflow.saved_step(job) is not None for job in range(3))


@pytest.fixture
def mps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pretended MPS daemon, which writes down how it is called."""
    calls = tmp_path / "calls"
    command = tmp_path / "bin/nvidia-cuda-mps-control"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\n[ "$1" ] || read -r word\necho "$1$word $CUDA_MPS_PIPE_DIRECTORY" >> {calls}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")
    monkeypatch.setenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "25")
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    return calls


def test_mps_is_started_and_ended_without_a_limit_on_the_share(mps: Path) -> None:
    with SharedGpu(8):
        folder = os.environ["CUDA_MPS_PIPE_DIRECTORY"]
        assert os.environ[SHARE_VARIABLE] == "8"
        assert "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE" not in os.environ
        assert Path(folder).is_dir()
    assert mps.read_text().splitlines() == [f"-d {folder}", f"quit {folder}"]
    assert not Path(folder).exists()
    assert not {SHARE_VARIABLE, "CUDA_MPS_PIPE_DIRECTORY"} & set(os.environ)


def test_a_daemon_of_the_sites_is_left_alone(mps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")
    with SharedGpu(2):
        assert os.environ["CUDA_MPS_PIPE_DIRECTORY"] == "/tmp/nvidia-mps"
    assert not mps.exists()


def test_without_mps_the_gpu_is_shared_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with SharedGpu(2):
        assert "CUDA_MPS_PIPE_DIRECTORY" not in os.environ
