"""Estimates as a reader sees them."""

import json
from pathlib import Path

import pytest
from support.tiny_benchmark import copy_checkout

from phasebench.cli.estimates import Cost, rows, show, size, total
from phasebench.cli.main import app
from phasebench.plan.settings import read_settings
from phasebench.provenance.estimate import Work
from phasebench.provenance.status import Checkout


def job(name: str, seconds: float | None, stage: str = "train", unit: str = "core", disk: float | None = 1e6) -> Work:
    basis = "unknown" if seconds is None else "from 3 runs on cpu"
    return Work(stage, name, "s", "e", "d", unit, seconds, basis, disk, "from parameters", 5_000_000)  # type: ignore[arg-type]


WORK = [
    job("a", 3600.0),
    job("a", None, "evaluate", disk=0.0),
    job("b", 1800.0),
    job("b", 36.0, "evaluate", "card", disk=None),
    job("c", None),
]


def test_rows_are_sums_with_their_bases() -> None:
    train, evaluate = rows(WORK)
    assert train.cells == (
        *("s", "e", "d", "train", "3", "1.5 core h, 1 of 3 unknown", "3 MB"),
        *("from 3 runs on cpu; unknown", "from parameters"),
    )
    assert evaluate.cells[3:7] == ("evaluate", "2", "0.01 card h, 1 of 2 unknown", "0 B, 1 of 2 unknown")
    assert evaluate.cost == Cost(2, 0.01, 0.0, 1, 0.0, 1)


def test_the_total_counts_what_is_unknown() -> None:
    assert total(WORK) == (
        "5 jobs (3 train, 2 evaluate): 0.01 card h, 1.5 core h, 2 of 5 unknown; disk 3 MB, 1 of 5 unknown; "
        "a checkpoint takes up to 5 MB while a run trains"
    )
    assert total([]) == "nothing is left to be done"
    assert Cost.of([job("a", None, disk=None)]).hours == Cost.of([job("a", None, disk=None)]).disk == "unknown"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1e3, "1 kB"), (12_345, "12 kB"), (999_600, "1 MB"), (2.56e9, "2.6 GB")],
)
def test_sizes(number: float, text: str) -> None:
    assert size(number) == text


def test_without_a_terminal_there_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show(WORK)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].split()[:7] == ["suite", "experiment", "data", "set", "stage", "jobs", "hours"]
    assert lines[1].index("train") == lines[2].index("evaluate") == lines[0].index("stage")
    assert lines[3] == total(WORK)


def test_on_a_terminal_there_is_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    show(WORK)
    assert "━" in capsys.readouterr().out


def test_the_command_prints_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(copy_checkout(tmp_path))
    app(["estimate", "--scale", "tiny", "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["scale"] == "tiny"
    (row,) = (row for row in told["rows"] if row["stage"] == "train")
    assert (row["jobs"], row["unknown_time"], row["time_from"]) == (2, 2, ["unknown: --measure times it"])
    assert told["total"]["jobs"] == sum(row["jobs"] for row in told["rows"])
    assert told["total"]["checkpoint_bytes"] > 0


def test_what_has_no_data_is_named_or_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(copy_checkout(tmp_path))
    app(["estimate", "--scale", "paper"], standalone_mode=False)
    *named, last = capsys.readouterr().out.splitlines()
    assert any(line.startswith("MSTAR: no chips below data/raw/mstar: ") for line in named)
    assert "properties): " in last
    assert "train" not in last
    app(["estimate", "--scale", "paper", "--missing-data"], standalone_mode=False)
    *lines, last = capsys.readouterr().out.splitlines()
    paper = read_settings(Path()).with_scale("paper")
    assert f"{len(Checkout(Path(), paper, with_missing_data=True).plan.runs):,} train" in last
    assert not any("left out" in line for line in lines)
