"""The lock of a run's folder, with real processes."""

import errno
import fcntl
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phasebench.cli.main import main
from phasebench.common.errors import PhasebenchError
from phasebench.specs.run import Recipe, RunIdentity, RunSpec
from phasebench.training.run_lock import run_lock

HOLD = """
import sys
from pathlib import Path
from phasebench.common.messages import show_messages
from phasebench.training.run_lock import run_lock
show_messages()
with run_lock(Path(sys.argv[1]), float(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.readline()
"""
# As on a full disk: a file may be made, but nothing can be written.
FULL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
"""


def start(folder: Path, wait_seconds: float = 0.0, before: str = "") -> subprocess.Popen[str]:
    """Another process that holds the lock until it reads a line."""
    environment = {**os.environ, "SLURM_JOB_ID": "14", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3"}
    command = [sys.executable, "-c", before + HOLD, str(folder), str(wait_seconds)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = start(tmp_path / "run")
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_and_told_who(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(PhasebenchError) as caught, run_lock(tmp_path / "run"):
        pass
    assert f"run: this run is being trained by process {holder.pid} on " in str(caught.value)
    assert re.search(r"\(SLURM job 12_3\) since 20\d\d-\S+; wait for it", str(caught.value))
    assert "\n" not in str(caught.value)
    assert holder.communicate("go\n")[1] == ""
    assert not (tmp_path / "run").exists()


def test_the_command_is_refused_in_one_line(
    tmp_path: Path,
    holder: subprocess.Popen[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = Recipe(optimizer="sgd", learning_rate=0.1, batch_size=8, steps=1, validate_every=1)
    study = {"scale": "demo", "suite": "s", "experiment": "e", "dataset": "d", "encoding": "rgb"}
    run = RunSpec(**study, model="cifarnet_real", recipe=recipe, seed=0)
    (tmp_path / "spec.json").write_text(RunIdentity(run=run, code={}, environment={}).to_json())
    places = {"spec": "spec.json", "data": "none.h5", "output": "run", "checkpoint": "run.pt"}
    paths = [f"--{name}={tmp_path / place}" for name, place in places.items()]
    monkeypatch.setattr(sys, "argv", ["phasebench", "train", *paths, "--lock-wait=0"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"phasebench: error: {tmp_path / 'run'}: this run is being trained by process {holder.pid} ")


def test_the_lock_dies_with_its_process(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with run_lock(tmp_path / "run"):
        assert (tmp_path / "run/.lock").read_text().startswith(f"process {os.getpid()} on ")
    assert not (tmp_path / "run").exists()


def test_waiting_ends_when_the_other_lets_go(
    tmp_path: Path, holder: subprocess.Popen[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    threading.Timer(0.2, lambda: holder.communicate("go\n")).start()
    with run_lock(tmp_path / "run", wait_seconds=30):
        assert (tmp_path / "run/.lock").exists()
    assert f"waiting up to 30 s for process {holder.pid}" in caplog.text
    assert not (tmp_path / "run").exists()


def test_a_signal_ends_the_wait(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    waiting = start(tmp_path / "run", wait_seconds=600)
    assert waiting.stderr is not None
    assert waiting.stderr.readline().startswith(f"waiting up to 600 s for process {holder.pid} ")
    waiting.terminate()
    assert waiting.communicate(timeout=60)[0] == ""
    assert waiting.returncode == -signal.SIGTERM
    assert (tmp_path / "run/.lock").read_text().startswith(f"process {holder.pid} on ")


def test_what_others_keep_in_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "history.parquet").touch()
    with run_lock(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["history.parquet"]


@pytest.mark.parametrize("what", ["removed", "replaced", "stale"])
def test_a_file_that_was_removed_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    path, lockf, calls = tmp_path / ".lock", fcntl.lockf, []

    def lock_what_another_has_just_removed(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            path.unlink()
            if what == "replaced":
                path.touch()
            if what == "stale":
                raise OSError(errno.ESTALE, "Stale file handle")
        lockf(*arguments)

    monkeypatch.setattr(fcntl, "lockf", lock_what_another_has_just_removed)
    with run_lock(tmp_path):
        assert len(calls) == 2
        assert path.read_text().startswith(f"process {os.getpid()} on ")


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with run_lock(tmp_path):
        pass
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert f"{tmp_path / '.lock'}: this file system has no locks" in record.getMessage()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = r"file/run/.lock: cannot be written: Not a directory"
    with pytest.raises(PhasebenchError, match=message), run_lock(tmp_path / "file/run"):
        pass
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with (
        pytest.raises(PhasebenchError, match=r"link/.lock: cannot be written: File exists"),
        run_lock(tmp_path / "link"),
    ):
        pass


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    process = start(tmp_path / "run", before=FULL_DISK)
    message = f"phasebench.common.errors.PhasebenchError: {tmp_path / 'run/.lock'}: cannot be written: File too large"
    assert process.communicate()[1].splitlines()[-1] == message
    assert not (tmp_path / "run").exists()
