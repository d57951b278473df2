"""The clusters that the other tests of this folder run on do what SLURM does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.private_cluster import PrivateCluster
from support.slurm_processes import lives, name_of
from support.temporary_cluster import temporary_cluster

# What %a is for a job that is no array.
NO_TASK = 4294967294
# Leaves a process that no signal but SIGKILL ends, in the batch step and in step 0 alike.
STUBBORN = "trap '' TERM; srun bash -c \"trap '' TERM; sleep 300 & wait; sleep 300\" & wait; sleep 300"


def submit(cluster: PrivateCluster, folder: Path, command: str, *options: str) -> str:
    output = f"--output={folder}/%A_%a.out"
    return cluster.run("sbatch", "--parsable", output, *options, f"--wrap={command}").strip()


def wait_for_state(cluster: PrivateCluster, job: str, state: str, timeout: float = 90) -> None:
    cluster.wait_for(lambda: set(cluster.states([job]).values()) == {state}, timeout, f"{job} is {state}")


def wait_for_steps(cluster: PrivateCluster, job: str) -> None:
    cluster.wait_for(lambda: {"batch", "0"} <= set(cluster.step_daemons(job)), 90, f"step 0 of {job} runs")


def test_a_job_runs_and_is_remembered(cluster: PrivateCluster, tmp_path: Path) -> None:
    job = submit(cluster, tmp_path, "srun echo $SLURM_JOB_ID")
    wait_for_state(cluster, job, "COMPLETED")
    assert job in cluster.history()
    assert (tmp_path / f"{job}_{NO_TASK}.out").read_text().strip() == job


def test_partitions(cluster: PrivateCluster) -> None:
    lines = cluster.run("sinfo", "--noheader", "--format=%P %l %D").splitlines()
    assert set(lines) == {"cpu* 1-00:00:00 2", "gpu 2-00:00:00 2", "low infinite 2", "high infinite 2"}


def test_gpus_are_told_apart(cluster: PrivateCluster, tmp_path: Path) -> None:
    # Each holds its GPU until the other has one as well.
    wait = f"touch {tmp_path}/$SLURM_ARRAY_TASK_ID; until [ -e {tmp_path}/1 -a -e {tmp_path}/2 ]; do sleep 0.1; done"
    job = submit(
        cluster,
        tmp_path,
        f"echo $CUDA_VISIBLE_DEVICES; {wait}",
        "--partition=gpu",
        "--nodelist=n1",
        "--gres=gpu:1",
        "--array=1-2",
    )
    wait_for_state(cluster, job, "COMPLETED")
    assert {(tmp_path / f"{job}_{task}.out").read_text().strip() for task in (1, 2)} == {"0", "1"}


def test_sacct_answers_only_with_accounting(
    slurm_none: PrivateCluster, slurm_dbd: PrivateCluster, tmp_path: Path
) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        slurm_none.run("sacct")
    job = submit(slurm_dbd, tmp_path, "true")
    ask = ("sacct", "--noheader", "--parsable2", "--format=State", "--allocations", f"--jobs={job}")
    slurm_dbd.wait_for(lambda: slurm_dbd.run(*ask) == "COMPLETED\n", 90, f"sacct knows that {job} is finished")


def test_processes_of_array_tasks(slurm_none: PrivateCluster, tmp_path: Path) -> None:
    job = submit(slurm_none, tmp_path, "srun sleep 300", "--array=3-4")
    tasks = [f"{job}_3", f"{job}_4"]
    for task in tasks:
        wait_for_steps(slurm_none, task)
        slurm_none.wait_for(
            lambda task=task: any(name_of(pid) == "sleep" for pid in slurm_none.processes(task)),
            60,
            f"{task} sleeps",
        )
    assert set(slurm_none.states([job])) == set(tasks)
    found = [set(slurm_none.processes(task)) for task in tasks]
    assert not found[0] & found[1]
    assert found[0] | found[1] == set(slurm_none.processes(job)) == set(slurm_none.processes())
    daemons = [slurm_none.step_daemons(task) for task in tasks]
    assert len({pid for steps in daemons for pid in steps.values()}) == 4


def test_a_killed_node_comes_back(cluster: PrivateCluster, tmp_path: Path) -> None:
    job = submit(cluster, tmp_path, STUBBORN, "--nodelist=n1", "--no-requeue")
    other = submit(cluster, tmp_path, STUBBORN, "--nodelist=n2")
    for each in (job, other):
        wait_for_steps(cluster, each)
    cluster.kill_node("n1")
    assert not cluster.processes(job)
    assert not cluster.step_daemons(job)
    assert cluster.daemon("slurmd-n1") is None
    assert cluster.processes(other)
    cluster.mark_down("n1")
    wait_for_state(cluster, job, "NODE_FAIL")
    cluster.start_node("n1")
    assert cluster.states([other])[other] == "RUNNING"


def test_jobs_outlive_their_slurmd(slurm_none: PrivateCluster, tmp_path: Path) -> None:
    job = submit(slurm_none, tmp_path, "srun sleep 300", "--nodelist=n2")
    wait_for_steps(slurm_none, job)
    slurm_none.kill_node("n2", processes=False)
    assert slurm_none.processes(job)
    slurm_none.start_node("n2")
    assert slurm_none.states([job])[job] == "RUNNING"


def test_high_preempts_low(slurm_none: PrivateCluster, tmp_path: Path) -> None:
    whole_node = ("--nodelist=n1", "--exclusive")
    # One that goes when it is told to; another would be requeued after its 10 s of grace.
    yielding = f"trap 'echo told; exit' USR2; touch {tmp_path}/listens; sleep 300 & wait"
    low = submit(slurm_none, tmp_path, yielding, "--partition=low", "--signal=B:USR2@30", *whole_node)
    slurm_none.wait_for((tmp_path / "listens").exists, 90, "the job listens to the signal")
    high = submit(slurm_none, tmp_path, "true", "--partition=high", *whole_node)
    wait_for_state(slurm_none, high, "COMPLETED")
    # SLURM may add that the job had gone before the next signal.
    assert (tmp_path / f"{low}_{NO_TASK}.out").read_text().startswith("told\n")


def test_settings(slurm_none: PrivateCluster) -> None:
    """Of a further cluster beside the first."""
    options = {
        "preempt_user_signal": False,
        "max_array_size": 11,
        "min_job_age": 300,
        "conf_extra": "EnforcePartLimits=ALL",
    }
    with temporary_cluster(nodes=1, **options) as cluster:
        lines = dict(re.findall(r"^(\w+) += (.*)$", cluster.run("scontrol", "show", "config"), re.MULTILINE))
        assert cluster.run("sinfo", "--noheader", "--format=%N", "--partition=cpu") == "n1\n"
    assert not cluster.folder.exists()
    assert (lines["MaxArraySize"], lines["MinJobAge"]) == ("11", "300 sec")
    assert lines["EnforcePartLimits"] == "ALL"
    assert lines["SlurmctldParameters"] == "(null)"
    assert "preempt_send_user_signal" in slurm_none.run("scontrol", "show", "config")


def test_reset_leaves_nothing(slurm_none: PrivateCluster, tmp_path: Path) -> None:
    running = submit(slurm_none, tmp_path, STUBBORN, "--array=1-4", "--nodelist=n1")
    held = submit(slurm_none, tmp_path, "true", "--hold")
    wait_for_steps(slurm_none, f"{running}_1")
    slurm_none.run("scontrol", "update", "NodeName=n2", "State=DRAIN", "Reason=test")
    slurm_none.kill_node("n1", processes=False)
    slurm_none.reset()
    assert set(slurm_none.states([running, held]).values()) <= {"CANCELLED", "FAILED", "NODE_FAIL"}
    assert not slurm_none.processes()
    assert set(slurm_none.run("sinfo", "--noheader", "--Node", "--format=%T").split()) == {"idle"}


def test_the_cluster_ends_with_its_owner(slurm_none: PrivateCluster) -> None:
    """A test session that is killed leaves nothing behind."""
    owner = """
import sys
from support.temporary_cluster import temporary_cluster
with temporary_cluster(nodes=1) as cluster:
    print(cluster.folder, *(cluster.daemon(name) for name in ("munged", "slurmctld", "slurmd-n1")), flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", owner]
    folder = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        path, *daemons = process.stdout.readline().split()
        process.kill()
    slurm_none.wait_for(lambda: not Path(path).exists(), 60, "the folder is removed")
    assert len(daemons) == 3
    assert not any(lives(int(pid)) for pid in daemons)
