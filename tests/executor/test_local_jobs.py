"""The executor with processes of this machine: Snakemake's own test workflows, and what happens to its jobs."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from snakemake.common.tests import TestWorkflowsLocalStorageBase
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase
from support.counting_workflow import ENDLESS, CountingWorkflow, wait_for

from snakemake_executor_plugin_submitit import ExecutorSettings


class TestSnakemakesOwnWorkflows(TestWorkflowsLocalStorageBase):
    __test__ = True

    def get_executor(self) -> str:
        return "submitit"

    def get_executor_settings(self) -> ExecutorSettingsBase:
        return ExecutorSettings(cluster="local")


@pytest.fixture
def workflow(tmp_path: Path) -> Iterator[CountingWorkflow]:
    workflow = CountingWorkflow(tmp_path, ["--submitit-cluster=local", "--seconds-between-status-checks=1"])
    yield workflow
    workflow.clean_up()


def test_jobs_survive_their_snakemake_and_are_taken_up_again(workflow: CountingWorkflow) -> None:
    first = workflow.start(steps=ENDLESS)
    workflow.wait_until_working()
    first.kill()
    second = workflow.start(steps=ENDLESS)
    workflow.wait_for_output(second, "is still in the queue: taken up again", times=2)
    workflow.release()
    output = workflow.finish(second)
    assert "Submitted" not in output
    assert workflow.first_steps(0) == workflow.first_steps(1) == [0]
    assert not workflow.processes()


def test_a_job_that_works_on_an_old_version_is_replaced(workflow: CountingWorkflow) -> None:
    first = workflow.start(steps=ENDLESS)
    workflow.wait_until_working()
    first.kill()
    output = workflow.finish(workflow.start(steps=5))
    assert output.count("works on an earlier version: cancelled") == 2
    assert len(workflow.starts(0)) == 2
    assert not workflow.processes()


def test_ctrl_c_stops_the_jobs_gently_and_leaves_no_process(workflow: CountingWorkflow) -> None:
    process = workflow.start(steps=ENDLESS)
    workflow.wait_until_working()
    os.killpg(process.pid, signal.SIGINT)
    assert "Cancelling 2 jobs" in workflow.finish(process, succeeds=False)
    wait_for(lambda: not workflow.processes())
    # They were told, and wrote down how far they got.
    assert workflow.saved_step(0) is not None
    assert workflow.saved_step(1) is not None


def test_ctrl_c_can_leave_the_jobs_alone(workflow: CountingWorkflow) -> None:
    process = workflow.start("--submitit-on-exit=keep", steps=ENDLESS)
    workflow.wait_until_working()
    os.killpg(process.pid, signal.SIGINT)
    assert "2 jobs stay in the queue" in workflow.finish(process, succeeds=False)
    second = workflow.start(steps=ENDLESS)
    workflow.wait_for_output(second, "is still in the queue: taken up again", times=2)
    workflow.release()
    workflow.finish(second)
    assert workflow.first_steps(0) == [0]


def test_sigterm_lets_running_jobs_finish(workflow: CountingWorkflow) -> None:
    process = workflow.start(steps=ENDLESS)
    workflow.wait_until_working()
    process.terminate()
    workflow.wait_for_output(process, "Will exit after finishing currently running jobs")
    workflow.release()
    workflow.finish(process, succeeds=False)
    assert workflow.result(0) == workflow.result(1) == str(ENDLESS)
    assert workflow.saved_step(0) is None


def test_a_killed_wrapper_takes_its_processes_with_it(workflow: CountingWorkflow) -> None:
    process = workflow.start("--keep-going", steps=ENDLESS)
    workflow.wait_until_working()
    for pid in workflow.processes():
        # Snakemake's short-lived helpers end while one looks.
        with contextlib.suppress(psutil.NoSuchProcess):
            if "submitit.core._submit" in psutil.Process(pid).cmdline():
                os.kill(pid, signal.SIGKILL)
    output = workflow.finish(process, succeeds=False)
    assert output.count("has failed: the scheduler does not know it any more") == 2
    wait_for(lambda: not workflow.processes())
    assert workflow.saved_step(0) is not None


def test_gpus_are_dealt_out(workflow: CountingWorkflow) -> None:
    workflow.finish(workflow.start("--submitit-visible-gpus=2,5", "--set-resources", "make:gpu=1"))
    assert {workflow.starts(0)[0][2], workflow.starts(1)[0][2]} == {"2", "5"}


def test_more_gpus_than_visible_are_refused(workflow: CountingWorkflow) -> None:
    output = workflow.finish(
        workflow.start("--submitit-visible-gpus=0", "--set-resources", "make:gpu=2"), succeeds=False
    )
    assert "Not submitted: rule make: resources: gpu: 2 asked for, and submitit-visible-gpus names 1" in output
    assert not workflow.starts(0)


def test_a_second_snakemake_is_refused(workflow: CountingWorkflow) -> None:
    first = workflow.start(steps=ENDLESS)
    workflow.wait_until_working()
    output = workflow.finish(workflow.start(steps=ENDLESS), succeeds=False)
    assert f"Another Snakemake (process {first.pid} on " in output


def test_the_cluster_is_never_guessed(tmp_path: Path) -> None:
    workflow = CountingWorkflow(tmp_path, [])
    assert "--submitit-cluster" in workflow.finish(workflow.start(), succeeds=False)
