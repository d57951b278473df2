"""A study in a folder of its own: as the command writes it, and by following the page on studies."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.checkout import ROOT

from phasebench.claims.files import read_claims
from phasebench.claims.published import read_published
from phasebench.cli.main import app
from phasebench.cli.new import write_study
from phasebench.codehash.closure import SourceTree
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_file
from phasebench.plan.plan import BenchmarkPlan, load_plan

PAGE = (ROOT / "docs/extending/study.md").read_text(encoding="utf-8")
TREE = SourceTree(ROOT / "src/phasebench")


def planned(folder: Path, *suites: str, scale: str = "demo") -> BenchmarkPlan:
    return load_plan({"scale": scale, "suites": list(suites)}, ROOT, TREE, folder)


def test_paths_of_studies_are_expanded_as_others_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIES", str(tmp_path / "studies"))
    write_study("other_study", tmp_path / "studies")
    assert {run.spec.suite for run in planned(Path(), "$STUDIES/other_study").runs.values()} == {"other_study"}
    for choice, fault in (("$NOWHERE/x", "variable 'NOWHERE'"), ("~nobody7/x", "home folder of '~nobody7'")):
        with pytest.raises(PhasebenchError, match=rf"^config\.yaml: suites: .*{fault}"):
            planned(tmp_path, choice)


def test_the_printed_command_names_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    app(["new", "study", "other_study", "--folder", "."], standalone_mode=False)
    (choice,) = re.findall(r"suites=\[(.*)\]", capsys.readouterr().out)
    assert planned(tmp_path, choice).suites[0].name == "other_study"


def examples() -> Iterator[tuple[str, str]]:
    """Every example of the page in its order: language and text."""
    return iter(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))


def test_what_the_command_writes_runs_at_once(tmp_path: Path) -> None:
    place = write_study("other_study", tmp_path / "studies")
    plan = planned(tmp_path, "studies/other_study", "phase_matters")
    runs = [planned_run.spec for planned_run in plan.runs.values() if planned_run.spec.suite == "other_study"]
    assert Counter((run.dataset, run.model, run.recipe.steps) for run in runs) == {
        ("colour_shapes", "cifarnet_type_e", 120): 3,
        ("colour_shapes", "cifarnet_real", 120): 3,
    }
    assert all(plan.runs[run.id].shortened for run in runs)
    (claims, *_) = read_claims(ROOT, plan.suites, plan.studies)
    assert [claim.id for claim in claims.claims] == ["complex_leads"]
    own = [value for value in read_published(ROOT, plan.studies) if value.suite == "other_study"]
    assert [value.value for value in own] == [67.58, 63.0]
    # Its files name the schemas.
    for path in place.glob("*.yaml"):
        (address,) = re.findall(r"^# yaml-language-server: \$schema=(.*)$", path.read_text(), re.MULTILINE)
        assert (place / address).resolve().is_file()
    # At a scale that it does not name, all of it is run, and its own file of scales is named in messages.
    assert len(planned(tmp_path, "studies/other_study", scale="paper").runs) == 2 * 3
    (place / "scales.yaml").write_text("scales: {demo: {recipes: {tables: {steps: 3}}}}")
    with pytest.raises(
        PhasebenchError, match=r"^studies/other_study/scales.yaml: scales.demo.recipes: 'tables' is not"
    ):
        planned(tmp_path, "studies/other_study")


def test_the_page_on_studies_is_followed_word_for_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = []
    for language, text in examples():
        if language == "csv":
            assert (tmp_path / "studies/my_study/published.csv").read_text() == text
        elif language == "yaml":
            path = tmp_path / text.splitlines()[0].removeprefix("# ")
            assert path.is_file()
            path.write_text(text)
        for line in text.splitlines() if language == "sh" else ():
            program, *arguments = shlex.split(line)
            if program.endswith("phasebench"):
                app(arguments, standalone_mode=False)
            else:
                assert arguments[:-1] == ["--cores", "2", "--config"]
                key, _, value = arguments[-1].partition("=")
                assert key == "suites"
                plan = planned(tmp_path, *yaml.safe_load(value))
                sizes.append(len(plan.runs))
                assert len(read_claims(ROOT, plan.suites, plan.studies)) == 1
    # As it was written, and with the second table.
    assert sizes == [6, 12]


def test_a_name_is_given_once(tmp_path: Path) -> None:
    write_study("a_study", tmp_path)
    before = sha256_of_file(tmp_path / "a_study/suite.yaml")
    for name, complaint in [
        ("a_study", "choose another"),
        ("phase_matters", "choose another"),
        ("A study", "lower-case letters"),
    ]:
        with pytest.raises(PhasebenchError, match=complaint):
            write_study(name, tmp_path)
    assert sha256_of_file(tmp_path / "a_study/suite.yaml") == before
    with pytest.raises(PhasebenchError, match=r"there is no \./b_study/suite.yaml; make one with `phasebench new"):
        planned(tmp_path, "./b_study")
    (tmp_path / "more").mkdir()
    write_study("a_study", tmp_path / "more")
    with pytest.raises(PhasebenchError, match="two studies have the name 'a_study'"):
        planned(tmp_path, "./a_study", "more/a_study")
    numbers = tmp_path / "a_study/published.csv"
    numbers.write_text(numbers.read_text().replace("\na_study", "\nphase_matters", 1))
    with pytest.raises(PhasebenchError, match=r"published.csv: line 2: suite: 'phase_matters' is not the folder's"):
        read_published(ROOT, planned(tmp_path, "./a_study").studies)
