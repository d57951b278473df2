"""Polls of jobs: the pace of queries, and the deaths that they find."""

from pathlib import Path

import pytest

from snakemake_executor_plugin_submitit.job_outcomes import Tracked, write_result
from snakemake_executor_plugin_submitit.job_states import JobState
from snakemake_executor_plugin_submitit.ledger import Entry
from snakemake_executor_plugin_submitit.polling import Poller


def tracked(folder: Path) -> Tracked:
    return Tracked(Entry("12", folder.name, "key", "print", "train run=a"), folder)


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("snakemake_executor_plugin_submitit.polling.time.monotonic", lambda: self.now)


class FakeBackend:
    queries = 0
    problem = "squeue: Unable to contact slurm controller"

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
    assert log.lines == [f"SLURM does not answer ({backend.problem}); the jobs are kept, and it is asked again."]


def test_why_a_job_cannot_start_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, backend, log = Clock(monkeypatch), FakeBackend(), Log()
    poller = Poller(backend, 1, 50, log)  # type: ignore[arg-type]
    job = tracked(tmp_path)
    for reason in ("Priority", "Resources"):
        backend.state = JobState("PENDING", reason)
        for _ in range(20):
            poller.poll([job])
            clock.now += 60
    assert log.lines == []
    backend.state = JobState("PENDING", "QOSMinGRES")
    poller.poll([job])
    # It may pass.
    assert log.lines == []
    for _ in range(20):
        clock.now += 60
        poller.poll([job])
    (line,) = log.lines
    assert line.startswith("Waiting in the queue because of QOSMinGRES: job 12 (train run=a).")
    backend.state = JobState("REQUEUE_HOLD", "launch failed requeued held")
    for _ in range(20):
        poller.poll([job])
        clock.now += 60
    assert log.lines[-1].endswith("To let it start: scontrol release 12")
    assert len(log.lines) == 2


def test_members_of_a_pack_have_the_state_of_their_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, backend = Clock(monkeypatch), FakeBackend()
    poller = Poller(backend, 1, 50, Log())  # type: ignore[arg-type]
    first, second = (
        Tracked(Entry(f"12_3.{index}", tmp_path.name, "key", "print", "train"), tmp_path) for index in range(2)
    )
    write_result(tmp_path, "12_3.0", None)
    assert poller.poll([first, second]) == {"12_3.0": None}
    backend.state = JobState("NODE_FAIL")
    ended: dict[str, str | None] = {}
    while not ended:
        clock.now += 60
        ended = poller.poll([second])
    assert ended == {"12_3.1": "its node failed and SLURM did not requeue it"}
