"""Job states from sacct and squeue, and what is concluded from them."""

from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from snakemake_executor_plugin_submitit import status as status_module
from snakemake_executor_plugin_submitit.cancel import compress_job_ids
from snakemake_executor_plugin_submitit.cluster import SlurmError
from snakemake_executor_plugin_submitit.ledger import Entry
from snakemake_executor_plugin_submitit.polling import Poller
from snakemake_executor_plugin_submitit.status import JobState, SlurmStatus, expand_job_id
from snakemake_executor_plugin_submitit.tracking import Tracked, finished_jobs, read_result


class FakeSlurm:
    """Answers of sacct and squeue; None is a command that fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sacct: str | None = None
        self.squeue: str | None = ""
        self.calls: list[str] = []
        monkeypatch.setattr(status_module, "call_slurm", self)

    def __call__(self, *command: str) -> str:
        self.calls.append(command[0])
        answer = self.sacct if command[0] == "sacct" else self.squeue
        if answer is None:
            raise SlurmError(f"{command[0]}: down")
        return answer


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    return FakeSlurm(monkeypatch)


def states(found: dict[str, JobState] | None) -> dict[str, str]:
    assert found is not None
    return {job_id: state.state for job_id, state in found.items()}


def test_without_accounting_squeue_is_asked_once_a_poll(slurm: FakeSlurm) -> None:
    slurm.squeue = "12_0|RUNNING|None\n12_1|PENDING|Priority\n99|RUNNING|None\n13|FAILED|NonZeroExitCode\n"
    status = SlurmStatus()
    found = status.query(["12_0", "12_1", "13", "14"])
    assert states(found) == {"12_0": "RUNNING", "12_1": "PENDING", "13": "FAILED", "14": "UNKNOWN"}
    assert found is not None
    assert found["13"].detail == "NonZeroExitCode"
    status.query(["12_0"])
    assert slurm.calls == ["sacct", "squeue", "squeue"]
    assert status.queries == 3


def test_sacct_alone_is_asked_while_all_live(slurm: FakeSlurm) -> None:
    slurm.sacct = "12_0|RUNNING|0:0\n12_[1-2,4%3]|PENDING|0:0\n"
    status = SlurmStatus()
    found = status.query(["12_0", "12_1", "12_2", "12_4"])
    assert set(states(found).values()) == {"RUNNING", "PENDING"}
    assert slurm.calls == ["sacct", "sacct"]


def test_a_death_in_sacct_is_believed_only_if_squeue_agrees(slurm: FakeSlurm) -> None:
    slurm.sacct = "12|NODE_FAIL|0:0\n13|CANCELLED by 1000|0:15\n14|FAILED|137:0\n"
    # The node of 12 failed, and SLURM has put the job back into the queue; it no longer knows 14.
    slurm.squeue = "12|PENDING|BeginTime\n13|CANCELLED|None\n"
    found = SlurmStatus().query(["12", "13", "14"])
    assert states(found) == {"12": "PENDING", "13": "CANCELLED", "14": "FAILED"}


def test_a_job_that_sacct_does_not_know_yet_is_in_squeue(slurm: FakeSlurm) -> None:
    slurm.sacct, slurm.squeue = "", "12|PENDING|None\n"
    assert states(SlurmStatus().query(["12"])) == {"12": "PENDING"}


def test_a_database_that_goes_away_is_replaced_by_squeue(slurm: FakeSlurm) -> None:
    slurm.sacct = "12|RUNNING|0:0\n"
    status = SlurmStatus()
    status.query(["12"])
    slurm.sacct, slurm.squeue = None, "12|RUNNING|None\n"
    assert states(status.query(["12"])) == {"12": "RUNNING"}


def test_silence_is_no_verdict(slurm: FakeSlurm) -> None:
    slurm.sacct = slurm.squeue = None
    assert SlurmStatus().query(["12"]) is None


def test_job_ids_are_expanded_and_compressed() -> None:
    assert expand_job_id("12") == ["12"]
    assert expand_job_id("12_3") == ["12_3"]
    assert expand_job_id("12_[3-5,7%2]") == ["12_3", "12_4", "12_5", "12_7"]
    assert expand_job_id("12_[3,5,...]") == []
    assert compress_job_ids(["12_0", "7", "12_2", "12_1", "12_5"]) == ["7", "12_[0-2,5]"]
    assert compress_job_ids([]) == []


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


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("snakemake_executor_plugin_submitit.polling.time.monotonic", lambda: self.now)


class FakeBackend:
    queries = 0

    def __init__(self) -> None:
        self.state: JobState | None = JobState("RUNNING")
        self.asked: list[float] = []

    def query(self, job_ids: list[str]) -> dict[str, JobState] | None:
        self.queries += 1
        return None if self.state is None else dict.fromkeys(job_ids, self.state)


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, line: str) -> None:
        self.lines.append(line)

    warning = info


def test_queries_become_rarer_and_a_death_is_seen_within_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, backend, log = Clock(monkeypatch), FakeBackend(), Log()
    poller = Poller(backend, 10, 50, log)  # type: ignore[arg-type]
    job = tracked(tmp_path)
    for _ in range(360):
        assert poller.poll([job]) == {}
        clock.now += 10
    # An hour in steps of 10 s: 10, 15, 22, ... and then once a minute.
    assert 60 <= backend.queries <= 66
    backend.state = JobState("CANCELLED")
    before, passed = backend.queries, 0.0
    while not (ended := poller.poll([job])):
        clock.now += 10
        passed += 10
    assert ended == {"12": "it was cancelled"}
    assert backend.queries - before == 2
    assert passed <= 70


def test_a_cluster_that_does_not_answer_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, backend, log = Clock(monkeypatch), FakeBackend(), Log()
    backend.state = None
    poller = Poller(backend, 1, 50, log)  # type: ignore[arg-type]
    for _ in range(20):
        assert poller.poll([tracked(tmp_path)]) == {}
        clock.now += 10
    assert log.lines == ["SLURM does not answer; the jobs are kept, and it is asked again."]
