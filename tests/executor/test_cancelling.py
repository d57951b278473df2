"""Ctrl-C finds every job that was sent, at whatever moment it comes."""

import logging
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from snakemake_executor_plugin_submitit.executor import Executor
from snakemake_executor_plugin_submitit.ledger import Entry
from snakemake_executor_plugin_submitit.settings import ExecutorSettings


class _Sender:
    """Two jobs that were just sent, and are handed over once."""

    def __init__(self) -> None:
        item = SimpleNamespace(output_folders=frozenset(), job=SimpleNamespace(name="make"))
        self._waiting: list[Any] = [(item, Entry(number, "s", f"k{number}", "f", "d")) for number in ("12", "13")]

    def send(self) -> None:
        pass

    def sent(self) -> list[Any]:
        found, self._waiting = self._waiting, []
        return found

    def refused(self) -> list[Any]:
        return []

    close = sent


@pytest.fixture
def cancelled() -> list[str]:
    return []


@pytest.fixture
def executor(tmp_path: Path, cancelled: list[str]) -> Any:
    """An executor without Snakemake and without a scheduler."""
    made: Any = Executor.__new__(Executor)
    made._guard, made._tracked, made._rules, made._folder = threading.RLock(), {}, {}, tmp_path
    made._poller = SimpleNamespace(hurry=lambda: None)
    made._sender = _Sender()
    made._backend = SimpleNamespace(cancel=cancelled.extend)
    made._earlier = SimpleNamespace(members_of=lambda _: [])
    made._ledger = SimpleNamespace(ended=lambda *_: None)
    made._settings, made.logger = ExecutorSettings(cluster="local"), logging.getLogger("test")
    return made


def test_ctrl_c_while_snakemake_takes_note_of_the_first_job(executor: Any, cancelled: list[str]) -> None:
    executor.report_job_submission = lambda _: executor.cancel_jobs([])
    executor._send()
    assert cancelled[:2] == ["12", "13"]


def test_ctrl_c_between_two_jobs_that_are_taken_over(executor: Any, cancelled: list[str]) -> None:
    track, main = executor._track, threading.Thread(target=executor.cancel_jobs, args=([],))

    def interrupted(item: Any, entry: Entry) -> Any:
        found = track(item, entry)
        if not main.ident:
            main.start()
            # Long enough for a thread that does not wait.
            main.join(timeout=0.2)
        return found

    executor._track, executor.report_job_submission = interrupted, lambda _: None
    executor._send()
    main.join()
    assert cancelled == ["12", "13"]
