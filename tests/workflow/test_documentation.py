"""The documentation says what is true: links, paths, names of tests, examples and numbers."""

import ast
import csv
import dataclasses
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from support.checkout import ROOT

from phasebench.claims.files import read_claims
from phasebench.codehash.closure import SourceTree
from phasebench.models.registry import ModelEntry
from phasebench.plan.plan import BenchmarkPlan, load_plan

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "reports/README.md")), *PAGES]
EXTENDING = sorted((DOCS / "extending").glob("*.md"))
SUITES = sorted(path.stem for path in (ROOT / "workflow/suites").glob("*.yaml"))
PACKAGE = ROOT / "src" / "phasebench"

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TOP = "src|workflow|tests|docs|envs|profiles|benchmarks|executor"
# A path of the repository in code font; what has a placeholder names no file.
PATH = re.compile(rf"`((?:{TOP})/[\w./-]*?/?)(?:::(\w+))?`")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> str:
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def examples(path: Path, language: str) -> Iterator[str]:
    return (code for found, code in FENCE.findall(path.read_text(encoding="utf-8")) if found == language)


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shipped_plan(scale: str) -> BenchmarkPlan:
    settings = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return load_plan({**settings, "scale": scale}, ROOT, SourceTree(PACKAGE))


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for link in LINK.findall(prose(path)):
        if not link.startswith(("http://", "https://")):
            file, _, anchor = link.partition("#")
            target = path.parent / file if file else path
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_paths_and_tests_that_are_named_exist(path: Path) -> None:
    # Of the changelog, older releases name what was there then.
    for file, test in PATH.findall(prose(path)) if path.name != "CHANGELOG.md" else ():
        assert (ROOT / file).exists(), file
        assert not test or f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"


def test_the_site_has_every_page() -> None:
    navigation = re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(navigation) == [path.relative_to(DOCS).as_posix() for path in PAGES]


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    # A link to a file of the repository that is no page is named.
    assert "<code>workflow/suites/phase_matters.yaml</code>" in (tmp_path / "studies/phase_matters.html").read_text()


def test_every_study_has_a_page() -> None:
    assert sorted(path.stem for path in (DOCS / "studies").glob("*.md")) == SUITES
    for suite in SUITES:
        text = prose(DOCS / "studies" / f"{suite}.md")
        content = yaml.safe_load((ROOT / f"workflow/suites/{suite}.yaml").read_text(encoding="utf-8"))
        assert [name for name in content["experiments"] if f"`{name}`" not in text] == []
        assert f"](docs/studies/{suite}.md)" in prose(ROOT / "README.md")


@pytest.mark.parametrize("suite", SUITES)
def test_the_inventory_of_a_study_has_all_of_its_claims_and_no_other(suite: str) -> None:
    text = prose(DOCS / "studies" / f"{suite}.md")
    lines = text[text.index("## Inventory") :].splitlines()
    head, rows = lines.index("| statement | where | measured by | claims |"), []
    for line in lines[head + 2 :]:
        statement, where, measured, claims = (cell.strip() for cell in line.strip("|").split("|"))
        assert statement
        assert where
        assert measured
        # What is not here says why, and has no claim.
        assert "not here:" not in measured or claims == "-", line
        rows += re.findall(r"`(\w+)`", claims)
    known = {
        claim.id
        for study in read_claims(ROOT, shipped_plan("demo").suites)
        for claim in study.claims
        if study.suite == suite
    }
    assert set(rows) == known


@pytest.mark.parametrize("path", EXTENDING, ids=name_of)
def test_pages_on_extending_end_in_their_files_and_tests(path: Path) -> None:
    text = prose(path)
    table = text[text.index("## Files") :].strip().splitlines()[2:]
    assert table[0] == "| file | content | fails without it |"
    assert all(line.startswith("|") for line in table)
    assert any(test for _, test in PATH.findall("\n".join(table)))
    assert f"](docs/extending/{path.name})" in prose(ROOT / "README.md")


