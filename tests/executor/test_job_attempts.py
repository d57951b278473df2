"""Attempts of a job, of which the latest counts."""

from pathlib import Path

import pytest

from snakemake_executor_plugin_submitit.job_attempts import Attempt, read_attempt


def test_the_latest_start_of_a_job_supersedes_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Attempt.begin(tmp_path, "12_3", 0)
    assert not first.superseded()
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    second = Attempt.begin(tmp_path, "12_3", 0)
    assert first.superseded()
    assert not second.superseded()
    found = read_attempt(tmp_path, "12_3")
    assert found is not None
    assert found["requeues"] == 2
    assert read_attempt(tmp_path, "12_4") is None
    # A folder that was cleaned up says nothing.
    (tmp_path / "12_3.attempt").unlink()
    assert not second.superseded()
    assert list(tmp_path.iterdir()) == []
