"""The executor on a real SLURM: arrays, refusals, interrupted controllers."""

import os
import re
import signal
import time

import pytest
from support.counting_workflow import ENDLESS, CountingWorkflow, MakeWorkflow, wait_for
from support.private_cluster import PrivateCluster


def test_fifty_ready_jobs_are_one_array(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    before, start = len(cluster.history()), time.monotonic()
    output = workflow.finish(workflow.start(jobs=50, steps=1), limit=600)
    seconds = time.monotonic() - start
    assert "Submitted 50 jobs as array " in output
    assert output.count("Submitted ") == 1
    assert set(workflow.submissions().values()) == {1}
    assert all(workflow.result(job) == "1" for job in range(50))
    assert len(cluster.history()) - before == 50
    # However many jobs there are, a poll is one query; to begin with, sacct is asked whether it answers.
    queries = re.search(r"(\d+) status queries", output)
    assert queries is not None
    assert int(queries[1]) <= seconds + 5
    # Nothing is left of jobs that succeeded but what they used, where accounting knows it.
    left = {path.name for path in (workflow.folder / ".snakemake/submitit").iterdir()}
    assert left - {"efficiency.csv"} == {"ledger.jsonl", "lock"}
    assert ("efficiency.csv" in left) == (cluster.accounting == "dbd")


def test_arrays_are_cut_to_the_setting(workflow: CountingWorkflow) -> None:
    output = workflow.finish(workflow.start("--submitit-array-size=2", jobs=5, steps=1))
    assert output.count("Submitted 2 jobs as array ") == 2
    assert output.count("Submitted job ") == 1


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        ("slurm_partition=nope", "slurm_partition: the cluster has no partition 'nope'; it has: cpu, gpu, high, low"),
        ("gpu=9", "gpu: 9 GPUs a node; the nodes of partition 'cpu' have 2"),
        ("slurm_extra='--partition=gpu'", "slurm_extra: --partition has a resource of its own: slurm_partition"),
    ],
)
def test_impossible_resources_are_refused_before_submission(
    slurm_none: PrivateCluster, make_workflow: MakeWorkflow, resource: str, problem: str
) -> None:
    workflow = make_workflow(slurm_none)
    before = len(slurm_none.history())
    output = workflow.finish(workflow.start("--set-resources", f"make:{resource}"), succeeds=False)
    assert f"Not submitted: rule make: resources: {problem}" in output
    assert len(slurm_none.history()) == before


def test_a_time_limit_is_cut_to_the_partitions(slurm_none: PrivateCluster, make_workflow: MakeWorkflow) -> None:
    workflow = make_workflow(slurm_none)
    output = workflow.finish(workflow.start("--set-resources", "make:runtime=2000", steps=1))
    assert output.count("runtime of 2000 min is cut to the 1440 min of partition cpu") == 1
    assert "make (partition cpu, 1440 min)" in output


def test_what_only_slurm_knows_to_be_wrong_is_reported_in_its_words(workflow: CountingWorkflow) -> None:
    output = workflow.finish(workflow.start("--set-resources", "make:constraint=nosuchfeature"), succeeds=False)
    assert "Not submitted: " in output
    assert "Invalid feature specification" in output
    assert not workflow.job_ids()


def test_four_jobs_outlive_snakemake_and_are_not_submitted_twice(
    cluster: PrivateCluster, workflow: CountingWorkflow
) -> None:
    before = len(cluster.history())
    first = workflow.start(jobs=4, steps=ENDLESS)
    workflow.wait_until_working(4)
    first.kill()
    second = workflow.start(jobs=4, steps=ENDLESS)
    workflow.wait_for_output(second, "is still in the queue: taken up again", times=4)
    workflow.release()
    workflow.finish(second)
    assert set(workflow.submissions().values()) == {1}
    assert len(cluster.history()) - before == 4
    assert [workflow.first_steps(job) for job in range(4)] == [[0]] * 4
    assert {workflow.result(job) for job in range(4)} == {str(ENDLESS)}


def test_jobs_that_end_while_nobody_watches_are_not_repeated(
    cluster: PrivateCluster, workflow: CountingWorkflow
) -> None:
    first = workflow.start(steps=ENDLESS)
    workflow.wait_until_working()
    first.kill()
    workflow.release()
    wait_for(lambda: not workflow.processes())
    workflow.finish(workflow.start(steps=ENDLESS))
    assert set(workflow.submissions().values()) == {1}
    assert workflow.first_steps(0) == workflow.first_steps(1) == [0]


