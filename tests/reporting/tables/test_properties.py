"""Properties on the page: what came out in words, and one line for each law and each network."""

from pathlib import Path

import pandas as pd
import pytest
from support.reports import build_without_figures
from support.synthetic_tables import SUITE, write_tables

from phasebench.reporting.cells import PlainTable
from phasebench.reporting.tables.properties import StudyProperties, study_properties
from phasebench.tables.read import read_tables


def study_of(folder: Path, frames: dict[str, pd.DataFrame]) -> StudyProperties:
    frames["properties"].to_parquet(folder / "properties.parquet")
    (study,) = study_properties(read_tables(folder))
    return study


@pytest.fixture
def frames(tmp_path: Path) -> dict[str, pd.DataFrame]:
    return write_tables(tmp_path, with_studies=True)


def cells(table: PlainTable) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_laws_and_networks_have_a_line_each(tmp_path: Path, frames: dict[str, pd.DataFrame]) -> None:
    study = study_of(tmp_path, frames)
    assert study.sentence == (
        "5 values as the laws say, 5 controls that differ as expected and 1 of 2 parameter counts not the study's."
    )
    tables = dict(study.tables)
    assert cells(tables["layers"]) == {
        "ComplexConv2d": ["phase equivariance", "4.0e-16", "3.0e-07", "0", "✓ holds", ""],
        "CReLU": ["phase equivariance", "0.5", "0.5", "0", "✓ fails as expected", ""],
    }
    assert [column.heading for column in tables["networks"].columns] == [
        *("Network", "Input", "Parameters", "Published", "Phase turned", "Step, ms"),
    ]
    assert cells(tables["networks"]) == {
        "CDS Type-I": ["2x32x32, 10 classes", "24,241", "24,241", "2.0e-06 ✓", "12.5"],
        "Real CNN": ["2x32x32, 10 classes", "34,000", "34,282", "0.9", "12.5"],
    }


def test_a_measured_value_and_a_library_that_is_not_there_have_no_expectation(
    tmp_path: Path, frames: dict[str, pd.DataFrame]
) -> None:
    like = frames["properties"].query("subject == 'CReLU' and dtype == 'float32'").head(1)
    measured = like.assign(subject="a ReLU", law="ms", value=2.5, expected=None, holds=None, is_control=False)
    absent = measured.assign(subject="library", law="not installed", value=None, dtype="")
    frames["properties"] = pd.concat([frames["properties"], measured, absent], ignore_index=True)
    lines = cells(dict(study_of(tmp_path, frames).tables)["layers"])
    assert lines["a ReLU"][:5] == ["ms", "\N{EN DASH}", "2.5", "\N{EN DASH}", "measured"]
    assert lines["library"][:5] == ["not installed", *3 * ["\N{EN DASH}"], "measured"]


def test_a_broken_law_and_a_control_that_holds_are_marked(tmp_path: Path, frames: dict[str, pd.DataFrame]) -> None:
    table = frames["properties"]
    control = table["subject"] == "CReLU"
    table.loc[control, "holds"] = True
    table.loc[(table["subject"] == "ComplexConv2d") & (table["item"] == "30°"), "holds"] = False
    study = study_of(tmp_path, frames)
    assert "2: does not hold" in study.sentence
    assert "4: control holds" in study.sentence
    lines = cells(dict(study.tables)["layers"])
    assert lines["ComplexConv2d"][4] == "✗ does not hold, 2 of 4"
    assert lines["CReLU"][4] == "✗ control holds, 4 of 4"


def test_the_page_and_the_files_have_them(tmp_path: Path, frames: dict[str, pd.DataFrame]) -> None:
    build_without_figures(tmp_path, tmp_path / "reports", tmp_path / "logs")
    page = (tmp_path / "reports/benchmark.html").read_text()
    assert f'<section id="{SUITE}-properties"' in page
    rows = pd.read_csv(tmp_path / f"reports/tables/{SUITE}-properties-layers.csv")
    assert len(rows) == (frames["properties"]["kind"] == "layer").sum() == 8
    assert set(rows["outcome"]) == {"holds", "fails as expected"}
    assert (tmp_path / f"reports/tables/{SUITE}-properties-networks.html").is_file()


def test_a_benchmark_without_properties_has_no_such_section(tmp_path: Path) -> None:
    write_tables(tmp_path)
    build_without_figures(tmp_path, tmp_path / "reports", tmp_path / "logs")
    assert '-properties"' not in (tmp_path / "reports/benchmark.html").read_text()
