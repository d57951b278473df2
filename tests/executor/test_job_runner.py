"""The part of a job inside its allocation."""

import json
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_submitit.job_runner import JobFailedError, PackedCall, SnakemakeCall


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


@pytest.mark.usefixtures("inside_a_job")
def test_only_time_limits_without_progress_count(tmp_path: Path) -> None:
    call = SnakemakeCall("true", str(tmp_path), 5, 100, max_timeouts=2)

    def meet_the_limit(progress: str | None) -> None:
        # A command that has written how far it came, and does not end by itself.
        group = SimpleNamespace(tell=lambda: None, stop=lambda: None, poll=lambda: None)
        call._running = {"7": SimpleNamespace(group=group, folder=tmp_path)}  # type: ignore[dict-item]
        if progress is not None:
            (tmp_path / "7.progress").write_text(progress)
        call.checkpoint()

    for step in range(20):
        meet_the_limit(str(step))
    meet_the_limit(None)
    with pytest.raises(JobFailedError, match="timed-out too many times"):
        meet_the_limit(None)
    # What is no time limit is none: the job has run for less than its limit.
    call.limit_seconds = 10_000
    for _ in range(20):
        meet_the_limit(None)


@pytest.mark.usefixtures("inside_a_job")
def test_a_result_is_written_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(JobFailedError):
        SnakemakeCall("exit 4", str(tmp_path), 5, 3)()
    assert json.loads((tmp_path / "7_result.json").read_text()) == {
        "status": "error",
        "why": "the job's command ended with status 4",
    }


@pytest.mark.usefixtures("inside_a_job")
def test_one_member_of_a_pack_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snakemake_executor_plugin_submitit.job_runner._CHECK_SECONDS", 0.5)
    calls = [SnakemakeCall(f"sleep {seconds}", str(tmp_path), 5, 3) for seconds in (600, 2)]
    (tmp_path / "7.0.stop").touch()
    PackedCall(calls, gpu=False)()
    results = [json.loads((tmp_path / f"7.{index}_result.json").read_text()) for index in range(2)]
    assert results == [{"status": "error", "why": "it was cancelled"}, {"status": "success"}]