def test_jobs_for_older_inputs_are_replaced(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    first = workflow.start(steps=ENDLESS)
    workflow.wait_until_working()
    first.kill()
    second = workflow.start(steps=ENDLESS + 1)
    for job in range(2):
        workflow.wait_for_start(2, job)
    workflow.release()
    output = workflow.finish(second)
    assert output.count("works on an earlier version: cancelled") == 2
    # The new job starts when the old one is gone, from what it saved.
    assert len(workflow.starts(0)) == 2
    saved = workflow.saved_step(0)
    assert saved is not None
    assert workflow.first_steps(0)[1] == saved
    assert workflow.result(0) == str(ENDLESS + 1)


def test_a_submission_cut_off_is_cleared_away(slurm_none: PrivateCluster, make_workflow: MakeWorkflow) -> None:
    workflow = make_workflow(slurm_none)
    folder = workflow.folder / ".snakemake/submitit"
    folder.mkdir(parents=True)
    announced = '{"event": "submit", "submission": "cut-off", "cluster": "slurm", "jobs": [["k", "f", "make"]]}\n'
    (folder / "ledger.jsonl").write_text(announced)
    lost = slurm_none.run("sbatch", "--parsable", "--comment=cut-off", "--wrap=sleep 600", "--output=/dev/null").strip()
    other = slurm_none.run("sbatch", "--parsable", "--comment=other", "--wrap=sleep 600", "--output=/dev/null").strip()
    workflow.finish(workflow.start(steps=1))
    assert slurm_none.states([lost])[lost] == "CANCELLED"
    assert slurm_none.states([other])[other] == "RUNNING"


def test_ctrl_c_cancels_our_jobs_and_no_others(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    other = cluster.run("sbatch", "--parsable", "--wrap=sleep 600", "--output=/dev/null").strip()
    process = workflow.start(jobs=3, steps=ENDLESS)
    workflow.wait_until_working(3)
    os.killpg(process.pid, signal.SIGINT)
    output = workflow.finish(process, succeeds=False)
    assert "Cancelling 3 jobs: " in output
    wait_for(lambda: not workflow.processes())
    assert all(workflow.saved_step(job) is not None for job in range(3))
    ours = [workflow.job_id(job) for job in range(3)]
    cluster.wait_for(lambda: set(cluster.states(ours).values()) == {"CANCELLED"}, 90, "our jobs are cancelled")
    assert cluster.states([other])[other] == "RUNNING"


def test_a_start_right_after_ctrl_c_waits_for_the_old_jobs(workflow: CountingWorkflow) -> None:
    process = workflow.start(jobs=1, steps=ENDLESS)
    workflow.wait_until_working(1)
    os.killpg(process.pid, signal.SIGINT)
    workflow.finish(process, succeeds=False)
    second = workflow.start(jobs=1, steps=ENDLESS)
    workflow.wait_for_start(2)
    workflow.release()
    workflow.finish(second)
    assert workflow.first_steps(0) == [0, workflow.saved_step(0)]


def test_sigterm_lets_running_jobs_finish(workflow: CountingWorkflow) -> None:
    process = workflow.start("--jobs=1", jobs=2, steps=ENDLESS)
    wait_for(lambda: workflow.starts(0) or workflow.starts(1))
    process.terminate()
    workflow.wait_for_output(process, "Will exit after finishing currently running jobs")
    workflow.release()
    workflow.finish(process, succeeds=False)
    assert sorted([workflow.result(0) or "", workflow.result(1) or ""]) == ["", str(ENDLESS)]


def test_slurmctld_may_be_away_for_a_while(slurm_none: PrivateCluster, make_workflow: MakeWorkflow) -> None:
    workflow = make_workflow(slurm_none)
    process = workflow.start(steps=ENDLESS)
    workflow.wait_until_working()
    controller = slurm_none.daemon("slurmctld")
    assert controller is not None
    os.kill(controller, signal.SIGTERM)
    slurm_none.wait_for(lambda: slurm_none.daemon("slurmctld") is None, 90, "slurmctld has ended")
    slurm_none.start()
    workflow.release()
    workflow.finish(process)
    assert set(workflow.submissions().values()) == {1}
    assert workflow.result(0) == workflow.result(1) == str(ENDLESS)
