from pathlib import Path

import pandas as pd
import pytest
from support.synthetic_tables import write_tables

from phasebench.common.errors import PhasebenchError
from phasebench.reporting.page.build import build_report
from phasebench.tables.read import read_tables
from phasebench.tables.schema import COLUMNS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tables(tmp_path / "tables")
    return tmp_path / "tables"


def _refusal(folder: Path) -> str:
    with pytest.raises(PhasebenchError) as caught:
        build_report(folder, folder.parent / "report", folder.parent / "logs")
    message = str(caught.value)
    assert "\n" not in message
    assert not (folder.parent / "report").exists()
    return message


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_missing_file(folder: Path, name: str) -> None:
    (folder / f"{name}.parquet").unlink()
    assert f"{name}.parquet: there is no such file" in _refusal(folder)


@pytest.mark.parametrize("keep", [0, 3, 100, 0.5])
def test_cut_file(folder: Path, keep: float) -> None:
    path = folder / "metrics.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    assert "metrics.parquet: not a complete Parquet file" in _refusal(folder)


@pytest.mark.parametrize(("name", "column"), [(name, list(columns)[-1]) for name, columns in COLUMNS.items()])
def test_missing_column(folder: Path, name: str, column: str) -> None:
    path = folder / f"{name}.parquet"
    pd.read_parquet(path).drop(columns=column).to_parquet(path)
    assert f"{name}.parquet: {column}: missing column" in _refusal(folder)


def test_text_where_numbers_belong(folder: Path) -> None:
    path = folder / "metrics.parquet"
    frame = pd.read_parquet(path)
    frame.assign(value=["high"] * len(frame)).to_parquet(path)
    assert "metrics.parquet: value: not a column of numbers" in _refusal(folder)


def test_a_measurement_of_an_unknown_run(folder: Path) -> None:
    path = folder / "runs.parquet"
    frame = pd.read_parquet(path)
    frame.iloc[1:].to_parquet(path)
    assert f"metrics.parquet: run: '{frame['run'].iloc[0]}' is not in runs.parquet" in _refusal(folder)


def test_a_run_twice(folder: Path) -> None:
    path = folder / "runs.parquet"
    frame = pd.read_parquet(path)
    pd.concat([frame, frame.iloc[:1]]).to_parquet(path)
    assert f"runs.parquet: run: '{frame['run'].iloc[0]}' occurs twice" in _refusal(folder)


def test_an_item_of_an_unknown_run(folder: Path) -> None:
    write_tables(folder, with_studies=True)
    path = folder / "items.parquet"
    frame = pd.read_parquet(path)
    frame.assign(run="elsewhere").to_parquet(path)
    assert "items.parquet: run: 'elsewhere' is not in runs.parquet" in _refusal(folder)


@pytest.mark.parametrize("column", ["mark", "direction", "part", "kind", "paper_agrees"])
def test_an_unknown_mark_of_a_claim(folder: Path, column: str) -> None:
    write_tables(folder, with_studies=True)
    path = folder / "claims.parquet"
    pd.read_parquet(path).assign(**{column: "maybe"}).to_parquet(path)
    assert f"claims.parquet: {column}: 'maybe' is unknown" in _refusal(folder)


def test_the_published_text_of_a_claim_is_text_and_published_values_are_numbers(folder: Path) -> None:
    write_tables(folder, with_studies=True)
    tables = read_tables(folder)
    assert "29,536 of 63,690" in set(tables.claims["published"])
    assert tables.metrics["published"].dtype == "float64"
    assert tables.claims["mean"].dtype == "float64"


def test_two_benchmarks(folder: Path) -> None:
    path = folder / "benchmark.parquet"
    frame = pd.read_parquet(path)
    pd.concat([frame, frame]).to_parquet(path)
    assert "benchmark.parquet: scale: 2 rows" in _refusal(folder)


def test_a_file_where_a_folder_belongs(folder: Path) -> None:
    (folder.parent / "report").write_text("")
    with pytest.raises(PhasebenchError, match=r"report/figures: cannot be made: Not a directory$"):
        build_report(folder, folder.parent / "report", folder.parent / "logs")


def test_absent_texts_are_empty_and_absent_numbers_are_not(folder: Path) -> None:
    tables = read_tables(folder)
    assert set(tables.runs["variant"]) == {"", "f0.05", "f1"}
    assert set(tables.runs["stands_in_for"]) == {"", "cifar10", "mstar"}
    assert tables.metrics["published"].isna().any()
    assert tables.metrics["published"].dtype == "float64"


def test_a_control_character_is_shown_as_one_that_a_page_can_hold(folder: Path) -> None:
    path = folder / "benchmark.parquet"
    pd.read_parquet(path).assign(description="a\x01b\x1b[31m\nc").to_parquet(path)
    assert read_tables(folder).benchmark["description"].tolist() == ["a\ufffdb\ufffd[31m\nc"]
