"""The workflow as a person uses it: in a copy of the repository, through Snakemake's command line."""

import ast
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from support import dry_runs
from support.dry_runs import forked_snakemake, replace, snakemake, succeeds
from support.edits import EditFile, added, changed, decorated, pinned_anew, reworded
from support.finished_runs import finish_whole
from support.tiny_benchmark import ROOT, STUDY, copy_checkout

from phasebench.provenance.packages import import_package, pack_results
from phasebench.provenance.status import Checkout
from phasebench.specs.paths import prepared_of, results_of
from phasebench.specs.run_folder import RUN_FILES

TABLE_1 = f"{STUDY}/table_1/colour_shapes-lab"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the workflow consists of, with a scale of two small runs; never of results."""
    return copy_checkout(tmp_path)


def planned(checkout: Path, *config: str) -> set[str]:
    """What a dry run of the tiny scale would do, as the messages of its jobs."""
    return dry_runs.planned(checkout, "scale=tiny", *config)


def test_a_fresh_checkout_plans_the_demo_in_readable_ids(checkout: Path) -> None:
    output = succeeds(checkout, "--dry-run")
    messages = re.findall(r"^Job \d+: (.*)$", output, re.MULTILINE)
    kinds = Counter(message.split(" ")[0] for message in messages)
    specs = list((checkout / "results/demo/specs/runs").rglob("seed*.json"))
    trained = len(specs)
    assert 0 < kinds.pop("Evaluate") <= trained
    stages = {"Prepare": "datasets", "Analyse": "analyses", "Time": "overheads"}
    counts = {
        kind: len(list((checkout / "results/demo/specs" / name).rglob("*.json"))) for kind, name in stages.items()
    }
    assert min(counts.values()) > 0
    measured = ("baselines", "properties")
    counts["Measure"] = sum(len(list((checkout / "results/demo/specs" / name).rglob("*.json"))) for name in measured)
    assert kinds == {**counts, "Train": trained, "Collect": 1, "Write": 1}
    assert f"Train {TABLE_1}/cifarnet_type_i/seed1" in messages
    assert f"Train {STUDY}/table_2/simulated_mstar-complex-fraction050/mstar_cds/seed0" in messages
    # Planning prepares and trains nothing.
    assert not (checkout / "data").exists()
    assert not (checkout / "results/demo/runs").exists()


def test_an_imported_run_is_not_trained_and_needs_no_data(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    replace(checkout / "config.yaml", "scale: demo", "scale: tiny")
    there = copy_checkout(tmp_path_factory.mktemp("there"))
    runs = [f"{TABLE_1}/{model}/seed0" for model in ("cifarnet_type_e", "cifarnet_type_i")]
    finish_whole(there, runs)
    package = there / "runs.zip"
    pack_results(results_of("tiny", there), prepared_of("tiny", there), runs, package, scale="tiny", origin="B")
    import_package(package, Checkout(checkout))
    kinds = Counter(job.split(" ")[0] for job in planned(checkout))
    # What the package does not bring, but neither data, training, evaluation nor baselines on the data.
    assert kinds == {"Analyse": 1, "Collect": 1, "Write": 1}


def test_a_download_prepares_nothing_again_until_it_is_replaced(checkout: Path) -> None:
    replace(checkout / "config.yaml", "datasets: {}", "datasets: {cifar10: {name: own, source: cifar10}}")
    # A source that may download, and which reads images that are quickly made.
    replace(
        checkout / "src/phasebench/data/sources/images/vision.py",
        '    return _load("cifar10"',
        "    from phasebench.data.sources.images.image_hdf5 import load\n"
        '    path = data_root / "cifar-10-batches-py/data_batch_1"\n'
        "    if download and not path.is_file():\n"
        "        path.parent.mkdir(parents=True)\n"
        "        path.write_bytes(Path('elsewhere.h5').read_bytes())\n"
        '    return load({"path": "cifar-10-batches-py/data_batch_1"}, data_root, download)\n'
        '    return _load("cifar10"',
    )
    with h5py.File(checkout / "elsewhere.h5", "w") as file:
        file.attrs["classes"] = ["a", "b"]
        for split in ("train", "test"):
            file[f"{split}/images"] = np.full((2, 4, 4, 3), 7, np.uint8)
            file[f"{split}/labels"] = [0, 1]
    succeeds(checkout, "--until", "prepare", "--cores", "1", "--config", "scale=tiny", "download=true")
    assert "Prepare own" not in planned(checkout, "download=true")
    with h5py.File(checkout / "data/raw/cifar-10-batches-py/data_batch_1", "a") as file:
        file["train/images"][0] = 8
    assert "Prepare own" in planned(checkout, "download=true")


@pytest.mark.parametrize("scale", ["small", "card", "paper"])
def test_the_other_scales_plan_what_has_data(checkout: Path, scale: str) -> None:
    leave_raw_file(checkout, "cifar-10-batches-py/data_batch_1")
    output = succeeds(checkout, "--dry-run", "--config", f"scale={scale}")
    assert f"Train {STUDY}/table_1/cifar10-lab/cifarnet_type_i/seed0" in output
    assert "mnist" not in {message.split("/")[2] for message in re.findall(r"Train \S+", output)}
    assert re.search(r"^MNIST: no files below data/raw/MNIST/raw: \d+ runs.* left out; docs/", output, re.MULTILINE)


def leave_raw_file(checkout: Path, name: str) -> None:
    path = checkout / "data/raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no data")


def test_data_that_appear_add_exactly_their_runs(checkout: Path) -> None:
    leave_raw_file(checkout, "cifar-10-batches-py/data_batch_1")
    settings = ("scale=paper", f"suites=[{STUDY}]")
    before = dry_runs.planned(checkout, *settings)
    leave_raw_file(checkout, "mstar/17_DEG/BMP2/HB1.000")
    added = dry_runs.planned(checkout, *settings) - before
    assert {message for message in added if message.startswith("Train ")} != set()
    assert all("/mstar" in message for message in added if message.startswith(("Train ", "Evaluate ")))
    assert before < before | added
    (checkout / "data/raw/mstar/17_DEG/BMP2/HB1.000").unlink()
    assert dry_runs.planned(checkout, *settings) == before


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("missing_data=error", "--config: missing_data: error: "),
        ("data_root=nowhere", "--config: data_root: no data set of scale 'paper' is there: "),
    ],
)
def test_data_that_must_not_be_missing(checkout: Path, config: str, message: str) -> None:
    leave_raw_file(checkout, "cifar-10-batches-py/data_batch_1")
    result = forked_snakemake(checkout, "--dry-run", "--config", "scale=paper", config)
    assert result.returncode != 0
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("phasebench: ")]
    assert line.startswith(f"phasebench: error: {message}")
    assert "MSTAR: no chips below " in line


def test_lint_and_format_are_clean(checkout: Path) -> None:
    succeeds(checkout, "--lint")
    command = [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("config.yaml", "scale:", "sclae:", "config.yaml: key 'sclae' is not known; known keys: data_root, "),
        (
            f"workflow/suites/{STUDY}.yaml",
            ", mstar_cds]",
            ", mstar_cdz]",
            f"workflow/suites/{STUDY}.yaml: experiments.table_2.grid.models: 'mstar_cdz' is not a registered model; ",
        ),
        ("workflow/scales/demo.yaml", "seeds:", "sedes:", "workflow/scales/demo.yaml: key 'sedes' is not known; "),
        ("envs/train.yaml", "torch==", "torch>=", "envs/train.yaml: dependencies: 'torch>="),
    ],
)
def test_a_mistake_ends_in_one_line(checkout: Path, file: str, old: str, new: str, message: str) -> None:
    replace(checkout / file, old, new)
    result = forked_snakemake(checkout, "--dry-run")
    assert result.returncode != 0
    (line,) = [line for line in result.stderr.splitlines() if line]
    assert line.startswith(f"phasebench: error: {message}")
    assert not (checkout / "results").exists()


def test_a_failed_job_shows_its_error(checkout: Path) -> None:
    leave_raw_file(checkout, "cifar-10-batches-py/data_batch_1")
    config = ["scale=small", f"suites=[{STUDY}]"]
    result = forked_snakemake(checkout, "--cores", "1", "--until", "prepare", "--config", *config)
    assert result.returncode != 0
    errors = [line for line in result.stderr.splitlines() if line.startswith("phasebench: error: ")]
    assert len(errors) == 1
    assert "cifar-10-batches-py" in errors[0]
    assert not list((checkout / "data").rglob("*.h5"))
    # Neither is there nothing to look at.
    assert "reports/preview.html" in result.stderr.splitlines()
    assert "data set cifar10 failed: " in (checkout / "reports/preview.html").read_text(encoding="utf-8")


def runs_with_what_follows(*models: str) -> set[str]:
    runs = [f"{TABLE_1}/{model}/seed0" for model in models]
    return {*(f"Train {run}" for run in runs), *(f"Evaluate {run}" for run in runs), *ANALYSES, *TABLES}


ANALYSES = {f"Analyse {STUDY}/table_1/bias_variance"}
EVALUATED = {f"Evaluate {TABLE_1}/{model}/seed0" for model in ("cifarnet_type_i", "cifarnet_type_e")}
BASELINES = {f"Measure the baselines of {STUDY}"}
REPORT = {"Write the report"}
TABLES = {"Collect the results of all runs", *REPORT}
TYPE_E = runs_with_what_follows("cifarnet_type_e")
BOTH = runs_with_what_follows("cifarnet_type_i", "cifarnet_type_e")
LAYERS = "src/phasebench/nn/complex"
NORM = f"{LAYERS}/equivariant_norm.py"
FORMULA = changed("EquivariantBatchNorm2d.forward")


def in_another_order(path: Path) -> None:
    """Write a YAML file with its keys in another order."""
    path.write_text(yaml.safe_dump(dict(reversed(yaml.safe_load(path.read_text()).items())), sort_keys=False))


def with_a_space_more(path: Path) -> None:
    path.write_text(path.read_text() + " ")


# What is edited -> file, edit, and the jobs that this calls for; test_what_runs_again.py has many more.
EDITS: dict[str, tuple[str, EditFile, set[str]]] = {
    "words of a layer": (NORM, reworded, set()),
    "a formula of Type-E alone": (NORM, FORMULA, TYPE_E),
    "a layer of both": (f"{LAYERS}/pooling.py", decorated("LearnedPool2d"), BOTH),
    "a layer of neither": (f"{LAYERS}/invariant.py", added, set()),
    "an evaluation": ("src/phasebench/evaluation/rotation.py", changed("N_DRAWS"), EVALUATED | TABLES),
    "the baselines": ("src/phasebench/evaluation/baselines.py", changed("PENALTY"), BASELINES | TABLES),
    "the order of keys": ("workflow/scales/tiny.yaml", in_another_order, set()),
    "the style of the page": ("src/phasebench/reporting/templates/style.css", with_a_space_more, REPORT),
    "a package of the analysis": ("envs/analysis.yaml", pinned_anew("seaborn"), ANALYSES | TABLES),
}


def check_report_of_snakemake(checkout: Path) -> None:
    """`snakemake --report` holds every figure and table of ours, each where one looks for it, and needs no network."""
    succeeds(checkout, "--report", "report.zip", "--config", "scale=tiny")
    ours = {path.name for path in (checkout / "reports").rglob("*.*") if path.suffix in (".html", ".svg", ".csv")}
    assert {"benchmark.html", "runs.csv", f"{STUDY}-claims.html", f"{STUDY}-table_1-rotation.svg"} <= ours
    with zipfile.ZipFile(checkout / "report.zip") as archive:
        assert {Path(name).name for name in archive.namelist()} == {"report.html", *ours}
        page = archive.read("report/report.html").decode()
    results, categories = (
        json.loads(re.findall(rf"^ *var {name} = (\{{.*\}});?$", page, re.MULTILINE)[0])
        for name in ("results", "categories")
    )
    records = {record["name"]: record for record in results.values()}
    assert records.keys() == ours
    rotation = records[f"{STUDY}-table_1-rotation.svg"]
    assert rotation["labels"] == {"content": "Rotation", "as": "figure"}
    assert rotation["caption"].startswith("<p>Rotation, of the experiment <tt")
    study = categories["Co-domain symmetry"]
    assert f"reports/figures/{STUDY}-table_1-rotation.svg" in study["Table 1"]
    assert set(study["Claims"]) == {f"reports/tables/{STUDY}-claims.{form}" for form in ("csv", "html")}
    assert set(categories["Runs"]) == {"Runs", "Settings", "Environments"}
    assert not re.search(r"""(src|href)=["']?(https?:)?//[^"']*\.(js|css)""", page)


def check_one_evaluation_alone(checkout: Path) -> None:
    """A table that is gone is computed again, by a job that keeps the others of its run."""
    run = checkout / f"results/tiny/runs/{TABLE_1}/cifarnet_type_e/seed0"
    tables = {path: path.stat().st_mtime_ns for path in (run / "evaluation").iterdir()}
    gone = run / "evaluation/rotation.parquet"
    before = gone.read_bytes()
    gone.unlink()
    job = f"Evaluate {TABLE_1}/cifarnet_type_e/seed0"
    assert planned(checkout) == {job, *TABLES}
    succeeds(checkout, "--cores", "2", "--until", "evaluate", "--config", "scale=tiny")
    assert {path for path, time in tables.items() if path.stat().st_mtime_ns != time} == {gone}
    assert gone.read_bytes() == before
    log = (checkout / f"logs/tiny/evaluate/{TABLE_1}/cifarnet_type_e/seed0.log").read_text(encoding="utf-8")
    assert "rotation: computed" in log
    assert log.count(": kept, as it is current") == len(tables) - 1 > 0
    succeeds(checkout, "--cores", "2", "--config", "scale=tiny")
    assert planned(checkout) == set()


def check_lost_files_are_missed(checkout: Path) -> None:
    """A file of a finished run that is gone is planned again, though no rule but the training names some of them."""
    folder = checkout / f"results/tiny/runs/{TABLE_1}/cifarnet_type_e/seed0"
    for file in RUN_FILES.values():
        away = (folder / file).rename(checkout / "away")
        assert f"Train {TABLE_1}/cifarnet_type_e/seed0" in planned(checkout), file
        away.rename(folder / file)
    assert planned(checkout) == set()


def check_damaged_files_are_made_again(checkout: Path) -> None:
    """What is damaged is named and set aside, and its job planned with all that follows."""
    folder = checkout / f"results/tiny/runs/{TABLE_1}/cifarnet_type_e/seed0"
    table = checkout / "results/tiny/tables/runs.parquet"
    damaged = {
        folder / "history.parquet": TYPE_E,
        folder / "run.json": TYPE_E,
        folder / "evaluation/rotation.parquet": {f"Evaluate {TABLE_1}/cifarnet_type_e/seed0", *TABLES},
        table: TABLES,
    }
    index = (folder / "evaluated.json").read_bytes()
    for path, jobs in damaged.items():
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        result = forked_snakemake(checkout, "--dry-run", "--cores", "1", "--config", "scale=tiny")
        named = path.relative_to(checkout).as_posix()
        assert [line for line in result.stderr.splitlines() if line.startswith(f"{named}: ")], result.stderr
        assert not path.exists()
        assert path.with_name(f"{path.name}.damaged").is_file()
        assert planned(checkout) == jobs, named
        path.write_bytes(content)
        (folder / "evaluated.json").write_bytes(index)
        succeeds(checkout, "--touch", "--cores", "1", "--config", "scale=tiny")
        assert planned(checkout) == set(), named
    # The tables are gone after an aggregation that failed; the page that is still there does not count as current.
    table.unlink()
    assert planned(checkout) == TABLES
    succeeds(checkout, "--cores", "2", "--config", "scale=tiny")


def check_preview_of_another_workflow(checkout: Path) -> None:
    """As a module's page after a failure: the config.yaml beside it is the caller's."""
    own = (checkout / "config.yaml").read_text()
    (checkout / "config.yaml").write_text("bench: {}\n")
    command = [sys.executable, "-m", "phasebench", "preview", "--scale", "tiny", "--output", "elsewhere"]
    assert subprocess.run(command, cwd=checkout).returncode == 0
    (checkout / "config.yaml").write_text(own)


def check_preview(checkout: Path) -> None:
    """A page of what is finished, while other runs failed, were killed or are damaged."""
    runs = checkout / f"results/tiny/runs/{TABLE_1}"
    page = (checkout / "reports/benchmark.html").read_bytes()
    (runs / "cifarnet_type_e").rename(checkout / "away")
    log = checkout / f"logs/tiny/train/{TABLE_1}/cifarnet_type_e/seed0.log"
    text = log.read_text(encoding="utf-8")
    log.write_text("phasebench: error: the loss is <not> finite\n", encoding="utf-8")
    succeeds(checkout, "preview", "--cores", "1", "--config", "scale=tiny")
    preview = (checkout / "reports/preview.html").read_text(encoding="utf-8")
    assert f"{TABLE_1}/cifarnet_type_e/seed0: failed: the loss is &lt;not&gt; finite" in preview
    assert (checkout / "reports/benchmark.html").read_bytes() == page
    unfinished = pd.read_parquet(checkout / "results/tiny/preview/unfinished.parquet")
    states = dict(zip(unfinished["what"], unfinished["state"], strict=True))
    assert states == {"run": "failed", "analyse bias_variance": "stale"}
    shown = pd.read_parquet(checkout / "results/tiny/preview/runs.parquet")
    assert set(shown["model"]) == {"cifarnet_type_i"}
    log.write_text(text, encoding="utf-8")
    (checkout / "away").rename(runs / "cifarnet_type_e")
    assert planned(checkout) == set()


def test_from_nothing_to_the_report_and_what_runs_again(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One test, since all of it is asked of one finished benchmark and training that takes most of the time."""
    # Once as a person does it: with nothing but the checkout's own code.
    whole = snakemake(
        checkout, "--cores", "2", "--logger", "phasebench", "--benchmark-extended", "--config", "scale=tiny"
    )
    assert whole.returncode == 0, whole.stderr
    assert len(whole.stderr.splitlines()) < 60
    assert re.search(r"Report: .*reports/benchmark\.html \(scale tiny, 2 runs, in .*\)\nFindings: ", whole.stderr)
    assert "DEMO" in (checkout / "reports/benchmark.html").read_text(encoding="utf-8")
    metrics = pd.read_parquet(checkout / "results/tiny/tables/metrics.parquet")
    accuracy = metrics[metrics["metric"] == "test_accuracy"].set_index("model")
    assert accuracy["published"].to_dict() == {"cifarnet_type_i": 0.6717, "cifarnet_type_e": 0.6758}
    assert not list((checkout / "results/tiny/checkpoints").glob("*"))
    analyses = pd.read_parquet(checkout / "results/tiny/tables/analyses.parquet")
    assert set(analyses.loc[analyses["metric"] == "linear_accuracy", "experiment"]) == {"table_1"}

    # A cluster is asked for what suite and scale say.
    table = pd.read_csv(checkout / f"results/tiny/benchmarks/train/{TABLE_1}/cifarnet_type_e/seed0.tsv", sep="\t")
    resources = ast.literal_eval(table["resources"][0])
    asked = (resources["gpu"], resources["runtime"], resources["mem_mb"], table["threads"][0])
    assert asked == (0, 7, 2500, 2)

    check_report_of_snakemake(checkout)

    assert planned(checkout) == set()
    for name, (file, edit, jobs) in EDITS.items():
        before = (checkout / file).read_text(encoding="utf-8")
        edit(checkout / file)
        assert planned(checkout) == jobs, name
        (checkout / file).write_text(before, encoding="utf-8")
    assert planned(checkout) == set(), "all edits taken back"

    for path in (*(checkout / "src").rglob("*.py"), *(checkout / "data").rglob("*")):
        path.touch()
    assert planned(checkout) == set(), "touched files"
    assert planned(checkout, "data_root=elsewhere", "download=true", "device=cpu") == set(), "settings of the machine"

    check_one_evaluation_alone(checkout)
    check_lost_files_are_missed(checkout)
    check_damaged_files_are_made_again(checkout)
    check_preview(checkout)
    check_preview_of_another_workflow(checkout)

    copied = copy_checkout(tmp_path_factory.mktemp("copied"))
    for folder in ("data", "results"):
        # Without Snakemake's records, and with time stamps in any order.
        shutil.copytree(checkout / folder, copied / folder, copy_function=shutil.copyfile)
    for spec in (copied / "results/tiny/specs").rglob("*.json"):
        spec.touch()
    assert planned(copied) <= TABLES, "copied"
    FORMULA(copied / NORM)
    assert planned(copied) == TYPE_E, "copied and edited"
