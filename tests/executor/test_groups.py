"""Group jobs: taken up, requeued and reported by member."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.counting_workflow import ENDLESS, CountingWorkflow, wait_for

GROUP = ["--groups", "make=pack", "--group-components", "pack=4"]


@pytest.fixture
def workflow(tmp_path: Path) -> Iterator[CountingWorkflow]:
    workflow = CountingWorkflow(
        tmp_path, ["--submitit-cluster=local", "--seconds-between-status-checks=1", "--cores=4"]
    )
    yield workflow
    workflow.clean_up()


def finish_at_once(workflow: CountingWorkflow, job: int) -> None:
    """Have a job begin with its last step."""
    (workflow.folder / f"{job}.saved").write_text(str(ENDLESS))


def test_a_group_of_which_fewer_are_asked_for_is_taken_up(workflow: CountingWorkflow) -> None:
    first = workflow.start(*GROUP, jobs=4, steps=ENDLESS)
    workflow.wait_until_working(4)
    first.kill()
    second = workflow.start(*GROUP, jobs=2, steps=ENDLESS)
    workflow.wait_for_output(second, "is still in the queue: taken up again")
    workflow.release()
    workflow.finish(second)
    assert [len(workflow.starts(job)) for job in range(4)] == [1] * 4


def test_a_group_with_finished_members_is_taken_up_by_the_others_alone(workflow: CountingWorkflow) -> None:
    finish_at_once(workflow, 0)
    first = workflow.start(*GROUP, jobs=3, steps=ENDLESS)
    workflow.wait_until_working(3)
    wait_for(
        lambda: workflow.result(0) is not None and not any((workflow.folder / ".snakemake/incomplete").glob("b3V0LzA*"))
    )
    first.kill()
    # Without groups: each job finds the group that makes it.
    second = workflow.start(jobs=3, steps=ENDLESS)
    workflow.wait_for_output(second, "is still in the queue: taken up again", times=2)
    workflow.release()
    workflow.finish(second)
    assert [len(workflow.starts(job)) for job in range(3)] == [1] * 3


def test_a_group_that_lacks_a_member_is_replaced_and_not_doubled(workflow: CountingWorkflow) -> None:
    first = workflow.start(*GROUP, jobs=2, steps=ENDLESS)
    workflow.wait_until_working(2)
    first.kill()
    second = workflow.start(*GROUP, jobs=3, steps=ENDLESS)
    workflow.wait_for_output(second, "works on an earlier version: cancelled")
    workflow.wait_for_start(2, 0)
    # The old ones had written down how far they came before the new ones started.
    assert workflow.first_steps(0) == [0, workflow.saved_step(0)]
    workflow.release()
    workflow.finish(second)
    assert [workflow.result(job) for job in range(3)] == [str(ENDLESS)] * 3


def test_a_requeue_repeats_no_finished_member(workflow: CountingWorkflow) -> None:
    finish_at_once(workflow, 0)
    process = workflow.start(*GROUP, jobs=2, steps=ENDLESS)
    workflow.wait_until_working(2)
    wait_for(lambda: workflow.result(0) is not None)
    wait_for(lambda: not any((workflow.folder / ".snakemake/incomplete").glob("b3V0LzA*")))
    for pid in workflow.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "submitit.core._submit" in psutil.Process(pid).cmdline():
                os.kill(pid, signal.SIGUSR2)
    workflow.wait_for_start(2, 1)
    workflow.release()
    workflow.finish(process)
    assert workflow.first_steps(0) == [ENDLESS]
    assert workflow.first_steps(1) == [0, workflow.saved_step(1)]


def test_a_group_shows_why_it_failed(workflow: CountingWorkflow) -> None:
    (workflow.folder / "work.py").write_text("raise SystemExit('batch_size is 0')")
    output = workflow.finish(workflow.start(*GROUP, jobs=2), succeeds=False)
    assert "has failed: the job's command ended with status 1" in output
    output = workflow.finish(workflow.start(*GROUP, "--set-resources", "make:gres=two words", jobs=2), succeeds=False)
    assert "Not submitted: rule " in output
    assert "gres: 'two words' is not a name that SLURM accepts" in output
