"""What made a result, against git and the interpreter themselves."""

import importlib.metadata
import platform
import socket
import subprocess
from pathlib import Path

import pytest

from phasebench.provenance.record import collect_provenance, git_commit, package_versions


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_commit_and_whether_files_differ_from_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert git_commit(tmp_path) == "unknown"
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "-m", "One")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert git_commit(tmp_path) == commit
    (tmp_path / "untracked").write_text("2")
    assert git_commit(tmp_path) == commit
    (tmp_path / "file").write_text("2")
    assert git_commit(tmp_path) == f"{commit}-dirty"


def test_outside_a_repository(tmp_path: Path) -> None:
    assert git_commit(tmp_path) == "unknown"
    assert git_commit(tmp_path / "missing") == "unknown"


def test_versions_of_installed_packages() -> None:
    versions = package_versions(["numpy", "no-such-distribution", "torch"])
    assert versions == {name: importlib.metadata.version(name) for name in ("numpy", "torch")}


def test_the_record_does_not_name_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    record = collect_provenance()
    assert record["python"] == platform.python_version()
    assert record["packages"]["torch"] == importlib.metadata.version("torch")
    assert record.keys() == {"git_commit", "packages", "python"}
    assert socket.gethostname() not in str(record)


def test_a_job_of_slurm_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "14")
    record = collect_provenance()
    assert (record["slurm_job_id"], record["slurm_restarts"]) == ("14", 0)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    record = collect_provenance()
    assert (record["slurm_job_id"], record["slurm_restarts"]) == ("12_3", 2)


def test_a_graphics_card_that_was_shared_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "shared_gpu" not in collect_provenance()
    monkeypatch.setenv("SUBMITIT_GPU_SHARE", "8")
    assert collect_provenance()["shared_gpu"] == 8
