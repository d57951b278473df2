import math
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support.checkout import ROOT
from support.synthetic_tables import SUITE, write_tables

from phasebench.reporting.page.build import build_report
from phasebench.reporting.tables.verdicts import StudyVerdicts, extremes, strongest, study_frame, study_verdicts
from phasebench.tables.read import ReportTables, read_tables

MARKS_TEMPLATE = ROOT / "src/phasebench/reporting/templates/marks.html.j2"


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


def _study(tables: ReportTables) -> StudyVerdicts:
    return study_verdicts(tables)[SUITE]


def test_counts(tables: ReportTables) -> None:
    study = _study(tables)
    assert {counted.mark: counted.number for counted in study.counts} == {
        "reproduced": 1,
        "not reproduced": 1,
        "open": 1,
        "by construction": 2,
        "not tested": 2,
    }
    assert [(counted.mark, counted.number) for counted in study.directions] == [
        ("points the same way", 1),
        ("points the other way", 0),
    ]
    assert study.contradicted == 1
    assert (study.name, study.slug) == ("Co-domain symmetry", f"{SUITE}-claims")


def test_verdicts_differ_in_more_than_colour(tables: ReportTables) -> None:
    study = _study(tables)
    shapes = [counted.shape for counted in (*study.counts, *study.directions)]
    assert len(set(shapes)) == 7
    # Each has a symbol of its own, with an outline of its own.
    symbols = dict(re.findall(r'<symbol id="mark-(\w+)"[^>]*>(.*?)</symbol>', MARKS_TEMPLATE.read_text("utf-8")))
    assert set(symbols) == set(shapes)
    assert len(set(symbols.values())) == 7


def test_values_in_their_units(tables: ReportTables) -> None:
    rows = {row.claim: row for row in reversed(_study(tables).rows)}
    margin = rows["margin_lab"]
    assert (margin.measured, margin.interval) == ("3.12 ± 0.40 points", "2.13 to 3.61")
    assert (rows["parameters"].measured, rows["parameters"].interval) == ("0.448", "")
    assert rows["classes"].measured == "8"
    assert replace(rows["classes"], mean=8.25).measured == "8.250"
    assert (rows["lowest_error"].measured, rows["lowest_error"].n) == ("", 0)
    negative = replace(margin, unit="percent", mean=-0.051, std=math.nan)
    assert negative.measured == "\N{MINUS SIGN}5.10 %"


def test_what_says_most_stands_first(tables: ReportTables) -> None:
    study = _study(tables)
    marks = ["reproduced", "not reproduced", "open", *["by construction"] * 2, *["not tested"] * 2]
    assert [row.mark for row in study.rows] == marks
    assert [row.direction for row in study.rows][-2:] == ["points the same way", ""]


def test_both_parts_of_a_claim_stand_together(tables: ReportTables) -> None:
    study = _study(tables)
    parts = {claim.first.claim: [row.part for row in claim.parts] for claim in study.decided}
    assert parts["margin_lab"] == ["direction", "size"]
    assert [claim.first.claim for claim in study.folded] == ["stand_in", "lowest_error"]


def test_claims_of_an_experiment(tables: ReportTables) -> None:
    assert [row.claim for row in _study(tables).of("table_2").rows] == ["parameters", "lowest_error"]


def test_the_strongest_are_farthest_from_their_bound_in_half_widths(tables: ReportTables) -> None:
    row = next(row for row in _study(tables).rows if row.part == "direction")
    assert row.strength == pytest.approx(0.0312 / 0.0074)
    assert replace(row, threshold="at least 4 points").strength == pytest.approx(0.0088 / 0.0074)
    assert math.isnan(replace(row, low=math.nan, high=math.nan).strength)
    near, far = replace(row, claim="near", mean=0.01), replace(row, claim="far", mean=0.5)
    unknown, built = replace(row, claim="unknown", low=math.nan), replace(row, kind="property", mean=0.9)
    chosen = strongest([near, unknown, far, built, replace(far, mark="open")], "reproduced", 3)
    assert [one.claim for one in chosen] == ["far", "near", "unknown"]


