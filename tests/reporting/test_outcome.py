import os
from pathlib import Path

import pytest
from support.synthetic_tables import write_tables

from phasebench.common.errors import PhasebenchError
from phasebench.reporting.outcome import outcome


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page that was written at second 1,000."""
    path = tmp_path / "benchmark.html"
    path.touch()
    os.utime(path, (1000.0, 1000.0))
    return path


def test_the_last_words_count_findings_and_properties_apart(tmp_path: Path, page: Path) -> None:
    write_tables(tmp_path / "tables", with_studies=True)
    report, findings, properties, follows = outcome(tmp_path / "tables", page, 900.0, 1121.0).splitlines()
    assert report.startswith(f"Report:     {page} (scale demo, ")
    assert report.endswith("in 3 min 41 s)")
    assert findings == (
        "Findings:   1 reproduced, 1 not reproduced, 1 open and 2 not tested here, of which 1 points the same way"
    )
    assert properties == (
        "Properties: 2 hold, 0 do not; 10 of 10 measured values of layers and untrained networks as expected"
    )
    assert "real data" in follows


def test_a_broken_law_is_counted_beside_the_claims(tmp_path: Path, page: Path) -> None:
    laws = write_tables(tmp_path / "tables", with_studies=True)["properties"]
    laws.loc[laws["is_control"], "holds"] = True
    laws.to_parquet(tmp_path / "tables" / "properties.parquet")
    *_, properties, _ = outcome(tmp_path / "tables", page, 900.0, 1121.0).splitlines()
    assert properties.endswith("; 5 of 10 measured values of layers and untrained networks as expected")


def test_real_data_need_no_advice_to_take_real_data(tmp_path: Path, page: Path) -> None:
    write_tables(tmp_path / "tables", label="")
    *_, follows = outcome(tmp_path / "tables", page, 900.0, 1121.0).splitlines()
    assert "real data" not in follows
    assert "phasebench status" in follows


def test_a_start_that_wrote_no_page_has_nothing_to_say(tmp_path: Path, page: Path) -> None:
    assert outcome(tmp_path / "tables", page, 1000.5, 1121.0) == ""
    assert outcome(tmp_path / "tables", tmp_path / "none.html", 0.0, 1121.0) == ""


def test_tables_that_are_gone_are_named(tmp_path: Path, page: Path) -> None:
    with pytest.raises(PhasebenchError, match=r"benchmark\.parquet"):
        outcome(tmp_path / "tables", page, 900.0, 1121.0)
