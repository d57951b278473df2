"""Outcomes of jobs, from their result files and states."""

from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from snakemake_executor_plugin_submitit.job_outcomes import Tracked, finished_jobs, read_result
from snakemake_executor_plugin_submitit.job_states import JobState
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
    job.paths.stdout.write_text(log)
    for _ in range(2):
        job.see(JobState(state))
    problem = job.failure()
    assert problem is not None
    assert words in problem


def write_result(job: Tracked, value: Any) -> None:
    job.paths.result_pickle.write_bytes(cloudpickle.dumps(value))


def test_results_are_found_and_read(tmp_path: Path) -> None:
    good, bad, torn, running = jobs = [tracked(tmp_path, f"12_{index}") for index in range(4)]
    write_result(good, ("success", 0))
    write_result(bad, ("error", "Traceback\n  ...\npackage.JobFailedError: the job's command ended with status 3\n"))
    torn.paths.result_pickle.write_bytes(b"\x80")
    assert finished_jobs(jobs) == {"12_0", "12_1", "12_2"}
    assert running.job_id not in finished_jobs(jobs)
    assert read_result(good) is None
    assert read_result(bad) == "the job's command ended with status 3"
    assert "cannot be read" in str(read_result(torn))
