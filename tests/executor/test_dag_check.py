"""All jobs of a workflow are checked before any is sent, in a dry run too."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.common.tbdstring import TBDString
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_submitit import Executor
from snakemake_executor_plugin_submitit.backends import LocalBackend
from snakemake_executor_plugin_submitit.dag_check import find_problems
from snakemake_executor_plugin_submitit.settings import ExecutorSettings

# The last job is ready only when all others are done, and its memory depends on a file that is still to be made.
SNAKEFILE = """
localrules: here
rule all:
    input: "last", "0.member", "1.member"
rule here:
    output: "here"
    threads: 99
    shell: "touch {output}"
rule first:
    input: "here"
    output: "first"
    threads: 16
    shell: "touch {output}"
rule last:
    input: "first"
    output: "last"
    threads: 17
    resources: mem_mb=lambda wildcards, input: input.size_mb
    shell: "touch {output}"
rule member:
    output: "{number}.member"
    group: "together"
    resources: gpu=2
    shell: "touch {output}"
"""
COMMANDS = {
    "scontrol": "echo 'MaxArraySize            = 1001'",
    "sinfo": "echo 'cpu*|up|1-00:00:00|16|16000|gpu:3'",
}


def test_a_dry_run_names_what_could_not_be_submitted_and_shows_the_plan(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    for name, line in COMMANDS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--executor=submitit", "--submitit-cluster=slurm"]
    result = subprocess.run(
        [*command, "--jobs=9", "--group-components", "together=2"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    said = result.stdout + result.stderr
    refused = [line.removeprefix("Not submitted: ") for line in said.splitlines() if "Not submitted" in line]
    assert sorted(set(refused)) == [
        "rule last: resources: threads: 17 cores a node; the nodes of 'cpu' have 16",
        "rule together_member: resources: gpu: 4 GPUs a node; the nodes of partition 'cpu' have 3",
    ]
    for rule in ("here", "first", "last", "member"):
        assert f"rule {rule}:" in said


class FakeDag:
    """Jobs of which some form groups."""

    def __init__(self, jobs: Sequence[Any], group: Any = None) -> None:
        self._jobs, self._group = jobs, group

    def needrun_jobs(self) -> Sequence[Any]:
        return self._jobs

    def get_job_group(self, job: Any) -> Any:
        return self._group if self._group and job in self._group.jobs else None


def job(name: str, *, is_local: bool = False, **resources: Any) -> Any:
    return SimpleNamespace(name=name, threads=1, is_local=is_local, resources=resources)


class FakeGroup:
    def __init__(self, groupid: str, jobs: Any, global_resources: Any = None) -> None:
        self.groupid, self.jobs, self.global_resources = groupid, jobs, global_resources
        self.name, self.threads, self.resources = groupid, 1, {"gpu": 4}
        self.finalized = False

    def finalize(self) -> None:
        self.finalized = True


def test_each_problem_is_named_once_and_of_groups_that_of_the_whole(tmp_path: Path) -> None:
    members = [job("member", gpu=2), job("member", gpu=2)]
    group = FakeGroup("together", members)
    alone = [job("train", gpu=3, mem_mb=TBDString())] * 2
    dag = FakeDag([*alone, *members, job("here", is_local=True, gpu=9), job("fits", gpu=2)], group)
    backend = LocalBackend(ExecutorSettings(cluster="local", visible_gpus="0,1"), tmp_path)
    assert find_problems(dag, backend) == [
        "rule train: resources: gpu: 3 asked for, and submitit-visible-gpus names 2",
        "rule together: resources: gpu: 4 asked for, and submitit-visible-gpus names 2",
    ]
    assert not group.finalized


def test_without_a_cluster_the_names_and_values_are_checked_all_the_same() -> None:
    found = find_problems(FakeDag([job("train", gpu=99), job("test", partition="gpu")]), None)
    assert found == ["rule test: resources: partition: not used by this executor; use slurm_partition"]


def test_a_function_that_needs_a_later_file_is_left_for_later() -> None:
    class Later(dict[str, Any]):
        def items(self) -> Any:
            raise FileNotFoundError

    late = SimpleNamespace(name="late", threads=1, is_local=False, resources=Later())
    assert find_problems(FakeDag([late]), None) == []


def test_immediate_submit_is_refused() -> None:
    asked = SimpleNamespace(immediate_submit=True)
    workflow: Any = SimpleNamespace(
        executor_settings=ExecutorSettings(cluster="local"), remote_execution_settings=asked
    )
    with pytest.raises(WorkflowError, match="does not work with --immediate-submit"):
        Executor(workflow, logging.getLogger())  # type: ignore[arg-type]


@pytest.mark.parametrize(("gpu", "refused"), [(2, False), (3, True)])
def test_visible_gpus_limit_a_job_of_this_machine(tmp_path: Path, gpu: int, refused: bool) -> None:
    backend = LocalBackend(ExecutorSettings(cluster="local", visible_gpus="4,7"), tmp_path)
    assert bool(find_problems(FakeDag([job("train", gpu=gpu)]), backend)) == refused
