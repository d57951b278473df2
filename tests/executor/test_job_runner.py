"""The part of a job inside its allocation."""

import signal
from pathlib import Path

import pytest

from snakemake_executor_plugin_submitit.job_runner import JobFailedError, SnakemakeCall


@pytest.fixture
def inside_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What submitit's local jobs have in their environment."""
    for name, value in {"EXECUTOR": "local", "LOCAL_JOB_ID": "7", "FOLDER": str(tmp_path)}.items():
        monkeypatch.setenv(f"SUBMITIT_{name}", value)
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(signal, "signal", lambda number, handler: before)


@pytest.mark.usefixtures("inside_a_job")
def test_a_call_returns_zero_or_says_how_its_command_ended(tmp_path: Path) -> None:
    assert SnakemakeCall("true", str(tmp_path), 5, 3)() == 0
    with pytest.raises(JobFailedError, match="ended with status 4"):
        SnakemakeCall("exit 4", str(tmp_path), 5, 3)()
    with pytest.raises(JobFailedError, match="was killed by SIGKILL"):
        SnakemakeCall("kill -9 $$", str(tmp_path), 5, 3)()


@pytest.mark.usefixtures("inside_a_job")
def test_requeues_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = SnakemakeCall("true", str(tmp_path), 5, 2)
    for requeues in (1, 2):
        again = call.checkpoint()
        assert again.function is call
        assert call.requeues == requeues
    with pytest.raises(JobFailedError, match="interrupted 3 times, more than the 2 of max-requeues"):
        call.checkpoint()
    # SLURM may have requeued it for reasons of its own.
    monkeypatch.setenv("SLURM_RESTART_COUNT", "5")
    with pytest.raises(JobFailedError, match="requeued 5 times"):
        SnakemakeCall("true", str(tmp_path), 5, 2)()
