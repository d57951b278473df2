"""The example in reports/example is what its README and its configuration say."""

import csv
import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from support.checkout import ROOT

from phasebench.codehash.closure import SourceTree
from phasebench.plan.plan import load_plan

EXAMPLE = ROOT / "reports/example"
MARKS = ("reproduced", "not reproduced", "open", "by construction", "not tested")
SUITES = sorted(path.stem for path in (ROOT / "workflow/suites").glob("*.yaml"))


def table(name: str) -> list[dict[str, str]]:
    with (EXAMPLE / f"tables/{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_its_checksums_are_those_of_all_its_files() -> None:
    listed = [line.split("  ", 1) for line in (EXAMPLE / "SHA256SUMS").read_text(encoding="utf-8").splitlines()]
    found = [
        [hashlib.sha256(path.read_bytes()).hexdigest(), path.relative_to(EXAMPLE).as_posix()]
        for path in sorted(EXAMPLE.rglob("*"))
        if path.is_file() and path.name != "SHA256SUMS"
    ]
    assert sorted(listed) == sorted(found)


def test_all_its_runs_are_of_one_commit_without_other_changes() -> None:
    commits = {run["git_commit"] for run in table("runs")}
    assert [re.fullmatch("[0-9a-f]{40}", commit) is not None for commit in commits] == [True]


def test_its_configuration_plans_its_runs() -> None:
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config = yaml.safe_load((EXAMPLE / "config.yaml").read_text(encoding="utf-8"))
    plan = load_plan({**shipped, **config}, ROOT, SourceTree(ROOT / "src/phasebench"))
    assert sorted(plan.runs) == sorted(run["run"] for run in table("runs"))


@pytest.mark.parametrize("suite", SUITES)
def test_the_readme_counts_its_verdicts(suite: str) -> None:
    (row,) = re.findall(rf"^\| \[[^]]*\]\(docs/studies/{suite}\.md\).*$", _readme(), re.MULTILINE)
    counted = Counter(claim["mark"] for claim in table(f"{suite}-claims"))
    assert [int(cell) for cell in row.strip("|").split("|")[-len(MARKS) :]] == [counted[mark] for mark in MARKS]


def test_the_readme_names_the_marks_in_this_order() -> None:
    assert f" | {' | '.join(MARKS)} |\n" in _readme()


def _readme() -> str:
    return Path(ROOT / "README.md").read_text(encoding="utf-8")