@pytest.mark.parametrize(
    "path", [path for path in [ROOT / "README.md", *PAGES] if any(examples(path, "python"))], ids=name_of
)
def test_examples_in_python_run(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for code in examples(path, "python"):
        exec(compile(code, str(path), "exec"), {"__name__": path.stem})
        # A comment behind a call of print says what it prints.
        expected = [line.rpartition("  # ")[2] for line in code.splitlines() if line.startswith("print(")]
        assert capsys.readouterr().out.splitlines() == expected
    assert torch.get_default_dtype() == torch.float32


def test_every_field_of_a_models_line_is_described() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", prose(DOCS / "extending/model.md"), re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"\w+", row)}
    assert {field.name for field in dataclasses.fields(ModelEntry)} <= described


def test_the_readme_fits_on_a_few_screens() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_the_readme_counts_claims_and_published_numbers() -> None:
    published: Counter[str] = Counter()
    for path in (ROOT / "workflow/published").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            published.update(row["suite"] for row in csv.DictReader(file))
    claims = {study.suite: len(study.claims) for study in read_claims(ROOT, shipped_plan("demo").suites)}
    row = r"^\| \[.*?\]\(docs/studies/(\w+)\.md\)[^|]*\|[^|]*\| (\d+) \| (\d+) \|"
    rows = re.findall(row, prose(ROOT / "README.md"), re.MULTILINE)
    assert {suite: (int(a), int(b)) for suite, a, b in rows} == {
        suite: (claims[suite], published[suite]) for suite in SUITES
    }


@pytest.mark.parametrize("scale", sorted(path.stem for path in (ROOT / "workflow/scales").glob("*.yaml")))
def test_the_readme_counts_the_runs_of_every_scale(scale: str) -> None:
    assert f"\n| `{scale}` | {len(shipped_plan(scale).runs):,} |" in prose(ROOT / "README.md")


def test_the_quick_start_counts_the_jobs_of_the_demo() -> None:
    plan, text = shipped_plan("demo"), prose(DOCS / "quickstart.md")
    assert f"| prepare the embedded data | {len(plan.datasets)} data sets |" in text
    assert f"| train | {len(plan.runs)} |" in text
    evaluate = f"{len(plan.evaluated_runs)}, one a run, with {len(plan.evaluations)} evaluations"
    assert f"| evaluate the trained networks | {evaluate} |" in text
    assert f"| analyse runs together | {len(plan.analyses)} |" in text
    assert f"| time training steps | {len(plan.overheads)} |" in text
    assert f"| measure properties without data | {len(plan.properties)}, one a study |" in text


def test_the_targets_of_make_are_those_of_the_makefile() -> None:
    # Those of a name such as test-local are parts of another target.
    targets = set(re.findall(r"^(?!test-)([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^\| `make ([\w-]+)` \|", prose(ROOT / "CONTRIBUTING.md"), re.MULTILINE)) == targets


def test_the_floors_are_those_of_the_packages() -> None:
    floors = re.findall(r"^\| (\d+) \| `(\w+)` \|", prose(DOCS / "architecture.md"), re.MULTILINE)
    floor_of = {package: int(floor) for floor, package in floors}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert floor_of.keys() == packages
    imported = {
        (own, other)
        for own in packages
        for path in (PACKAGE / own).rglob("*.py")
        for other in re.findall(r"^\s*(?:from|import) phasebench\.(\w+)", path.read_text(encoding="utf-8"), re.M)
    }
    assert len(imported) > len(packages)
    assert [(own, other) for own, other in imported if own != other and floor_of[own] <= floor_of[other]] == []


def test_the_place_of_every_fact_exists() -> None:
    text = prose(DOCS / "architecture.md")
    rows = text[text.index("## One fact, one place") :].split("\n\n")[1].splitlines()[2:]
    assert len(rows) > 5
    for row in rows:
        _, _, place, _ = row.split("|")
        named = [name for name in re.findall(r"`([\w/.]+\.py)`", place) if name != "registry.py"]
        assert named or "`workflow/suites/<name>.yaml`" in place, row
        assert [name for name in named if not (PACKAGE / name).is_file()] == []


@pytest.mark.parametrize("table", ["_BLIND_DECORATORS", "_HARMLESS_DECORATORS"])
def test_the_allow_lists_of_the_hasher_are_documented(table: str) -> None:
    row = next(line for line in prose(DOCS / "reproducibility.md").splitlines() if f"`{table}` in " in line)
    _, place, _, entries, _ = row.split("|")
    module = re.search(r"in `([\w/.]+)`", place)
    assert module is not None
    tree = ast.parse((PACKAGE / module[1]).read_text(encoding="utf-8"))
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == table
    )
    names = {node.value for node in ast.walk(value) if isinstance(node, ast.Constant)}
    assert set(re.findall(r"`([\w.]+)`", entries)) == names
