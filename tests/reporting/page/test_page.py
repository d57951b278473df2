import base64
import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pandas as pd
import pytest
from scipy.stats import t as student_t
from support.checkout import ROOT
from support.page import Page
from support.reports import build_without_figures
from support.synthetic_tables import CIFARNET, LABELS, SUITE, write_tables

from phasebench.common.errors import PhasebenchError
from phasebench.reporting.page.build import build_report

HOSTILE = "=<script>alert('x')</script>&\"$a$"


def _build(folder: Path, **options: object) -> tuple[dict[str, pd.DataFrame], Path]:
    frames = write_tables(folder / "tables", **options)  # type: ignore[arg-type]
    build_report(folder / "tables", folder / "report", folder / "logs")
    return frames, folder / "report"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, pd.DataFrame], Path]:
    return _build(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every text that a table can bring is markup."""
    folder = tmp_path_factory.mktemp("hostile")
    labels = {model: (f"{HOSTILE}{model}", count) for model, (_, count) in LABELS.items()}
    frames = write_tables(
        folder / "tables",
        label=HOSTILE,
        labels=labels,
        images=((HOSTILE, "cifar10", "lab"),),
        seeds=(0, 1),
        with_studies=True,
    )
    frames["benchmark"].assign(description=HOSTILE).to_parquet(folder / "tables" / "benchmark.parquet")
    named = {"device": HOSTILE, "git_commit": HOSTILE, "digest": HOSTILE, "finished_at": HOSTILE, "torch": HOSTILE}
    named |= {name: json.dumps({HOSTILE: HOSTILE}) for name in ("settings", "environment")}
    frames["runs"].assign(**named).to_parquet(folder / "tables" / "runs.parquet")
    items, analyses = (frames[name].assign(item=HOSTILE + frames[name]["item"]) for name in ("items", "analyses"))
    # One image will do.
    items = items[~items["item"].str.contains(r"image[1-9]")]
    items.to_parquet(folder / "tables" / "items.parquet")
    analyses.to_parquet(folder / "tables" / "analyses.parquet")
    quoted = {"text": HOSTILE, "where": HOSTILE, "published": HOSTILE, "reason": HOSTILE, "detail": HOSTILE}
    quoted |= {"unit": HOSTILE, "threshold": HOSTILE, "suite": HOSTILE, "claim": HOSTILE, "experiment": HOSTILE}
    frames["claims"].assign(**quoted).to_parquet(folder / "tables" / "claims.parquet")
    build_report(folder / "tables", folder / "report", folder / "logs")
    return folder / "report"


def test_two_processes_draw_the_same(demo: tuple[dict[str, pd.DataFrame], Path]) -> None:
    folder, again = demo[1].parent, demo[1].parent / "report_again"
    build_report(folder / "tables", again, folder / "logs", processes=2)
    contents = [
        {str(path.relative_to(report)): path.read_bytes() for path in report.rglob("*") if path.is_file()}
        for report in (demo[1], again)
    ]
    assert any(name.endswith(".svg") for name in contents[0])
    assert contents[0] == contents[1]


def _pages(report: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(report.rglob("*.html"))}


def test_the_files(demo: tuple[dict[str, pd.DataFrame], Path]) -> None:
    names = {str(path.relative_to(demo[1])) for path in demo[1].rglob("*") if path.is_file()}
    stems = [f"{SUITE}-{table}-{kind}" for table in ("table_1", "table_2") for kind in ("accuracy", "rotation")]
    stems += [f"{SUITE}-table_1-comparisons", f"{SUITE}-table_3-accuracy", f"{SUITE}-cost"]
    figures = [f"{SUITE}-{table}-{kind}" for table in ("table_1", "table_2") for kind in ("training", "rotation")]
    figures.append(f"{SUITE}-cost")
    assert names == {
        "benchmark.html",
        *(f"figures/{stem}.svg" for stem in figures),
        *(f"tables/{stem}.{kind}" for stem in [*stems, "runs", "settings", "environments"] for kind in ("csv", "html")),
        *(f"tables/{stem}-data.csv" for stem in figures),
    }


def test_nothing_is_fetched(demo: tuple[dict[str, pd.DataFrame], Path]) -> None:
    for name, text in _pages(demo[1]).items():
        page = Page(text)
        assert page.attributes("src") == []
        assert not {tag for tag, _ in page.elements} & {"link", "iframe", "object", "embed", "base", "img", "image"}
        for target in page.attributes("href") + page.attributes("xlink:href"):
            beside = r"#|data:text/csv;|(tables|figures)/[\w-]+\.(csv|html|svg)$"
            of_results = r"(\.\./)+(runs|logs/train|tables|[\w/.-]*docs/studies)/[\w/.-]+$"
            assert re.match(f"{beside}|{of_results}", target), (name, target)
        assert not re.search(r"@import|url\((?!#)", text)
        policy = page.attributes("content")
        assert any(value.startswith("default-src 'none'") for value in policy)


def test_links_lead_somewhere_and_ids_are_unique(demo: tuple[dict[str, pd.DataFrame], Path]) -> None:
    page = Page((demo[1] / "benchmark.html").read_text(encoding="utf-8"))
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    targets = page.attributes("href")
    assert {unquote(target[1:]) for target in targets if target.startswith("#")} <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", " ".join(page.attributes("clip-path")))) <= set(ids)
    for target in targets:
        # Of the results, the aggregated tables alone are there.
        assert target.startswith(("#", "data:", "../runs/", "../logs/")) or (demo[1] / target).is_file()
    tables = {(demo[1] / target).resolve() for target in targets if target.endswith(".parquet")}
    assert tables == set((demo[1].parent / "tables").resolve().iterdir())
    for names in page.attributes("aria-labelledby"):
        assert set(names.split()) <= set(ids)


def test_sections_lead_to_the_deviations_from_their_study(demo: tuple[dict[str, pd.DataFrame], Path]) -> None:
    links = re.findall(
        r'<a href="([^"]+)">Deviations from the study</a>', (demo[1] / "benchmark.html").read_text(encoding="utf-8")
    )
    assert links
    assert {(demo[1] / link).resolve() for link in links} <= {*(ROOT / "docs/studies").glob("*.md")}


def test_embedded_data_are_the_files(demo: tuple[dict[str, pd.DataFrame], Path]) -> None:
    page = Page((demo[1] / "benchmark.html").read_text(encoding="utf-8"))
    embedded = [attrs for tag, attrs in page.elements if tag == "a" and "download" in attrs]
    assert len(embedded) == 10
    for attrs in embedded:
        content = base64.b64decode(str(attrs["href"]).partition("base64,")[2])
        assert content == (demo[1] / "tables" / str(attrs["download"])).read_bytes()


def test_numbers_of_the_page(demo: tuple[dict[str, pd.DataFrame], Path]) -> None:
    frames, report = demo
    rows = {row[0].strip(): row for row in Page((report / "benchmark.html").read_text(encoding="utf-8")).rows}
    runs = frames["runs"].query("experiment == 'table_1' and dataset == 'svhn'")
    published = frames["published"].query("dataset == 'svhn' and encoding == 'rgb' and metric == 'test_accuracy'")
    printed = published.set_index("model")["value"]
    for model in CIFARNET:
        values = 100 * runs.query("model == @model")["test_accuracy"]
        half = student_t.ppf(0.975, len(values) - 1) * values.std() / len(values) ** 0.5
        difference = values.mean() - 100 * printed[model]
        words = " ".join(rows[LABELS[model][0]][2 + 6].split())
        assert words.startswith(f"{values.mean():.2f} ± {values.std():.2f} ")
        assert f" {100 * printed[model]:.2f} our mean, 95 % interval" in words
        assert f"interval {values.mean() - half:.2f} to {values.mean() + half:.2f} ours less published" in words
        assert f"points {difference:+.2f} ".replace("-", "\N{MINUS SIGN}") in words
        assert words.endswith("published in Table 1 3 seeds")
    assert rows["CIFARnet DCN"][2].split() == ["not", "run", "65.17"]


def test_intervals_stand_in_the_tables_of_measurements(demo: tuple[dict[str, pd.DataFrame], Path]) -> None:
    frames, report = demo
    page = Page((report / "tables" / f"{SUITE}-table_1-rotation.html").read_text(encoding="utf-8"))
    (row,) = (row for row in page.rows if row[:2] == ["SVHN, RGB", LABELS["cifarnet_real"][0]])
    chosen = "model == 'cifarnet_real' and dataset == 'svhn' and metric == 'rotation_accuracy' and condition == 0"
    values = 100 * frames["metrics"].query(chosen)["value"]
    half = student_t.ppf(0.975, len(values) - 1) * values.std() / len(values) ** 0.5
    assert row[2].endswith(f"{values.mean() - half:.2f} to {values.mean() + half:.2f}")
    assert not any("interval" in title for title in page.attributes("title"))


def test_a_cell_whose_runs_all_diverged_has_no_number(tmp_path: Path) -> None:
    frames = write_tables(tmp_path / "tables", images=(("svhn", None, "rgb"),), mstar_fractions=())
    runs = frames["runs"]
    lost = (runs["model"] == "cifarnet_real") | (runs["run"] == runs["run"][0])
    runs.assign(diverged_at=runs["steps"].where(lost)).to_parquet(tmp_path / "tables/runs.parquet")
    build_without_figures(tmp_path / "tables", tmp_path / "report", tmp_path / "logs")
    page = Page((tmp_path / "report/benchmark.html").read_text(encoding="utf-8"))
    rows = {row[0].strip(): row[2 + 6].split() for row in page.rows if len(row) == 2 + 9}
    assert " ".join(rows[LABELS["cifarnet_real"][0]]) == "diverged 87.47 published in Table 1 3 diverged"
    assert rows[LABELS["cifarnet_type_i"][0]][-6:] == ["2", "of", "3", "seeds", "1", "diverged"]
    listed = [(attrs["data-runs"] or "").split() for tag, attrs in page.elements if tag == "a" and "data-runs" in attrs]
    assert sorted(map(len, listed[:4])) == [1, 2, 3, 3]
    text = (tmp_path / "report/benchmark.html").read_text(encoding="utf-8")
    assert "Trainings that diverged are left out of means, intervals, bold type and tests: CDS Type-I, seed 0," in text


def test_runs_and_provenance(demo: tuple[dict[str, pd.DataFrame], Path]) -> None:
    frames, report = demo
    page = Page((report / "benchmark.html").read_text(encoding="utf-8"))
    rows = [row for row in page.rows if len(row) == 15 and row[0] in ("Table 1", "Table 2")]
    assert len(rows) == len(frames["runs"])
    assert sorted(row[6] for row in rows) == sorted(f"{100 * value:.2f}" for value in frames["runs"]["test_accuracy"])
    assert {tuple(row[10:]) for row in rows} == {("1", "1", "cpu", "0123456789", "feedbeeffe log")}
    digests = {row[0]: row[2] for row in page.rows if row[0].endswith(".parquet")}
    folder = report.parent / "tables"
    assert digests == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_runs_on_images_in_shards_say_how_fast_they_were_decoded(tmp_path: Path) -> None:
    frames = write_tables(tmp_path / "tables", seeds=(0,))
    runs = frames["runs"].astype({"decoded_images_per_second": "float64", "wait_seconds": "float64"})
    runs.loc[0, ["decoded_images_per_second", "wait_seconds"]] = (4321.0, 75.0)
    runs.to_parquet(tmp_path / "tables" / "runs.parquet")
    build_without_figures(tmp_path / "tables", tmp_path / "report", tmp_path / "logs")
    page = Page((tmp_path / "report" / "benchmark.html").read_text(encoding="utf-8"))
    (header,) = [row for row in page.rows if "Wall time" in row]
    assert header[10:12] == ["Decoded/s", "Waiting"]
    rows = [tuple(row[10:12]) for row in page.rows if len(row) == len(header) == 17 and row != header]
    assert len(rows) == len(runs)
    assert rows.count(("4,321", "1 min 15 s")) == 1
    assert len(set(rows)) == 2


def test_settings_and_environments_stand_once_with_all_their_runs(
    demo: tuple[dict[str, pd.DataFrame], Path], tmp_path: Path
) -> None:
    frames, report = demo
    assert len(pd.read_csv(report / "tables/settings.csv")["number"].unique()) == 1
    runs = frames["runs"].copy()
    other = json.dumps({"optimizer": "sgd", "schedule": [[0, 0.1], [5, 0.01]], "nesterov": True, "options": {"a_b": 2}})
    runs.loc[runs["model"] == "mstar_cds", "settings"] = other
    runs.loc[0, "device"] = "NVIDIA H200"
    folder = tmp_path / "tables"
    for name, frame in (frames | {"runs": runs}).items():
        folder.mkdir(exist_ok=True)
        frame.to_parquet(folder / f"{name}.parquet")
    build_without_figures(folder, tmp_path / "report", tmp_path / "logs")
    settings = pd.read_csv(tmp_path / "report/tables/settings.csv").query("number == 2").set_index("name")["value"]
    assert settings.to_dict() == {
        "optimizer": "sgd",
        "schedule": "0/0.1, 5/0.01",
        "nesterov": "yes",
        "options": "a b 2",
    }
    table = pd.read_csv(tmp_path / "report/tables/runs.csv")
    assert sorted(table.query("settings == 2")["run"]) == sorted(runs.query("model == 'mstar_cds'")["run"])
    environments = table.set_index("run")["environment"]
    assert list(environments[environments == environments[runs["run"][0]]].index) == [runs["run"][0]]
    text = (tmp_path / "report/benchmark.html").read_text(encoding="utf-8")
    assert f'href="../runs/{runs["run"][0]}/run.json"' in text
    assert f'href="../logs/train/{runs["run"][0]}.log"' in text
    seconds = runs["wall_seconds"]
    gpu, core = seconds[0] / 3600, 2 * seconds[1:].sum() / 3600
    assert f"<dd>{gpu:.3g} GPU hours and {core:.3g} core hours; " in text


def test_settings_that_are_no_object_are_named(tmp_path: Path) -> None:
    frames = write_tables(tmp_path / "tables", seeds=(0,))
    frames["runs"].assign(settings="adamw").to_parquet(tmp_path / "tables/runs.parquet")
    with pytest.raises(PhasebenchError, match="settings: 'adamw' is not a JSON object; aggregate the results again"):
        build_report(tmp_path / "tables", tmp_path / "report", tmp_path / "logs")
    assert not (tmp_path / "report").exists()


def test_the_label_is_on_every_page_and_only_if_there_is_one(
    demo: tuple[dict[str, pd.DataFrame], Path], tmp_path: Path
) -> None:
    for text in _pages(demo[1]).values():
        assert '<div class="banner" role="note"><b>DEMO</b>' in text
    for path in (demo[1] / "figures").iterdir():
        assert ">DEMO</text>" in path.read_text(encoding="utf-8")
    _, report = _build(tmp_path, label="", images=(("svhn", None, "rgb"),), seeds=(0,), mstar_fractions=())
    for text in _pages(report).values():
        assert '<div class="banner"' not in text
        assert "DEMO" not in text
    for path in (report / "figures").iterdir():
        assert "DEMO" not in path.read_text(encoding="utf-8")
    assert "Stand-in data" not in (report / "benchmark.html").read_text(encoding="utf-8")


def test_stand_ins_are_named(demo: tuple[dict[str, pd.DataFrame], Path]) -> None:
    text = (demo[1] / "benchmark.html").read_text(encoding="utf-8")
    note = re.search(r"Stand-in data\..*?</p>", text, re.DOTALL)
    assert note
    assert " ".join(note[0].split()).startswith(
        "Stand-in data.</b> Substitutes stand in for the studies’ data sets: "  # noqa: RUF001
        "Colour shapes for CIFAR-10; Simulated MSTAR for MSTAR."
    )


def test_markup_in_the_data_stays_text(hostile: Path) -> None:
    for name, text in _pages(hostile).items():
        page = Page(text)
        assert sum(tag == "script" for tag, _ in page.elements) == 1, name
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text
        assert page.attributes("onclick") + page.attributes("onload") == []


def test_markup_in_figures_stays_text(hostile: Path) -> None:
    texts = []
    for path in sorted((hostile / "figures").iterdir()):
        root = ElementTree.parse(path).getroot()
        assert not [element for element in root.iter() if element.tag.endswith("script")]
        texts += [element.text for element in root.iter() if element.tag.endswith("}text")]
    # The dollar signs are as written: no formula was made of them.
    assert f"{HOSTILE}cifarnet_real" in texts


def test_no_cell_of_a_csv_file_is_a_formula(hostile: Path) -> None:
    cells = [cell for path in hostile.glob("tables/*.csv") for row in csv.reader(path.open(newline="")) for cell in row]
    assert any(cell.startswith("'=<script>") for cell in cells)
    assert [cell for cell in cells if re.match(r"[=+@\t\r]|-(?![\d.]|inf)", cell)] == []


def test_figures_can_be_told_by_a_screen_reader(demo: tuple[dict[str, pd.DataFrame], Path]) -> None:
    frames, report = demo
    text = (report / "benchmark.html").read_text(encoding="utf-8")
    described = re.findall(
        r'<svg xmlns="http://www.w3.org/2000/svg"[^>]*role="img"[^>]*>\s*<title [^>]*>([^<]*)<', text
    )
    # The study's picture, two panels of four figures, and the cost on three data sets.
    assert len(described) == 1 + 8 + 3
    assert described[1] == "Colour shapes, LAB: test accuracy (%) over phases rotated within ±r (degrees)"
    metrics = frames["metrics"].query("model == 'cifarnet_real' and dataset == 'colour_shapes'")
    ends = [100 * metrics.query("condition == @degrees")["value"].mean() for degrees in (0, 180)]
    assert f"Real CNN: test accuracy (%) {ends[0]:.3g} at 0, {ends[1]:.3g} at 180." in text


def test_figures_hold_the_measured_points(demo: tuple[dict[str, pd.DataFrame], Path]) -> None:
    frames, report = demo
    root = ElementTree.parse(report / "figures" / f"{SUITE}-table_1-rotation.svg").getroot()
    ticks = {}
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        if element.get("style", "").find("text-anchor: end") >= 0 and (element.text or "").isdigit():
            ticks.setdefault(int(element.text or ""), []).append(float(element.get("y", "nan")))
    # A straight axis: two ticks of a panel give the height of any accuracy. Their labels hang a little lower.
    low, high = ticks[0][0], ticks[100][0]
    marks = {float(mark.get("y", "nan")) for mark in root.iter("{http://www.w3.org/2000/svg}use")}
    offset = min(abs(mark - low) for mark in marks)
    values = frames["metrics"].query("model == 'cifarnet_real' and dataset == 'colour_shapes'").groupby("condition")
    expected = [low + (high - low) * mean - offset for mean in values["value"].mean()]
    lines = [
        [float(y) for _, y in re.findall(r"[ML] (\S+) (\S+)", path.get("d", ""))]
        for path in root.iter("{http://www.w3.org/2000/svg}path")
        if "stroke: #0173b2" in path.get("style", "")
    ]
    assert any(line == pytest.approx(expected, abs=0.01) for line in lines)


def test_without_histories_and_rotations_there_are_no_figures(tmp_path: Path) -> None:
    frames = write_tables(tmp_path / "tables", seeds=(0,), without_history=True)
    metrics = frames["metrics"].query("metric == 'test_accuracy'")
    metrics.to_parquet(tmp_path / "tables" / "metrics.parquet")
    build_report(tmp_path / "tables", tmp_path / "report", tmp_path / "logs")
    text = (tmp_path / "report" / "benchmark.html").read_text(encoding="utf-8")
    assert text.count("<figure>") == 1
    assert [path.name for path in (tmp_path / "report" / "figures").iterdir()] == [f"{SUITE}-cost.svg"]
    assert "not run" in text


def test_quantities_that_were_never_recorded_leave_their_axes_empty(tmp_path: Path) -> None:
    frames = write_tables(tmp_path / "tables", images=(("svhn", None, "rgb"),), mstar_fractions=(), seeds=(0,))
    frames["history"].assign(train_loss=float("nan")).to_parquet(tmp_path / "tables" / "history.parquet")
    build_report(tmp_path / "tables", tmp_path / "report", tmp_path / "logs")
    text = (tmp_path / "report" / "benchmark.html").read_text(encoding="utf-8")
    assert "validation accuracy (%)" in text
    assert "training loss nan" not in text


def test_without_any_run_the_page_says_so(tmp_path: Path) -> None:
    frames = write_tables(tmp_path / "tables")
    for name in ("runs", "metrics", "history"):
        frames[name].iloc[:0].to_parquet(tmp_path / "tables" / f"{name}.parquet")
    build_report(tmp_path / "tables", tmp_path / "report", tmp_path / "logs")
    text = (tmp_path / "report" / "benchmark.html").read_text(encoding="utf-8")
    assert "Published, but not run here: Table 1: CIFAR-10, CIFAR-100 and SVHN; Table 2: MSTAR" in text


def test_tables_do_not_need_matplotlib() -> None:
    code = (
        "import sys, phasebench.reporting.tables.rotation, phasebench.reporting.tables.verdicts\n"
        "import phasebench.reporting.page.page\n"
        "sys.exit('matplotlib' in sys.modules or 'torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
