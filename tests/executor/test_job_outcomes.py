"""Outcomes of jobs, from their result files and states."""

import time
from pathlib import Path

import pytest

from snakemake_executor_plugin_submitit import job_outcomes as outcomes_module
from snakemake_executor_plugin_submitit.job_outcomes import (
    Tracked,
    clear_folder,
    finished_jobs,
    log_excerpt,
    read_result,
    write_result,
)
from snakemake_executor_plugin_submitit.job_states import UNKNOWN, JobState
from snakemake_executor_plugin_submitit.ledger import Entry


def tracked(folder: Path, job_id: str = "12") -> Tracked:
    return Tracked(Entry(job_id, folder.name, "key", "print", "train run=a"), folder)


def test_a_dead_job_has_to_be_seen_dead_twice(tmp_path: Path) -> None:
    job = tracked(tmp_path)
    job.see(JobState("CANCELLED", "by 1000"))
    assert job.failure() is None
    job.see(JobState("RUNNING"))
    job.see(JobState("CANCELLED", "by 1000"))
    assert job.failure() is None
    job.see(JobState("CANCELLED", "by 1000"))
    assert job.failure() == "it was cancelled (by 1000)"


@pytest.mark.parametrize(
    ("state", "log", "words"),
    [
        ("TIMEOUT", "", "time limit"),
        ("OUT_OF_MEMORY", "", "raise mem_mb"),
        ("FAILED", "slurmstepd: error: Step 12.0 exceeded memory limit (600 > 200), being killed", "raise mem_mb"),
        ("FAILED", "", "FAILED"),
        ("COMPLETED", "", "left no result"),
        ("NODE_FAIL", "", "node failed"),
        ("UNKNOWN", "", "does not know it any more"),
    ],
)
def test_the_reason_is_said_in_words(tmp_path: Path, state: str, log: str, words: str) -> None:
    job = tracked(tmp_path)
    job.log.write_text(log)
    for _ in range(2):
        job.see(JobState(state))
    problem = job.failure()
    assert problem is not None
    assert words in problem


def test_results_are_found_and_read(tmp_path: Path) -> None:
    good, bad, torn, running = jobs = [tracked(tmp_path, f"12_{index}") for index in range(4)]
    write_result(tmp_path, good.job_id, None)
    write_result(tmp_path, bad.job_id, "the job's command ended with status 3")
    torn.result.write_bytes(b"\x80")
    assert finished_jobs(jobs) == {"12_0", "12_1", "12_2"}
    assert running.job_id not in finished_jobs(jobs)
    assert read_result(good) is None
    assert read_result(bad) == "the job's command ended with status 3"
    assert "cannot be read" in str(read_result(torn))


def test_a_result_may_be_seen_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(outcomes_module.time, "monotonic", lambda: now[0])
    finished, killed, forgotten = (tracked(tmp_path, job_id) for job_id in ("1", "2", "3"))
    for now[0] in range(0, 90, 10):
        for job, state in ((finished, "COMPLETED"), (killed, "CANCELLED"), (forgotten, UNKNOWN)):
            job.see(JobState(state))
        assert finished.failure(90) is forgotten.failure(90) is None
    # Nothing can come of a job that was cancelled.
    assert killed.failure(90) == "it was cancelled"
    now[0] = 90.0
    for job, state in ((finished, "COMPLETED"), (forgotten, UNKNOWN)):
        job.see(JobState(state))
        assert "no result" in str(job.failure(90))


def test_a_folder_that_somebody_removed_has_no_results(tmp_path: Path) -> None:
    assert finished_jobs([tracked(tmp_path / "gone")]) == set()
    clear_folder(tmp_path / "gone")


def test_only_logs_are_left_in_a_folder_and_old_ones_not(tmp_path: Path) -> None:
    folder = tmp_path / "submission"
    folder.mkdir()
    for name in ("0.pkl", "12_0_result.json", "12_0.attempt", "submission.sh", "12_0_0_log.out"):
        (folder / name).touch()
    clear_folder(folder, keep_logs_after=0)
    assert [path.name for path in folder.iterdir()] == ["12_0_0_log.out"]
    clear_folder(folder, keep_logs_after=time.time() + 60)
    assert not folder.exists()


def test_the_excerpt_of_a_log_is_what_the_rule_said(tmp_path: Path) -> None:
    log = tmp_path / "12_0_log.out"
    said = ["Select jobs to execute...", "ValueError: batch_size is 0"]
    around = [
        "[Thu Nov 26 17:00:00 2026]",
        "Error in rule train, jobid: 0",
        "    shell: python train.py",
        "Exiting because a job execution failed. Look above for error messages",
        "[submitit] failed: the job's command ended with status 1",
        "srun: error: n1: task 0: Exited with exit code 1",
    ]
    log.write_text("\n".join([*said, *around]))
    assert log_excerpt(log) == "\n".join(said)
    log.write_text("killed\n")
    assert log_excerpt(log) == "killed"
    assert log_excerpt(tmp_path / "none") == ""
