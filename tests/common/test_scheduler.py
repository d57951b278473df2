"""SLURM job of a process, from the environment."""

import pytest

from phasebench.common.scheduler import scheduler_job, scheduler_restarts


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
