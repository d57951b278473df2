"""Page, CSV file and command of a comparison."""

import re
from pathlib import Path

import pandas as pd
import pytest
from support.synthetic_tables import write_tables

from phasebench.cli.main import app
from phasebench.reporting.compare import comparison
from phasebench.reporting.compare.comparison import compare_results


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """B has one model that is better by half, another name of a model, and lacks an experiment."""
    for name in ("a", "b"):
        write_tables(tmp_path / name / "tables", with_studies=True)
    path = tmp_path / "b/tables/metrics.parquet"
    metrics = pd.read_parquet(path)
    metrics.loc[metrics["model"] == "cifarnet_real", "value"] += 0.3 + 0.001 * metrics["seed"]
    metrics = metrics[metrics["experiment"] != "table_2"]
    metrics["model"] = metrics["model"].replace({"cifarnet_type_e": "<b>new</b>"})
    metrics.to_parquet(path)
    return tmp_path / "a", tmp_path / "b"


def test_the_page_and_the_file(folders: tuple[Path, Path], tmp_path: Path) -> None:
    outcome = compare_results(*folders, tmp_path / "out")
    page, cells = outcome.page.read_text(), pd.read_csv(tmp_path / "out/compare.csv")
    counts = cells["mark"].value_counts()
    assert outcome.n_different == counts["differs"] > 0
    assert outcome.sentence.startswith(f"{len(cells):,} cells: {counts['differs']:,} differ by more than")
    for sentence in (outcome.sentence, "method over all tested cells"):
        assert sentence in page
    # A row for each cell that differs, and for every test accuracy of both.
    both = (cells["metric"] == "test_accuracy") & (cells["n_a"] > 0) & (cells["n_b"] > 0)
    assert (
        len(re.findall('<tr title="differs">', page)) == counts["differs"] + (both & (cells["mark"] == "differs")).sum()
    )
    assert len(re.findall(r"<circle|<path d=\"M[^\"]*h7v7", page)) == both.sum()
    assert 'id="only-a"' in page
    assert 'id="only-b"' in page
    assert "&lt;b&gt;new&lt;/b&gt;" in page
    assert "<b>new</b>" not in page
    # The page needs nothing from elsewhere but the file beside it.
    assert set(re.findall(r'(?:href|src)="([^"#]+)"', page)) == {"compare.csv"}
    assert "<b>DEMO</b>" in page


def test_the_same_folders_give_the_same_bytes(folders: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = (compare_results(*folders, tmp_path / name).page.read_bytes() for name in ("x", "y"))
    assert first == second


def test_long_tables_are_cut(folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MOST_ROWS", 2)
    outcome = compare_results(*folders, tmp_path)
    page = outcome.page.read_text()
    assert f"{outcome.n_different - 2} more cells are in compare.csv alone." in page
    assert page.count('<tr title="differs">') <= 4


def test_the_command(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["compare", *map(str, folders)]
    app(given, standalone_mode=False)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("; reports/compare/compare.html")
    assert (tmp_path / "reports/compare/compare.csv").is_file()
    same = ["compare", str(folders[0]), str(folders[0]), "--fail-on-difference"]
    assert not app(same, standalone_mode=False)
    assert "are equal" in capsys.readouterr().out
    # Without its standalone mode, typer returns the status of an Exit.
    assert app([*given, "--fail-on-difference"], standalone_mode=False) == 1
