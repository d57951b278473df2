"""Polls of jobs: the pace of queries, and the deaths that they find."""

from pathlib import Path

import pytest

from snakemake_executor_plugin_submitit.job_outcomes import Tracked
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
