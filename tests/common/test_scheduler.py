"""SLURM job of a process, from the environment."""

from pathlib import Path

import pytest

from phasebench.common.scheduler import gpu_share, nodes_and_tasks, report_progress, scheduler_job, scheduler_restarts


def test_the_job_is_named_as_slurm_does(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    assert scheduler_job() is None
    assert scheduler_restarts() == 0
    monkeypatch.setenv("SLURM_JOB_ID", "14")
    assert scheduler_job() == "14"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert scheduler_job() == "12_3"


def test_progress_is_written_where_the_executor_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUBMITIT_PROGRESS_FILE", raising=False)
    report_progress(1)
    monkeypatch.setenv("SUBMITIT_PROGRESS_FILE", str(tmp_path / "12.progress"))
    report_progress(7)
    assert (tmp_path / "12.progress").read_text() == "7\n"
    monkeypatch.setenv("SUBMITIT_PROGRESS_FILE", str(tmp_path / "gone/12.progress"))
    report_progress(8)


def test_a_card_is_shared_if_the_executor_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUBMITIT_GPU_SHARE", raising=False)
    assert gpu_share() == 1
    monkeypatch.setenv("SUBMITIT_GPU_SHARE", "8")
    assert gpu_share() == 8


@pytest.mark.parametrize("text", ["x", "", "-1", "1.5", "9" * 5000, "\u00b2"])
def test_a_variable_that_is_no_count_is_taken_for_not_set(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    for name in ("SLURM_RESTART_COUNT", "SUBMITIT_GPU_SHARE", "SLURM_NNODES", "SLURM_JOB_NUM_NODES", "SLURM_NTASKS"):
        monkeypatch.setenv(name, text)
    assert (scheduler_restarts(), gpu_share(), nodes_and_tasks()) == (0, 1, (1, 1))


def test_nodes_and_tasks_are_those_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert nodes_and_tasks() == (2, 4)
    monkeypatch.setenv("SLURM_NNODES", "3")
    assert nodes_and_tasks() == (3, 4)
