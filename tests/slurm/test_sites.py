"""Sites with settings of their own: variables in everybody's shell, limits, wckeys, forbidden commands, odd folders."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.counting_workflow import ENDLESS, WORKFLOW_OPTIONS, CountingWorkflow, MakeWorkflow, wait_for
from support.private_cluster import PrivateCluster
from support.temporary_cluster import temporary_cluster


def stub(folder: Path, command: str, body: str, cluster: PrivateCluster) -> str:
    """A path on which a command does something else first."""
    folder.mkdir(exist_ok=True)
    path = folder / command
    path.write_text(f'#!/bin/bash\n{body}\nexec {cluster.folder}/bin/{command} "$@"\n')
    path.chmod(0o755)
    return f"{folder}:{cluster.environment['PATH']}"


def queue(cluster: PrivateCluster, fields: str) -> list[str]:
    return cluster.run("squeue", "--noheader", f"--format={fields}").split()


def test_variables_of_the_site_change_nothing(slurm_none: PrivateCluster, make_workflow: MakeWorkflow) -> None:
    variables = {
        "SBATCH_PARTITION": "low",
        "SBATCH_TIMELIMIT": "3",
        "SBATCH_EXPORT": "NONE",
        "SBATCH_MEM_PER_CPU": "100",
        "SLURM_EXPORT_ENV": "NONE",
        "SQUEUE_PARTITION": "high",
        "SQUEUE_FORMAT": "%P",
        "SINFO_PARTITION": "high",
        "SCANCEL_PARTITION": "high",
    }
    workflow = make_workflow(slurm_none, **variables)
    process = workflow.start(jobs=1, steps=ENDLESS)
    workflow.wait_until_working(1)
    assert queue(slurm_none, "%P|%l") == ["cpu|10:00"]
    time.sleep(5)
    workflow.release()
    assert "has failed" not in workflow.finish(process)
    assert workflow.submissions()["make number=0"] == 1


@pytest.mark.parametrize(
    "options", [["--mem-per-cpu=900"], ["--array=7", "--mem=900"], ["--mem=900", "--gpus-per-node=1"]], ids=str
)
def test_snakemake_inside_a_job(
    slurm_none: PrivateCluster, make_workflow: MakeWorkflow, options: list[str], tmp_path: Path
) -> None:
    workflow = make_workflow(slurm_none)
    command = f"{sys.executable} -m snakemake --executor=submitit --nolock {' '.join(WORKFLOW_OPTIONS)} --jobs=5"
    script = tmp_path / "outer.sh"
    python = Path(sys.executable).parent
    lines = ["#!/bin/bash", f"cd {workflow.folder}", f"export PATH={python}:$PATH SLURM_RESTART_COUNT=60"]
    script.write_text("\n".join([*lines, f"{command} --config jobs=1 steps=3; echo ended with $?"]) + "\n")
    output = tmp_path / "outer.out"
    slurm_none.run("sbatch", "--partition=gpu", f"--output={output}", *options, str(script))
    wait_for(lambda: output.exists() and "ended with " in output.read_text())
    assert "ended with 0" in output.read_text(), output.read_text()
    assert workflow.result(0) == "3"


@pytest.mark.parametrize("name", ["100%j of runs", "50%x", "Jörg's runs (new)"])
def test_folders_may_have_any_name(
    slurm_none: PrivateCluster, make_workflow: MakeWorkflow, name: str, tmp_path: Path
) -> None:
    workflow = make_workflow(slurm_none, folder=name)
    snakefile = workflow.folder / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("{workflow.basedir}/", ""))
    workflow.finish(workflow.start(jobs=2, steps=1))
    workflow.finish(workflow.start(jobs=3, steps=1))
    assert [workflow.result(job) for job in range(3)] == ["1"] * 3
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("command", "body", "warning"),
    [
        ("scontrol", '[ "$1 $2" = "show config" ] && { echo "Access/permission denied" >&2; exit 1; }', "denied"),
        ("sinfo", 'echo "slurm_load_partitions: Access/permission denied" >&2; exit 1', "denied"),
        ("squeue", '[[ "$*" = *--me* ]] && { echo "unrecognized option" >&2; exit 1; }', None),
    ],
    ids=["scontrol", "sinfo", "squeue"],
)
def test_forbidden_commands_and_old_ones_are_done_without(
    slurm_none: PrivateCluster,
    make_workflow: MakeWorkflow,
    tmp_path: Path,
    command: str,
    body: str,
    warning: str | None,
) -> None:
    workflow = make_workflow(slurm_none, PATH=stub(tmp_path / "bin", command, body, slurm_none))
    process = workflow.start(jobs=2, steps=ENDLESS)
    workflow.wait_until_working()
    slurm_none.run("scancel", workflow.job_id(0))
    workflow.wait_for_output(process, "it was cancelled")
    workflow.release()
    output = workflow.finish(process, succeeds=False)
    assert (warning is None) or (warning in output)
    assert workflow.result(1) == str(ENDLESS)


def test_lists_of_partitions_and_no_memory(slurm_none: PrivateCluster, make_workflow: MakeWorkflow) -> None:
    workflow = make_workflow(slurm_none, "slurm_partition=high,cpu", "--set-resources", "make:mem_mb=0")
    # Without a request it has what the cluster gives to each core.
    workflow.finish(workflow.start("--set-threads", "make=5", jobs=1, steps=1))
    assert workflow.result(0) == "1"


def test_lines_of_the_site_run_before_the_command(slurm_none: PrivateCluster, make_workflow: MakeWorkflow) -> None:
    workflow = make_workflow(slurm_none, "--submitit-setup=touch 'the setup'")
    workflow.finish(workflow.start(jobs=1, steps=1))
    assert (workflow.folder / "the setup").exists()


def test_a_controller_that_is_away_at_submission_costs_no_job_and_no_retry(
    slurm_none: PrivateCluster, make_workflow: MakeWorkflow
) -> None:
    workflow = make_workflow(slurm_none)
    controller = slurm_none.daemon("slurmctld")
    assert controller is not None
    # The cluster answers at the start, and is gone when jobs are ready.
    (workflow.folder / "Snakefile").write_text(
        (workflow.folder / "Snakefile").read_text().replace("rule make:\n", 'rule make:\n    input: "ready"\n')
        + 'rule first:\n    output: "ready"\n    localrule: True\n    shell: "touch {output}; sleep 5"\n'
    )
    process = workflow.start("--retries=0", jobs=8, steps=2)
    wait_for((workflow.folder / "ready").exists)
    os.kill(controller, signal.SIGTERM)
    slurm_none.wait_for(lambda: slurm_none.daemon("slurmctld") is None, 90, "slurmctld has ended")
    workflow.wait_for_output(process, "SLURM takes no jobs just now")
    slurm_none.start()
    output = workflow.finish(process)
    assert "8 jobs are kept" in output
    assert set(workflow.submissions().values()) == {1}
    assert [workflow.result(job) for job in range(8)] == ["2"] * 8


def test_results_that_are_seen_late_are_waited_for(slurm_none: PrivateCluster, make_workflow: MakeWorkflow) -> None:
    workflow = make_workflow(slurm_none)
    process = workflow.start("--retries=0", "--latency-wait=5", jobs=1, steps=ENDLESS)
    workflow.wait_until_working(1)
    (folder,) = [path for path in (workflow.folder / ".snakemake/submitit").iterdir() if path.is_dir()]
    # A file system that does not show the file yet: Snakemake looks when it is gone again.
    hidden, result = workflow.folder / "hidden", folder / f"{workflow.job_id(0)}_result.json"
    process.send_signal(signal.SIGSTOP)
    workflow.release()
    wait_for(result.exists)
    result.rename(hidden)
    process.send_signal(signal.SIGCONT)
    # Several times the latency: what a directory may be remembered for is waited for as well.
    time.sleep(20)
    assert process.poll() is None
    hidden.rename(result)
    assert "has failed" not in workflow.finish(process)
    assert workflow.result(0) == str(ENDLESS)


def test_submit_limits_are_waited_for(make_workflow: MakeWorkflow) -> None:
    options = {"conf_extra": "AccountingStorageEnforce=associations,limits,qos"}
    with temporary_cluster("dbd", **options) as cluster:
        cluster.run("sacctmgr", "-i", "add", "account", "lab")
        cluster.run("sacctmgr", "-i", "add", "user", "root", "account=lab")
        cluster.run("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=3")
        time.sleep(3)
        workflow = make_workflow(cluster)
        output = workflow.finish(workflow.start("--retries=0", jobs=10, steps=1))
        assert "SLURM takes no more jobs of make for now" in output
        assert set(workflow.submissions().values()) == {1}


def test_wckeys_are_the_sites_affair(make_workflow: MakeWorkflow) -> None:
    options = {"conf_extra": "TrackWCKey=yes\nAccountingStorageEnforce=associations,wckeys"}
    with temporary_cluster("dbd", **options) as cluster:
        cluster.run("sacctmgr", "-i", "add", "account", "lab")
        cluster.run("sacctmgr", "-i", "add", "user", "root", "account=lab", "wckey=thesis", "defaultwckey=thesis")
        time.sleep(3)
        workflow = make_workflow(cluster)
        workflow.finish(workflow.start("--retries=0", jobs=1, steps=1))


def plain_snakemake(workflow: CountingWorkflow, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--cores=1", "--config", "jobs=1", "steps=1"]
    return subprocess.run(command, cwd=workflow.folder, env=environment, capture_output=True, text=True)


def test_a_snakemake_without_the_executor_does_not_make_the_same_files(
    slurm_none: PrivateCluster, make_workflow: MakeWorkflow
) -> None:
    workflow = make_workflow(slurm_none)
    first = workflow.start(jobs=1, steps=ENDLESS)
    workflow.wait_until_working(1)
    refused = plain_snakemake(workflow, slurm_none.environment)
    assert refused.returncode
    assert "Directory cannot be locked" in refused.stderr
    first.kill()
    # The job is still in the queue.
    assert plain_snakemake(workflow, slurm_none.environment).returncode
    second = workflow.start(jobs=1, steps=ENDLESS)
    workflow.wait_for_output(second, "taken up again")
    workflow.release()
    workflow.finish(second)
    assert len(workflow.starts(0)) == 1
    # Nothing of the lock is left.
    assert "Nothing to be done" in plain_snakemake(workflow, slurm_none.environment).stderr


def test_folders_and_results_are_private_and_no_result_is_unpickled(
    slurm_none: PrivateCluster, make_workflow: MakeWorkflow
) -> None:
    workflow = make_workflow(slurm_none)
    process = workflow.start(jobs=2, steps=ENDLESS)
    workflow.wait_until_working()
    (folder,) = [path for path in (workflow.folder / ".snakemake/submitit").iterdir() if path.is_dir()]
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}
    process.send_signal(signal.SIGSTOP)
    workflow.release()
    result = folder / f"{workflow.job_id(1)}_result.json"
    wait_for(result.exists)
    assert json.loads(result.read_text()) == {"status": "success"}
    assert not list(folder.glob("*result.pkl"))
    process.send_signal(signal.SIGCONT)
    workflow.finish(process)


def test_the_check_of_a_site_runs_a_job(slurm_dbd: PrivateCluster, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "snakemake_executor_plugin_submitit.check", "check", "--job=gpu"]
    environment = {**slurm_dbd.environment, "SBATCH_PARTITION": "low"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gpu: at most 2880 min, 16 cores" in done.stdout
    assert "sacct answers" in done.stdout
    assert "and submitit are seen by the node" in done.stdout
    assert list(tmp_path.iterdir()) == []
