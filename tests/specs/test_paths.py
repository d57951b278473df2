"""Paths stand in one module: no other module and no rule spells a folder of results, of prepared data or of logs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.checkout import ROOT

from phasebench.specs import paths
from phasebench.specs.paths import Logs, Prepared, Results

PACKAGE = ROOT / "src" / "phasebench"
OWN = {PACKAGE / "specs" / name for name in ("paths.py", "run_folder.py", "evaluated.py")}
MODULES = sorted(set(PACKAGE.rglob("*.py")) - OWN)
RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
# Folders of results/<scale>, of a run and of a data set in shards.
FOLDERS = (
    "specs|runs|analyses|overheads|baselines|properties|checkpoints|benchmarks|evaluation|listings|locations|shards"
)
SPELT = re.compile(rf"^(?:{FOLDERS})$")
BELOW = re.compile(rf"(?:^|/)(?:{FOLDERS}|results|logs)/|^data/prepared|^workflow/|^envs/|^config\.yaml$")
FILES = re.compile(
    r"(?:^|/)(?:spec|run|evaluated)\.json$|(?:^|/)(?:history|probes|predictions)\.parquet$|weights\.safetensors$"
)


def spelt(source: str) -> Iterator[str]:
    """Texts of a module that spell a path; docstrings do not count."""
    tree = ast.parse(source)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    joined = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        for part in (node.left, node.right)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in told:
            continue
        text = node.value
        if " " not in text and (FILES.search(text) or BELOW.search(text) or (id(node) in joined and SPELT.match(text))):
            yield text


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_other_module_spells_a_path(path: Path) -> None:
    assert list(spelt(path.read_text(encoding="utf-8"))) == []


def test_the_search_finds_paths() -> None:
    source = '"""results/x"""\na = root / "runs" / name\nb = "specs/runs"\nc = f / "run.json"\nd = {"runs": 1}\n'
    assert sorted(spelt(source)) == ["run.json", "runs", "specs/runs"]
    assert list(spelt('x = root / "results" / f"data/prepared/{y}"\nz = f"specs/runs/{y}.json"')) != []


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_rule_spells_a_path(path: Path) -> None:
    code = re.sub(r'"""(?:.|\n)*?"""|#.*', "", path.read_text(encoding="utf-8"))
    assert re.findall(r"<(?:results|prepared|logs|benchmarks)>/\S*", code) == []
    assert re.findall(r'"(?:results|logs|data/prepared)/[^"]*"', code) == []
    assert (
        re.findall(rf'(?:{FOLDERS})/\{{[^"]*|[\w}}]\.(?:h5|(?<!schema.)json|parquet|safetensors|pt|tsv|log)"', code)
        == []
    )


def test_the_redirection_of_a_command_stands_once() -> None:
    texts = [path.read_text(encoding="utf-8") for path in RULES]
    assert sum(text.count("tail -n 1 {log}") for text in texts) == 1
    commands = sum(text.count("\n    shell:\n        logged(") for text in texts)
    assert commands == sum(text.count("\n    shell:") for text in texts) > 0


@pytest.mark.parametrize("name", [name for name in vars(paths) if name.endswith(("_FOLDER", "_FILE", "_ENVIRONMENT"))])
def test_the_repository_has_what_the_paths_name(name: str) -> None:
    path = getattr(paths, name)
    if name in ("RESULTS_FOLDER", "PREPARED_FOLDER", "LOGS_FOLDER", "EVALUATION_FOLDER"):
        return
    folder = PACKAGE if name == "TEMPLATES_FOLDER" else ROOT
    assert (folder / path).exists()


def test_each_result_has_a_place_of_its_own() -> None:
    results, prepared, logs = Results(Path("r")), Prepared(Path("p")), Logs(Path("l"))
    found = [
        *(results.spec(kind, "a/b") for kind in ("runs", "datasets", "evaluations", "analyses", "overheads")),
        *(
            results.spec("baselines", "a"),
            results.spec("properties", "a"),
            results.spec("aggregate"),
            results.spec("report"),
            results.run("a/b"),
        ),
        *(
            results.evaluation("a/b", "c"),
            results.evaluated("a/b"),
            results.analysis("a/b"),
            results.overhead("a/b"),
            results.baselines("a"),
            results.properties("a"),
        ),
        *(results.table("a"), results.checkpoint("a"), results.benchmark("train", "a"), results.benchmark("report")),
        *(results.whole_files, results.missing_data, results.preview),
        *(results.raw_checksums, prepared.data("a"), prepared.manifest("a"), prepared.shard_plan("a")),
        *(prepared.shard_spec("a"), prepared.listing("a", "b"), prepared.locations("a", "b"), prepared.shard("a", "b")),
        *(logs.log("train", "a"), logs.log("report"), paths.raw_record(prepared.data("a"))),
    ]
    assert len(set(found)) == len(found)
    assert results.spec("runs", "s/e/d/m/seed0") == Path("r/specs/runs/s/e/d/m/seed0.json")
    assert results.evaluation("s/e/d/m/seed0", "x") == Path("r/runs/s/e/d/m/seed0/evaluation/x.parquet")
    assert paths.prepared_of("demo", Path("root")).data("d") == Path("root/data/prepared/demo/d.h5")
