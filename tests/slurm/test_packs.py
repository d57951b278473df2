"""Packs, names and leftovers of jobs on a real SLURM."""

import os
import signal
from pathlib import Path

from support.counting_workflow import ENDLESS, CountingWorkflow, MakeWorkflow, wait_for
from support.private_cluster import PrivateCluster

SHARE = ["--set-resources", "make:gpu=1", "make:gpu_share=4", "make:slurm_gpu_partition=gpu"]


def left(workflow: CountingWorkflow) -> set[str]:
    """Files of the executor that are still there; those of what jobs used left out."""
    return {path.name for path in (workflow.folder / ".snakemake/submitit").iterdir()} - {"efficiency.csv"}


def test_members_of_a_pack_share_a_gpu_and_survive_a_requeue(
    cluster: PrivateCluster, workflow: CountingWorkflow
) -> None:
    (workflow.folder / "0.saved").write_text(str(ENDLESS))
    process = workflow.start(*SHARE, jobs=4, steps=ENDLESS)
    workflow.wait_until_working(4)
    job = workflow.job_id(1).split(".")[0]
    assert {workflow.job_id(number) for number in range(4)} == {f"{job}.{number}" for number in range(4)}
    asked = cluster.run("squeue", "--noheader", "--format=%P|%C|%m|%b", f"--jobs={job}").strip()
    assert asked.startswith("gpu|4|1600M|")
    assert len({start[2] for number in range(4) for start in workflow.starts(number)}) == 1
    workflow.wait_for_output(process, "1 of 5 steps")
    cluster.run("scancel", "--signal=USR2", job)
    for number in (1, 2, 3):
        workflow.wait_for_start(2, number)
        assert workflow.first_steps(number) == [0, workflow.saved_step(number)]
    assert workflow.first_steps(0) == [ENDLESS]
    workflow.release()
    workflow.finish(process)
    assert set(workflow.submissions().values()) == {1}
    assert left(workflow) == {"ledger.jsonl", "lock"}


def test_a_node_that_fails_takes_a_pack_with_it_and_no_result(
    cluster: PrivateCluster, workflow: CountingWorkflow
) -> None:
    (workflow.folder / "0.saved").write_text(str(ENDLESS))
    process = workflow.start(*SHARE, jobs=3, steps=ENDLESS)
    workflow.wait_until_working(3)
    workflow.wait_for_output(process, "1 of 4 steps")
    job = workflow.job_id(1).split(".")[0]
    node = cluster.run("squeue", "--noheader", "--format=%N", f"--jobs={job}").strip()
    cluster.kill_node(node)
    cluster.mark_down(node)
    workflow.wait_for_start(2, 1)
    workflow.release()
    output = workflow.finish(process)
    assert "has failed" not in output
    assert len(workflow.starts(0)) == 1
    assert set(workflow.submissions().values()) == {1}


def test_the_queue_shows_which_run_a_job_makes(slurm_none: PrivateCluster, make_workflow: MakeWorkflow) -> None:
    workflow = make_workflow(slurm_none)
    process = workflow.start(jobs=2, steps=ENDLESS)
    workflow.wait_until_working()

    def names() -> set[str]:
        return set(slurm_none.run("squeue", "--noheader", "--format=%j").splitlines())

    wait_for(lambda: names() == {"make number=0", "make number=1"}, 60)
    workflow.release()
    workflow.finish(process)


def test_a_node_with_a_broken_card_is_left_out(slurm_none: PrivateCluster, make_workflow: MakeWorkflow) -> None:
    workflow = make_workflow(slurm_none)
    (workflow.folder / "work.py").write_text(
        "import os, pathlib, sys\nnode = os.environ['SLURMD_NODENAME']\nprint(node, file=open('nodes', 'a'))\n"
        "if not pathlib.Path('failed').exists():\n    pathlib.Path('failed').touch()\n"
        "    sys.exit('RuntimeError: CUDA error: uncorrectable ECC error encountered')\n"
        "pathlib.Path(sys.argv[2]).touch()\n"
    )
    output = workflow.finish(workflow.start("--retries=1", jobs=1))
    first, second = (workflow.folder / "nodes").read_text().split()
    assert first != second
    assert f"Node {first} seems to have a broken graphics card; no more jobs are sent there." in output


def test_what_a_rule_starts_sees_all_tasks_and_nodes(slurm_none: PrivateCluster, make_workflow: MakeWorkflow) -> None:
    workflow = make_workflow(slurm_none)
    (workflow.folder / "Snakefile").write_text(
        'rule all:\n    output: "ranks"\n    resources: tasks=4, nodes=2\n'
        '    shell: "srun --overlap env | grep ^SLURM_PROCID= | sort > {output}"\n'
    )
    workflow.finish(workflow.start(jobs=1))
    ranks = (workflow.folder / "ranks").read_text().splitlines()
    assert ranks == [f"SLURM_PROCID={rank}" for rank in range(4)]


def test_nothing_is_left_after_kills_and_ctrl_c(cluster: PrivateCluster, workflow: CountingWorkflow) -> None:
    first = workflow.start(*SHARE, jobs=6, steps=ENDLESS)
    workflow.wait_until_working(6)
    first.kill()
    # Another set, and without packs; of each pack of the first, one job at least.
    second = workflow.start(jobs=5, steps=ENDLESS)
    workflow.wait_for_output(second, "taken up again", times=5)
    os.killpg(second.pid, signal.SIGINT)
    assert "Cancelling 5 jobs" in workflow.finish(second, succeeds=False)
    wait_for(lambda: not workflow.processes())
    third = workflow.start(jobs=7, steps=ENDLESS)
    for number in range(7):
        workflow.wait_for_start(2 if number < 6 else 1, number)
    workflow.release()
    workflow.finish(third)
    # No job ran beside its successor: each went on from what the one before had saved.
    for number in range(6):
        assert workflow.first_steps(number) == [0, workflow.saved_step(number)]
    assert left(workflow) == {"ledger.jsonl", "lock"}
    assert not list(Path(workflow.folder / ".snakemake").glob("tmp.*"))
    assert not list(Path(workflow.folder / ".snakemake/locks").iterdir())
