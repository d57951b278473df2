"""What can happen to a job on a node, and what becomes of the workflow."""

import contextlib
import os
import re
import signal

import psutil
from support.counting_workflow import ENDLESS, CountingWorkflow, MakeWorkflow, wait_for
from support.private_cluster import PrivateCluster
from support.slurm_processes import lives
from support.temporary_cluster import temporary_cluster

# A job that needs every node, and may push jobs in `low` off them.
URGENT = ["--partition=high", "--exclusive", "--nodes=2", "--wrap=sleep 2", "--output=/dev/null"]


def failure(output: str, job: str) -> str:
    """The reason that Snakemake's output gives for a failed job."""
    found = re.search(rf"Job {job} has failed: (.*)", output)
    assert found is not None, output
    return found[1]


def pids(cluster: PrivateCluster, job: str, word: str) -> list[int]:
    """The job's processes with that word in their command line."""
    found = []
    for pid in cluster.processes(job):
        # It may end while one looks.
        with contextlib.suppress(psutil.NoSuchProcess):
            if word in " ".join(psutil.Process(pid).cmdline()):
                found.append(pid)
    return found


def node_of(cluster: PrivateCluster, job: str) -> str:
    """The node that a job runs on."""
    return cluster.run("squeue", "--noheader", "--format=%N", f"--jobs={job}").strip()


# The two that take longest come first, so that they do not run last and alone.


def test_the_time_limit_is_met_twice(slurm_none: PrivateCluster, make_workflow: MakeWorkflow) -> None:
    workflow = make_workflow(slurm_none)
    process = workflow.start("--set-resources", "make:runtime=1", jobs=1, steps=ENDLESS)
    workflow.wait_for_start(3)
    workflow.release()
    output = workflow.finish(process, limit=900)
    starts = workflow.first_steps(0)
    assert len(starts) >= 3
    assert starts[0] == 0
    assert starts[-1] == workflow.saved_step(0)
    assert starts == sorted(starts)
    assert workflow.submissions()["make number=0"] == 1
    assert workflow.result(0) == str(ENDLESS)
    noted = [int(count) for count in re.findall(r"runs after requeue (\d+) of at most 50", output)]
    assert noted == sorted(set(noted))
    # On a busy machine the limit may come before the work begins: that is a requeue without a start.
    assert noted[-1] >= len(starts) - 1


