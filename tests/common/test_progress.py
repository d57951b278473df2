"""Progress of a loop, on a terminal and elsewhere."""

import logging
import sys
from collections.abc import Iterator

import pytest

from phasebench.common.progress import track


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets: its one element is the time."""
    now = [100.0]
    monkeypatch.setattr("phasebench.common.progress.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="phasebench")
    return caplog


def test_a_short_loop_says_nothing(clock: list[float], log: pytest.LogCaptureFixture) -> None:
    assert list(track(range(5), "Counting")) == [0, 1, 2, 3, 4]
    assert not log.messages


def test_a_long_loop_is_logged_now_and_then_and_at_its_end(clock: list[float], log: pytest.LogCaptureFixture) -> None:
    for _ in track(range(8), "Counting"):
        clock[0] += 6.0
    assert log.messages == [
        "Counting: 3/8 (38 %), 18 s",
        "Counting: 6/8 (75 %), 36 s",
        "Counting: 8/8 (100 %), 48 s",
    ]


def test_an_iterator_without_length_is_counted(clock: list[float], log: pytest.LogCaptureFixture) -> None:
    for _ in track(iter("ab"), "Letters"):
        clock[0] += 20.0
    assert log.messages[0] == "Letters: 1, 20 s"


def test_an_error_in_the_loop_comes_through(clock: list[float]) -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(track(failing(), "Failing"))


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert list(track(range(3), "Counting")) == [0, 1, 2]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Counting" in printed.err
    assert "100%" in printed.err
