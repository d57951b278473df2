from pathlib import Path

import pytest

from snakemake_logger_plugin_phasebench.failures import failure

EXCEPTION = "RuleException:\nCommand 'train' returned non-zero exit status {}."


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "seed0.log"
    path.write_bytes(b"begin\nstep 1\rstep 2 of 10\n\n")
    return str(path)


def test_the_last_line_of_the_log_says_why(log: str) -> None:
    assert failure("Train a/seed0", EXCEPTION.format(1), None, [log]) == (
        f"failed: Train a/seed0: step 2 of 10; log: {log}"
    )


def test_a_signal_is_named(log: str) -> None:
    assert failure("Train", EXCEPTION.format(137), None, [log]) == f"failed: Train: ended by SIGKILL; log: {log}"


def test_the_reason_of_an_executor_comes_first_and_stays_in_the_line(log: str) -> None:
    assert failure("Train", "", "out of\nmemory", ["missing.log", log]) == f"failed: Train: out of memory; log: {log}"


def test_without_log_and_reason_there_is_nothing_to_say(tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    assert failure("Train", EXCEPTION.format(1), None, [str(tmp_path / "empty.log")]) == ""