def test_where_nothing_was_decided_the_directions_stand_for_it(tables: ReportTables) -> None:
    rows = _study(tables).rows
    assert [(heading, [row.mark for row in chosen]) for heading, chosen in extremes(rows, 3)] == [
        ("Strongest agreements", ["reproduced"]),
        ("Strongest disagreements", ["not reproduced"]),
    ]
    undecided = [row for row in rows if row.mark not in ("reproduced", "not reproduced")]
    ((heading, chosen),) = extremes(undecided, 3)
    assert heading == "Not tested, but points the same way"
    assert [row.claim for row in chosen] == ["stand_in"]
    assert extremes([row for row in undecided if not row.direction], 3) == []


def test_a_study_for_each_suite(tables: ReportTables) -> None:
    other = tables.claims.iloc[:2].assign(suite="phase_matters")
    both = replace(tables, claims=pd.concat([tables.claims, other], ignore_index=True))
    studies = study_verdicts(both)
    assert {suite: len(study.rows) for suite, study in studies.items()} == {SUITE: 7, "phase_matters": 2}
    assert list(study_frame(both, studies["phase_matters"])["claim"]) == list(other["claim"])


def test_the_page(tmp_path: Path) -> None:
    claims = _claims(tmp_path)
    text = _built(tmp_path, claims)
    parts = dict(re.findall(r'<div class="part" id="(claim-[\w-]+)">(.*?)</div>', text, re.DOTALL))
    assert len(parts) == len(claims)
    for claim in claims.to_dict("records"):
        anchor = "-".join(filter(None, ["claim", SUITE, claim["claim"], claim["part"]]))
        words = " ".join(re.sub(r"<[^>]*>", " ", parts[anchor]).split())
        for part in ("mark", "threshold", "reason", "detail", "direction"):
            shown = re.sub(r"\bcifar10\b", "CIFAR-10", claim[part]).replace(" lab", " LAB")
            assert shown.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}") in words
        assert ("measured" in words) == (claim["n"] > 0)
        # One mark of the strip on the first screen leads there.
        strip = text[text.index('<p class="strip"') : text.index("</header>")]
        assert strip.count(f'<a href="#{anchor}"') >= 1
    # Claims stand in the section of the table that they are about.
    section = text[text.index(f'<section id="{SUITE}-table_2"') :]
    assert f'id="claim-{SUITE}-parameters"' in section[: section.index("</section>")]
    # The number of values leads to the first of the runs that they come from.
    target = re.search(r'href="#(run-\d+)"', parts[f"claim-{SUITE}-margin_lab-direction"])
    assert target
    first = claims["runs"].iloc[1].split()[0]
    assert f'<tr id="{target[1]}" title="{first}">' in text


def test_claims_of_unknown_experiments_are_not_lost(tmp_path: Path) -> None:
    text = _built(tmp_path, _claims(tmp_path).assign(experiment="elsewhere"))
    further = text[text.index("<h3>Further claims</h3>") :]
    assert further.count('<div class="part"') == 7


def test_what_was_not_tested_is_one_folded_line(tmp_path: Path) -> None:
    text = _built(tmp_path, _claims(tmp_path))
    (fold,) = re.findall(r'<details class="untested">\s*<summary>(\d of .*?)</summary>', text)
    assert fold == "2 of 7 claims were not tested: 1 stand-in data, 1 not run"


def test_the_file_has_the_claims_as_they_came(tmp_path: Path) -> None:
    claims = _claims(tmp_path)
    _built(tmp_path, claims)
    written = pd.read_csv(tmp_path / "report" / "tables" / f"{SUITE}-claims.csv")
    assert list(written["scale"].unique()) == ["demo"]
    for column in ("claim", "mean", "low", "high", "n", "mark"):
        pd.testing.assert_series_equal(written[column], claims[column], check_dtype=False)


def test_without_claims_there_is_no_such_section(tmp_path: Path) -> None:
    text = _built(tmp_path / "empty", _claims(tmp_path).iloc[:0])
    assert 'class="strip"' not in text
    assert 'class="tally"' not in text


def test_models_and_data_have_their_readers_names(tables: ReportTables) -> None:
    detail = "shown: svhn lab cifarnet_type_e against cifarnet_real; other data: colour_shapes stands in for cifar10"
    runs = tables.runs.assign(dataset="colour_shapes", stands_in_for="svhn")
    claims = tables.claims.iloc[:1].assign(detail=detail, mean=-1041.0, std=math.nan, unit="count")
    (row,) = _study(replace(tables, claims=claims, runs=runs)).rows
    assert row.detail == "shown: SVHN LAB CDS Type-E against Real CNN; other data: Colour shapes stands in for CIFAR-10"
    assert row.measured == "\N{MINUS SIGN}1,041"
