"""Results older than what they were made from: which are known to be current, as `phasebench status` has it."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.edits import changed
from support.finished_runs import finish, plan_tiny, prepare
from support.tiny_benchmark import STUDY, copy_checkout

from phasebench.common.files import canonical_json, write_text
from phasebench.provenance.record import origin
from phasebench.provenance.status import Checkout
from phasebench.provenance.timestamps import adopt_results
from phasebench.specs.evaluated import index_evaluations
from phasebench.specs.paths import Prepared, Results
from phasebench.specs.run_folder import RUN_FILES

RUN = f"{STUDY}/table_1/colour_shapes-lab/cifarnet_type_e/seed0"
OLD = 1_000_000_000


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Finished results, all older than the spec files."""
    folder = copy_checkout(tmp_path)
    (folder / "config.yaml").write_text(f"scale: tiny\nsuites: [{STUDY}]\n")
    plan = finish(folder)
    for run_id in plan.runs:
        for name in RUN_FILES.values():
            (folder / "results/tiny/runs" / run_id / name).touch()
    return folder


def adopted(checkout: Path) -> tuple[bool, bool]:
    """Whether data set and run get a new time stamp."""
    results, prepared = checkout / "results/tiny", checkout / "data/prepared/tiny"
    outputs = [*prepared.iterdir(), *(path for path in (results / "runs").rglob("*") if path.is_file())]
    for path in outputs:
        os.utime(path, ns=(OLD, OLD))
    adopt_results(plan_tiny(checkout), Results(results), Prepared(prepared))
    paths = (prepared / "colour_shapes.h5", results / "runs" / RUN / "run.json")
    data, run = (path.stat().st_mtime_ns > OLD for path in paths)
    return data, run


def told(checkout: Path) -> tuple[bool, bool]:
    """Whether `phasebench status` calls them done."""
    current = Checkout(checkout)
    return current.dataset("colour_shapes").state == "done", current.status_of(RUN).state == "done"


def edit_data(checkout: Path) -> None:
    scale = checkout / "workflow/scales/tiny.yaml"
    scale.write_text(scale.read_text().replace("n_train: 60", "n_train: 70"))


def prepare_other_data(checkout: Path) -> None:
    edit_data(checkout)
    plan_tiny(checkout)
    prepare(checkout, "colour_shapes")


def edit_recipe(checkout: Path) -> None:
    scale = checkout / "workflow/scales/tiny.yaml"
    scale.write_text(scale.read_text().replace("steps: 4", "steps: 5"))


def forget_the_data(checkout: Path) -> None:
    record = checkout / f"results/tiny/runs/{RUN}/run.json"
    content = json.loads(record.read_text())
    del content["data_manifest"]
    record.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "current"),
    [
        (lambda checkout: None, (True, True)),
        (edit_recipe, (True, False)),
        (edit_data, (False, False)),
        (prepare_other_data, (True, False)),
        (forget_the_data, (True, False)),
    ],
    ids=["nothing", "recipe", "data to prepare", "other data", "unknown data"],
)
def test_what_is_current_is_adopted(checkout: Path, change: Callable[[Path], None], current: tuple[bool, bool]) -> None:
    change(checkout)
    assert told(checkout) == current
    assert adopted(checkout) == current


def test_a_damaged_record_is_left_to_the_stage_that_needs_it(checkout: Path) -> None:
    (checkout / f"results/tiny/runs/{RUN}/run.json").write_text("{")
    assert adopted(checkout) == (True, False)


def leave_evaluations(checkout: Path) -> Path:
    """Leave what a finished evaluation of the run leaves; return the index."""
    results = Results(checkout / "results/tiny")
    origins = {}
    for name, key in plan_tiny(checkout).runs[RUN].evaluation_specs.items():
        write_text(results.evaluation(RUN, name), name)
        origins[name] = origin(results.spec("evaluations", key), [results.run(RUN) / "run.json"])
    write_text(results.evaluated(RUN), index_evaluations(results.run(RUN), origins).to_json())
    return results.evaluated(RUN)


def test_current_evaluations_are_adopted(checkout: Path) -> None:
    index = leave_evaluations(checkout)
    content = index.read_bytes()
    adopted(checkout)
    assert index.stat().st_mtime_ns > OLD
    assert index.read_bytes() == content


def edit_an_evaluation(checkout: Path) -> None:
    changed("N_DRAWS")(checkout / "src/phasebench/evaluation/rotation.py")


def cut_the_index(checkout: Path) -> None:
    index = Results(checkout / "results/tiny").evaluated(RUN)
    index.write_text(index.read_text()[:50])


@pytest.mark.parametrize("change", [forget_the_data, edit_an_evaluation, cut_the_index])
def test_stale_evaluations_are_not_adopted(checkout: Path, change: Callable[[Path], None]) -> None:
    index = leave_evaluations(checkout)
    change(checkout)
    adopted(checkout)
    assert index.stat().st_mtime_ns == OLD


def lose_a_table(checkout: Path) -> None:
    Results(checkout / "results/tiny").evaluation(RUN, "rotation").unlink()


def ask_for_one_more(checkout: Path) -> None:
    """One whose spec file is there already and older than the index."""
    index = Results(checkout / "results/tiny").evaluated(RUN)
    content = json.loads(index.read_text())
    del content["evaluations"]["rotation"]
    index.write_text(canonical_json(content))


@pytest.mark.parametrize("change", [lose_a_table, ask_for_one_more])
def test_an_index_that_lacks_a_table_is_removed(checkout: Path, change: Callable[[Path], None]) -> None:
    """So that Snakemake, which knows of no table, starts the job."""
    index = leave_evaluations(checkout)
    change(checkout)
    adopted(checkout)
    assert not index.exists()


@pytest.mark.parametrize("days", [-3, 3])
def test_a_copy_is_taken_over_whatever_the_clock_of_the_file_server(checkout: Path, days: int) -> None:
    """Spec files are as new as the server's clock says, and no result may be older than what it was made from."""
    then = time.time_ns() + days * 86_400 * 10**9
    plan = plan_tiny(checkout)
    results, prepared = Results(checkout / "results/tiny"), Prepared(checkout / "data/prepared/tiny")
    for spec in (results.folder / "specs").rglob("*.json"):
        os.utime(spec, ns=(then, then))
    outputs = [*prepared.folder.iterdir(), *(path for path in (results.folder / "runs").rglob("*") if path.is_file())]
    for path in outputs:
        os.utime(path, ns=(OLD, OLD))
    adopt_results(plan, results, prepared)
    spec, manifest, record = (
        results.spec("runs", RUN),
        prepared.manifest("colour_shapes"),
        results.run(RUN) / "run.json",
    )
    assert record.stat().st_mtime_ns >= max(spec.stat().st_mtime_ns, manifest.stat().st_mtime_ns)
    assert manifest.stat().st_mtime_ns >= results.spec("datasets", "colour_shapes").stat().st_mtime_ns


def test_somebody_else_s_results_are_left_as_they_are(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    plan = plan_tiny(checkout)
    results, prepared = Results(checkout / "results/tiny"), Prepared(checkout / "data/prepared/tiny")
    for path in prepared.folder.iterdir():
        os.utime(path, ns=(OLD, OLD))
    monkeypatch.setattr("phasebench.provenance.timestamps.utime", refuse)
    assert adopt_results(plan, results, prepared) == 0
    assert prepared.manifest("colour_shapes").stat().st_mtime_ns == OLD
