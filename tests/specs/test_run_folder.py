"""The files of a run: each is an output of the rule that trains, and one reader names what is wrong with one."""

import math
import re
from pathlib import Path

import pytest
from support.checkout import ROOT

from phasebench.common.errors import PhasebenchError
from phasebench.specs import run_folder
from phasebench.specs.run_folder import (
    RECORD,
    REMEDY,
    RUN_FILES,
    check_file,
    read_record,
    read_run_table,
    recorded_number,
    recorded_spec,
    write_record,
)


def rule(name: str, file: str) -> str:
    """Text of a rule."""
    text = (ROOT / "workflow" / "rules" / file).read_text(encoding="utf-8")
    match = re.search(rf"^rule {name}:\n((?:    .*\n|\n)+)", text, flags=re.MULTILINE)
    assert match is not None
    return match[1]


def test_every_file_of_a_run_is_an_output_of_its_rule() -> None:
    named = {
        value
        for name, value in vars(run_folder).items()
        if name.isupper() and isinstance(value, str) and re.search(r"\.\w+$", value)
    }
    assert named == set(RUN_FILES.values())
    assert "    output:\n        **run_files,\n    log:" in rule("train", "train.smk")
    common = (ROOT / "workflow" / "rules" / "common.smk").read_text(encoding="utf-8")
    assert re.search(r"run_files = \{\s*name: .* for name, file in RUN_FILES\.items\(\)\s*\}", common)


def test_training_writes_every_file_of_a_run() -> None:
    source = (ROOT / "src/phasebench/training/results.py").read_text(encoding="utf-8")
    constants = {name for name, value in vars(run_folder).items() if value in RUN_FILES.values()}
    written = {name for name in constants - {"RECORD"} if re.search(rf"\b{name}\b", source.split("\ndef ", 1)[1])}
    assert written == constants - {"RECORD"}
    assert "write_record(output, record)" in source
    assert list(RUN_FILES.values())[-1] == RECORD


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path, {"steps": 3, "device": "cpu"})
    record = read_record(tmp_path, "steps")
    assert {key: record[key] for key in ("steps", "device")} == {"steps": 3, "device": "cpu"}
    assert recorded_number(tmp_path, record, "steps") == 3.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        ("", "not a complete JSON file"),
        ('{"steps": 3', "not a complete JSON file"),
        ("[1]", "must hold a JSON object"),
        ("{}", "steps: the key is missing"),
    ],
)
def test_a_damaged_record_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / RECORD).write_text(content)
    with pytest.raises(PhasebenchError) as caught:
        read_record(tmp_path, "steps")
    assert str(caught.value) == f"{tmp_path / RECORD}: {message}; {REMEDY}"


def test_what_a_record_says_is_checked(tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match=r"run\.json: steps: must be a number, found \"3\"; delete"):
        recorded_number(tmp_path, {"steps": "3"}, "steps")
    for value in (math.inf, math.nan, True, None, [1]):
        with pytest.raises(PhasebenchError, match=r"run\.json: steps: must be a number, found .*; delete"):
            recorded_number(tmp_path, {"steps": value}, "steps")
    with pytest.raises(PhasebenchError, match=r"run\.json: spec: key 'scale' is missing; delete"):
        recorded_spec(tmp_path, {"spec": {}})


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "history.parquet").write_bytes(b"PAR1")
    with pytest.raises(PhasebenchError, match=r"history\.parquet: not a complete Parquet file; delete"):
        read_run_table(tmp_path, run_folder.HISTORY)
    with pytest.raises(PhasebenchError, match=r"probes\.parquet: there is no such file; delete"):
        read_run_table(tmp_path, run_folder.PROBES)


@pytest.mark.parametrize("files", ["text", [1], {"history.parquet": 3}, {"history.parquet": {"bytes": "4"}}])
def test_a_record_without_sizes_of_its_files_is_named(tmp_path: Path, files: object) -> None:
    (tmp_path / "history.parquet").write_bytes(b"PAR1")
    with pytest.raises(PhasebenchError, match=r"history\.parquet: has no size in run\.json; delete"):
        check_file(tmp_path, {"files": files}, run_folder.HISTORY)