def test_a_job_without_its_step_daemon_stops_by_itself(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    process = workflow.start(steps=ENDLESS)
    workflow.wait_until_working()
    victim = workflow.job_id(0)
    os.kill(cluster.step_daemons(victim)["0"], signal.SIGKILL)
    # SLURM does not notice for a while; the job's own processes do.
    wait_for(lambda: not pids(cluster, victim, "work.py 0"), 30)
    assert workflow.saved_step(0) is not None
    workflow.release()
    output = workflow.finish(process, succeeds=False)
    assert failure(output, victim)
    assert (workflow.result(0), workflow.result(1)) == (None, str(ENDLESS))


def test_one_cancelled_job_leaves_the_others_alone(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    process = workflow.start(jobs=3, steps=ENDLESS)
    workflow.wait_until_working(3)
    victim = workflow.job_id(1)
    cluster.run("scancel", victim)
    # It is told before it is killed.
    wait_for(lambda: workflow.saved_step(1) is not None)
    workflow.release()
    output = workflow.finish(process, succeeds=False)
    assert failure(output, victim).startswith("it was cancelled")
    assert output.count("has failed: ") == 1
    assert [workflow.result(job) for job in range(3)] == [str(ENDLESS), None, str(ENDLESS)]


def test_a_killed_command_is_a_failed_job(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    process = workflow.start(steps=ENDLESS)
    workflow.wait_until_working()
    victim = workflow.job_id(0)
    for pid in pids(cluster, victim, "work.py 0"):
        os.kill(pid, signal.SIGKILL)
    workflow.release()
    output = workflow.finish(process, succeeds=False)
    assert failure(output, victim) == "the job's command ended with status 1"
    assert (workflow.result(0), workflow.result(1)) == (None, str(ENDLESS))
    # Its log stays, the other's is removed.
    (folder,) = [path for path in (workflow.folder / ".snakemake/submitit").iterdir() if path.is_dir()]
    assert [path.name for path in folder.glob("*.out")] == [f"{victim}_0_log.out"]


def test_a_killed_wrapper_leaves_no_process(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    process = workflow.start(steps=ENDLESS)
    workflow.wait_until_working()
    victim = workflow.job_id(0)
    for pid in pids(cluster, victim, "submitit.job_main"):
        if psutil.Process(pid).name() != "srun":
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not pids(cluster, victim, "work.py 0"))
    workflow.release()
    output = workflow.finish(process, succeeds=False)
    assert "FAILED" in failure(output, victim)
    assert workflow.result(1) == str(ENDLESS)
    wait_for(lambda: not cluster.processes(victim))


def test_too_much_memory_is_named(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    (workflow.folder / "memory").touch()
    output = workflow.finish(workflow.start(jobs=1, steps=100), succeeds=False)
    assert failure(output, workflow.job_id(0)) == "it ran out of memory; raise mem_mb"


def test_retries_are_snakemakes(workflow: CountingWorkflow) -> None:
    (workflow.folder / "memory").touch()
    process = workflow.start("--retries=1", jobs=1, steps=100)
    wait_for(lambda: workflow.submissions()["make number=0"] == 2)
    output = workflow.finish(process, succeeds=False)
    assert output.count("it ran out of memory") == 2


def test_a_failed_node_is_survived(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    process = workflow.start(jobs=1, steps=ENDLESS)
    workflow.wait_until_working(1)
    node = node_of(cluster, workflow.job_id(0))
    cluster.kill_node(node)
    cluster.mark_down(node)
    workflow.wait_for_start(2)
    workflow.release()
    output = workflow.finish(process)
    assert "has failed" not in output
    assert workflow.submissions()["make number=0"] == 1
    assert workflow.result(0) == str(ENDLESS)
    # SIGKILL: nothing was saved, so it began again.
    assert workflow.first_steps(0) == [0, 0]


def test_a_node_that_lives_on_gives_way(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    process = workflow.start(jobs=1, steps=ENDLESS)
    workflow.wait_until_working(1)
    (first,) = [int(start[0]) for start in workflow.starts(0)]
    # Only the daemon dies; SLURM thinks the node lost, and starts the job elsewhere while it still runs.
    node = node_of(cluster, workflow.job_id(0))
    cluster.kill_node(node, processes=False)
    cluster.mark_down(node)
    wait_for(lambda: len(workflow.starts(0)) == 2)
    wait_for(lambda: not lives(first), 30)
    workflow.release()
    workflow.finish(process)
    assert workflow.submissions()["make number=0"] == 1
    assert workflow.result(0) == str(ENDLESS)


def test_a_requeue_by_hand_is_no_failure(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    process = workflow.start(jobs=1, steps=ENDLESS)
    workflow.wait_until_working(1)
    cluster.run("scontrol", "requeue", workflow.job_id(0))
    workflow.wait_for_start(2)
    workflow.release()
    output = workflow.finish(process)
    assert "runs after requeue 1 of at most 50" in output
    assert workflow.first_steps(0) == [0, workflow.saved_step(0)]
    assert workflow.result(0) == str(ENDLESS)


def test_preemption_costs_no_step(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    process = workflow.start("--set-resources", "make:slurm_partition=low", jobs=1, steps=ENDLESS)
    workflow.wait_until_working(1)
    cluster.run("sbatch", *URGENT)
    workflow.wait_for_start(2)
    workflow.release()
    assert "runs after requeue 1 of at most 50" in workflow.finish(process)
    assert workflow.first_steps(0) == [0, workflow.saved_step(0)]
    assert workflow.result(0) == str(ENDLESS)


def test_preemption_by_sigterm_costs_no_step(slurm_none: PrivateCluster, make_workflow: MakeWorkflow) -> None:
    with temporary_cluster(preempt_user_signal=False) as cluster:
        workflow = make_workflow(cluster)
        process = workflow.start("--set-resources", "make:slurm_partition=low", jobs=1, steps=ENDLESS)
        workflow.wait_until_working(1)
        cluster.run("sbatch", *URGENT)
        workflow.wait_for_start(2)
        workflow.release()
        workflow.finish(process)
        assert workflow.first_steps(0) == [0, workflow.saved_step(0)]
        assert workflow.result(0) == str(ENDLESS)


def test_time_limits_are_counted(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    process = workflow.start("--submitit-max-timeouts=1", jobs=1, steps=ENDLESS)
    workflow.wait_until_working(1)
    job = workflow.job_id(0)
    for start in (1, 2):
        workflow.wait_for_start(start)
        cluster.run("scancel", "--signal=USR2", job)
    output = workflow.finish(process, succeeds=False)
    assert failure(output, job) == "Job not requeued because: timed-out too many times."
    wait_for(lambda: not cluster.processes(job))
