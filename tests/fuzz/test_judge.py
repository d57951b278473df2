"""Judgement of readers that end badly."""

import os
import signal
import time
from pathlib import Path

import pytest
from fuzz import judge


def loop_in_a_library() -> None:
    """A loop in which no handler of a signal runs."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    while True:
        time.sleep(1.0)


def test_a_loop_inside_a_library_is_a_hang_and_the_next_input_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "SECONDS", 0.2)
    monkeypatch.setattr(judge, "_SECONDS_MORE", 0.3)
    path = tmp_path / "input"

    def read() -> None:
        content = path.read_bytes()
        if content == b"loop":
            loop_in_a_library()
        if content == b"crash":
            os.kill(os.getpid(), signal.SIGSEGV)

    outcomes = list(judge.judge_in_children(read, path, [b"good", b"loop", b"good", b"crash", b"good"]))
    assert [outcome for outcome, _ in outcomes] == ["accepted", "hang", "accepted", "traceback", "accepted"]
