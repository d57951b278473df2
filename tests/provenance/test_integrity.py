"""Damaged results: which files count as damaged, and what happens to them."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from support.finished_runs import finish, plan_tiny
from support.tiny_benchmark import copy_checkout

from phasebench.common.files import write_table, write_text
from phasebench.provenance import integrity
from phasebench.provenance.integrity import KnownFiles, set_aside_damaged
from phasebench.provenance.seals import seal
from phasebench.specs.evaluated import EVALUATED, index_evaluations
from phasebench.specs.paths import Results
from phasebench.specs.run_folder import RECORD, RUN_FILES, evaluation_file, write_record


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with all their files, and tables."""
    checkout = copy_checkout(tmp_path_factory.mktemp("integrity"))
    plan = finish(checkout)
    results = Results(checkout / "results/tiny")
    for run_id, planned in plan.runs.items():
        folder = results.run(run_id)
        for file in set(RUN_FILES.values()) - {RECORD, "spec.json"}:
            (folder / file).write_bytes(file.encode() * 9)
        write_record(folder, {"run": run_id})
        for name in planned.evaluations:
            write_table(folder / evaluation_file(name), pd.DataFrame({"value": [0.5, 0.25]}))
        write_text(folder / EVALUATED, index_evaluations(folder, {name: {} for name in planned.evaluations}).to_json())
    for path in (results.table("runs"), *map(results.analysis, plan.analyses)):
        write_table(path, pd.DataFrame({"value": [0.5] * 100}))
    return checkout


@pytest.fixture
def checkout(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy"


def set_aside(checkout: Path) -> list[str]:
    """Names of what is set aside, below the results; each is said in one line, once."""
    results = Results(checkout / "results/tiny")
    before = set(results.folder.rglob("*.damaged"))
    lines = set_aside_damaged(plan_tiny(checkout), results)
    found = sorted(set(results.folder.rglob("*.damaged")) - before)
    assert len(lines) == len(found)
    assert all("; set aside as " in line for line in lines)
    assert set_aside_damaged(plan_tiny(checkout), results) == []
    return [path.name.removesuffix(".damaged") for path in found]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)


def run_of(checkout: Path) -> Path:
    return next((checkout / "results/tiny/runs").rglob(RECORD)).parent


def test_whole_results_stay(checkout: Path) -> None:
    assert set_aside(checkout) == []


@pytest.mark.parametrize("file", sorted(RUN_FILES.values()))
@pytest.mark.parametrize("is_known", [False, True])
def test_a_flipped_bit_in_a_file_of_a_run_is_found(checkout: Path, file: str, is_known: bool) -> None:
    if is_known:
        assert set_aside(checkout) == []
    flip(run_of(checkout) / file)
    assert set_aside(checkout) == [file]
    assert not (run_of(checkout) / file).exists() if file != RECORD else True


def test_a_cut_file_is_found_though_its_time_is_the_old_one(checkout: Path) -> None:
    assert set_aside(checkout) == []
    path = run_of(checkout) / "history.parquet"
    shutil.copystat(path, checkout / "config.yaml")
    path.write_bytes(path.read_bytes()[:-1])
    shutil.copystat(checkout / "config.yaml", path)
    assert set_aside(checkout) == ["history.parquet"]


def test_a_damaged_evaluation_takes_the_index_with_it(checkout: Path) -> None:
    """Its job then computes this one alone."""
    folder = run_of(checkout)
    flip(folder / evaluation_file("rotation"))
    assert set_aside(checkout) == ["rotation.parquet"]
    assert not (folder / EVALUATED).exists()
    assert len(list((folder / "evaluation").glob("*.parquet"))) > 0


@pytest.mark.parametrize("stage", ["analyses", "overheads", "baselines", "properties"])
def test_the_tables_of_every_stage_are_looked_at(tmp_path: Path, stage: str) -> None:
    results = Results(tmp_path)
    of = {
        "analyses": results.analysis,
        "overheads": results.overhead,
        "baselines": results.baselines,
        "properties": results.properties,
    }
    plan: Any = SimpleNamespace(runs={}, **{name: ["study"] if name == stage else [] for name in of})
    write_text(of[stage]("study"), "no table")
    assert integrity.damaged_results(plan, results, KnownFiles(results)) == [(of[stage]("study"), "is damaged")]


def test_a_flip_of_any_byte_of_a_sealed_table_is_found(tmp_path: Path) -> None:
    """Also in the footer, where a column may get another name without a fault of the format."""
    results = Results(tmp_path)
    path = results.table("runs")
    write_table(path, pd.DataFrame({"value": [0.5] * 100}))
    seal([path])
    content = path.read_bytes()
    assert KnownFiles(results).damaged_tables([path]) == []
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        assert KnownFiles(results).damaged_tables([path]) == [(path, "is damaged")], position


@pytest.mark.parametrize("folder", ["tables", "analyses"])
def test_a_flipped_bit_in_a_table_is_found(checkout: Path, folder: str) -> None:
    path = next((checkout / "results/tiny" / folder).rglob("*.parquet"))
    for position in (10, path.stat().st_size // 2, path.stat().st_size - 20):
        content = path.read_bytes()
        changed = bytearray(content)
        changed[position] ^= 4
        path.write_bytes(changed)
        try:
            pd.testing.assert_frame_equal(pd.read_parquet(path), pd.DataFrame({"value": [0.5] * 100}))
        except Exception:
            assert set_aside(checkout) == [path.name], position
            path.with_name(f"{path.name}.damaged").unlink()
        path.write_bytes(content)


def test_an_unchanged_file_is_not_read_again(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set_aside(checkout) == []
    monkeypatch.setattr(integrity, "file_fault", lambda *_: pytest.fail("read"))
    monkeypatch.setattr(integrity, "sha256_of_file", lambda *_: pytest.fail("read"))
    monkeypatch.setattr(integrity, "_is_whole", lambda *_: pytest.fail("read"))
    assert set_aside(checkout) == []


def test_a_run_in_the_making_is_left_alone(checkout: Path) -> None:
    """Its record is written last."""
    folder = run_of(checkout)
    (folder / RECORD).unlink()
    flip(folder / "history.parquet")
    assert KnownFiles(Results(checkout / "results/tiny")).damaged_in_run(folder) == []


def test_of_many_the_first_are_named(checkout: Path) -> None:
    for folder in {path.parent for path in (checkout / "results/tiny/runs").rglob(RECORD)}:
        for file in set(RUN_FILES.values()) - {RECORD}:
            flip(folder / file)
    for path in (checkout / "results/tiny/runs").rglob("evaluation/*.parquet"):
        flip(path)
    lines = set_aside_damaged(plan_tiny(checkout), Results(checkout / "results/tiny"))
    assert len(lines) == 11
    assert lines[-1].startswith("and ")
