import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support.synthetic_tables import SUITE, write_tables

from phasebench.reporting.page.build import build_report
from phasebench.reporting.tables.verdicts import study_frame, study_verdicts
from phasebench.tables.read import ReportTables, read_tables

PROSE = ("text", "mark", "direction", "where", "published", "reason", "detail", "paper_agrees", "threshold")


def _write(folder: Path) -> dict[str, pd.DataFrame]:
    return write_tables(
        folder, images=(("cifar10", None, "lab"),), mstar_fractions=(), without_history=True, with_studies=True
    )


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> ReportTables:
    folder = tmp_path_factory.mktemp("verdicts")
    _write(folder)
    return read_tables(folder)


def _built(folder: Path, claims: pd.DataFrame) -> str:
    """The page of runs without figures."""
    frames = _write(folder / "tables")
    for name in ("items", "analyses"):
        frames[name].iloc[:0].to_parquet(folder / "tables" / f"{name}.parquet")
    frames["metrics"].query("metric == 'test_accuracy'").to_parquet(folder / "tables" / "metrics.parquet")
    claims.to_parquet(folder / "tables" / "claims.parquet")
    build_report(folder / "tables", folder / "report", folder / "logs")
    return (folder / "report" / "benchmark.html").read_text(encoding="utf-8")


def _claims(folder: Path) -> pd.DataFrame:
    return _write(folder / "claims")["claims"]


def test_counts(tables: ReportTables) -> None:
    (study,) = study_verdicts(tables)
    assert [(word, number) for word, _, _, number in study.counts] == [
        ("reproduced", 1),
        ("not reproduced", 1),
        ("open", 1),
        ("by construction", 2),
        ("not tested", 2),
    ]
    assert study.contradicted == 1
    assert (study.name, study.slug) == ("Co-domain symmetry", f"{SUITE}-claims")


def test_verdicts_differ_in_more_than_colour(tables: ReportTables) -> None:
    (study,) = study_verdicts(tables)
    assert len({mark for _, mark, _, _ in study.counts}) == 5
    assert len({css_class for _, _, css_class, _ in study.counts}) == 5


def test_values_in_their_units(tables: ReportTables) -> None:
    (study,) = study_verdicts(tables)
    rows = {row.claim: row for row in reversed(study.rows)}
    margin = rows["margin_lab"]
    assert (margin.measured, margin.spread, margin.sign) == ("3.12", "0.40", "points")
    assert margin.basis == "2.13 to 3.61, n = 3"
    ratio = rows["parameters"]
    assert (ratio.measured, ratio.spread, ratio.sign, ratio.basis) == ("0.448", "", "", "n = 1")
    assert (rows["classes"].measured, rows["classes"].sign) == ("8", "")
    assert replace(rows["classes"], mean=8.25).measured == "8.250"
    assert (rows["lowest_error"].measured, rows["lowest_error"].n) == ("", 0)
    assert replace(margin, unit="percent", mean=-0.051).measured == "\N{MINUS SIGN}5.10"
    assert replace(margin, unit="percent").sign == "%"


def test_sorting_puts_what_is_reproduced_first(tables: ReportTables) -> None:
    (study,) = study_verdicts(tables)
    ordered = sorted(study.rows, key=lambda row: float(row.order), reverse=True)
    marks = ["reproduced", "not reproduced", "open", *["by construction"] * 2, *["not tested"] * 2]
    assert [row.mark for row in ordered] == marks


def test_a_study_for_each_suite(tables: ReportTables) -> None:
    other = tables.claims.iloc[:2].assign(suite="phase_matters")
    both = replace(tables, claims=pd.concat([tables.claims, other], ignore_index=True))
    studies = study_verdicts(both)
    assert [(study.suite, len(study.rows)) for study in studies] == [(SUITE, 7), ("phase_matters", 2)]
    assert list(study_frame(both, studies[1])["claim"]) == list(other["claim"])


def test_the_page(tmp_path: Path) -> None:
    claims = _claims(tmp_path)
    text = _built(tmp_path, claims)
    head = text[: text.index('<section id="summary">')]
    assert re.findall(r'<b>(\d+)</b> <span class="verdict (\w+)">', head) == [
        *(("1", css_class) for css_class in ("yes", "no", "open")),
        *(("2", css_class) for css_class in ("property", "untested")),
    ]
    assert f'<a href="#{SUITE}-claims">' in head
    rows = re.findall(rf'<tr id="claim-{SUITE}-claims-\d".*?</tr>', text, re.DOTALL)
    assert len(rows) == len(claims)
    for row, claim in zip(rows, claims.to_dict("records"), strict=True):
        words = " ".join(re.sub(r"<[^>]*>", " ", row).split())
        for part in PROSE:
            shown = claim[part].replace("cifar10", "CIFAR-10").replace("lab", "LAB")
            assert shown.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}") in words
        assert ("not measured" in words) == (claim["n"] == 0)
    # The number of values leads to the first of the runs that they come from.
    target = re.search(r'href="#(run-\d+)"', rows[1])
    assert target
    first = claims["runs"].iloc[1].split()[0]
    assert f'<tr id="{target[1]}" title="{first}">' in text


def test_the_file_has_the_claims_as_they_came(tmp_path: Path) -> None:
    claims = _claims(tmp_path)
    _built(tmp_path, claims)
    written = pd.read_csv(tmp_path / "report" / "tables" / f"{SUITE}-claims.csv")
    assert list(written["scale"].unique()) == ["demo"]
    for column in ("claim", "mean", "low", "high", "n", "mark"):
        pd.testing.assert_series_equal(written[column], claims[column], check_dtype=False)


def test_without_claims_there_is_no_such_section(tmp_path: Path) -> None:
    text = _built(tmp_path / "empty", _claims(tmp_path).iloc[:0])
    assert 'id="claims"' not in text
    assert 'class="verdicts"' not in text


def test_models_and_data_have_their_readers_names(tables: ReportTables) -> None:
    detail = "shown: svhn lab cifarnet_type_e against cifarnet_real; other data: colour_shapes stands in for cifar10"
    runs = tables.runs.assign(dataset="colour_shapes", stands_in_for="svhn")
    claims = tables.claims.iloc[:1].assign(detail=detail, mean=-1041.0, unit="count")
    (study,) = study_verdicts(replace(tables, claims=claims, runs=runs))
    (row,) = study.rows
    assert row.detail == "shown: SVHN LAB CDS Type-E against Real CNN; other data: Colour shapes stands in for CIFAR-10"
    assert row.measured == "\N{MINUS SIGN}1,041"
