"""The lock of a run's folder, with real processes."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phasebench.errors import PhasebenchError
from phasebench.scheduler import scheduler_job
from phasebench.training.run_lock import run_lock

HOLD = """
import sys, time
from pathlib import Path
from phasebench.training.run_lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it reads a line."""
    environment = {**os.environ, "SLURM_JOB_ID": "14", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3"}
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_and_told_who(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(PhasebenchError) as caught, run_lock(tmp_path / "run"):
        pass
    assert f"run: this run is being trained by process {holder.pid} on " in str(caught.value)
    assert "(SLURM job 12_3)" in str(caught.value)


def test_the_lock_dies_with_its_process(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with run_lock(tmp_path / "run"):
        assert (tmp_path / "run/.lock").read_text().startswith(f"process {os.getpid()} on ")
    assert not (tmp_path / "run").exists()


def test_waiting_ends_when_the_other_lets_go(
    tmp_path: Path, holder: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    threading.Timer(0.2, lambda: holder.communicate("go\n")).start()
    with run_lock(tmp_path / "run", wait_seconds=30):
        assert (tmp_path / "run/.lock").exists()
    assert f"waiting up to 30 s for process {holder.pid}" in capsys.readouterr().out


def test_a_file_that_was_removed_is_no_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    # As if the holder had removed its file and somebody else had made a new one in the meantime.
    (tmp_path / "run/.lock").unlink()
    with run_lock(tmp_path / "run"):
        assert (tmp_path / "run/.lock").exists()


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with run_lock(tmp_path):
        pass
    assert "this file system has no locks" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = r"file/run/.lock: cannot be written: Not a directory"
    with pytest.raises(PhasebenchError, match=message), run_lock(tmp_path / "file/run"):
        pass


def test_the_job_is_named_as_slurm_does(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    assert scheduler_job() is None
    monkeypatch.setenv("SLURM_JOB_ID", "14")
    assert scheduler_job() == "14"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert scheduler_job() == "12_3"
