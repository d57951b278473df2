"""What made a result, against git and the interpreter themselves."""

import importlib.metadata
import platform
import socket
import subprocess
from pathlib import Path

from phasebench.experiments.provenance import collect_provenance, git_commit, package_versions


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


def test_the_record_does_not_name_the_machine() -> None:
    record = collect_provenance()
    assert record["python"] == platform.python_version()
    assert record["packages"]["torch"] == importlib.metadata.version("torch")
    assert record.keys() == {"git_commit", "packages", "python"}
    assert socket.gethostname() not in str(record)
