"""`phasebench status` and `phasebench diff`: what they say of finished runs after an edit."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from support.finished_runs import finish, plan_tiny, prepare
from support.tiny_benchmark import STUDY, copy_checkout

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_file
from phasebench.provenance.difference import difference
from phasebench.provenance.spec_files import plan_benchmark
from phasebench.provenance.status import Checkout, as_line, as_marks, as_total
from phasebench.specs.run_folder import read_record, write_record

TYPE_E = f"{STUDY}/table_1/colour_shapes-lab/cifarnet_type_e/seed0"
TYPE_I = f"{STUDY}/table_1/colour_shapes-lab/cifarnet_type_i/seed0"
LAYER = "src/phasebench/nn/complex/equivariant_norm.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = copy_checkout(tmp_path)
    edit(folder / "config.yaml", "scale: demo", "scale: tiny")
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def states(checkout: Path) -> dict[str, str]:
    return {run.run_id: run.state for run in Checkout(checkout).status()}


def test_before_anything_ran(checkout: Path) -> None:
    assert states(checkout) == {TYPE_I: "missing", TYPE_E: "missing"}
    # Nothing is written, not even the spec files.
    assert not (checkout / "results").exists()


def test_finished_runs_and_their_cost(checkout: Path) -> None:
    finish(checkout)
    runs = Checkout(checkout).status()
    assert [run.state for run in runs] == ["done", "done"]
    assert as_line(runs[0]) == f"done          1,800 s  {TYPE_I}"
    counts = "2 done, 0 stale, 0 damaged, 0 failed, 0 interrupted, 0 missing"
    assert as_total(runs) == f"2 runs: {counts}; 1.50 hours of training"


def test_a_checkpoint_of_the_current_spec_is_an_interrupted_run(checkout: Path) -> None:
    finish(checkout)
    shutil.rmtree(checkout / "results/tiny/runs" / TYPE_E)
    digest = sha256_of_file(checkout / f"results/tiny/specs/runs/{TYPE_E}.json")
    checkpoints = checkout / "results/tiny/checkpoints"
    checkpoints.mkdir()
    (checkpoints / f"{digest}.pt").touch()
    assert states(checkout) == {TYPE_I: "done", TYPE_E: "interrupted"}


def test_an_edit_names_the_module_of_the_runs_that_it_reaches(checkout: Path) -> None:
    finish(checkout)
    # A formula of the equivariant normalisation, which Type-E alone has.
    edit(
        checkout / LAYER,
        "class EquivariantBatchNorm2d(nn.Module):",
        "class EquivariantBatchNorm2d(nn.Module):\n    x = 1\n",
    )
    runs = {run.run_id: run for run in Checkout(checkout).status()}
    assert (runs[TYPE_I].state, runs[TYPE_E].state) == ("done", "stale")
    assert as_line(runs[TYPE_E]) == f"stale         3,600 s  {TYPE_E}: code phasebench.nn.complex.equivariant_norm"


def test_an_edit_of_a_recipe_names_the_key(checkout: Path) -> None:
    finish(checkout)
    edit(checkout / "workflow/scales/tiny.yaml", "batch_size: 16", "batch_size: 8")
    (run, _) = Checkout(checkout).status()
    assert [str(change) for change in run.changes] == ["recipe.batch_size 16 -> 8"]


def test_a_pin_counts_for_data_and_runs(checkout: Path) -> None:
    finish(checkout)
    edit(checkout / "envs/train.yaml", "torch==2.13.0", "torch==2.12.0")
    current = Checkout(checkout)
    assert (
        as_line(current.dataset("colour_shapes")) == "stale                  data colour_shapes: torch 2.13.0 -> 2.12.0"
    )
    told = [str(change) for change in current.status_of(TYPE_I).changes]
    assert told == ["torch 2.13.0 -> 2.12.0", "data colour_shapes torch 2.13.0 -> 2.12.0"]


def test_a_data_set_that_is_to_be_prepared_anew_says_why(checkout: Path) -> None:
    finish(checkout)
    edit(checkout / "workflow/scales/tiny.yaml", "n_train: 60", "n_train: 70")
    edit(checkout / "src/phasebench/data/sources/images/colour_shapes.py", "return ", "return 0 or ")
    current = Checkout(checkout)
    (dataset,) = current.datasets()
    assert dataset.state == "stale"
    told = ["options.n_train 60 -> 70", "code phasebench.data.sources.images.colour_shapes"]
    assert [str(change) for change in dataset.changes] == told
    # Its runs follow, and say the same.
    assert [str(change) for change in current.status_of(TYPE_I).changes] == [
        f"data colour_shapes {one}" for one in told
    ]
    text = difference(current, "colour_shapes")
    assert "\nSettings\n  options.n_train: 60 -> 70\n\nCode that it reaches\n" in text
    assert "\n  phasebench.data.sources.images.colour_shapes: " in text
    assert "\nPrepared data\n  colour_shapes options.n_train: 60 -> 70\n" in difference(current, TYPE_I)


def test_other_data_are_told_by_what_differs_in_them(checkout: Path) -> None:
    finish(checkout)
    edit(checkout / "workflow/scales/tiny.yaml", "n_train: 60", "n_train: 70")
    plan_tiny(checkout)
    prepare(checkout, "colour_shapes")
    current = Checkout(checkout)
    assert [dataset.state for dataset in current.datasets()] == ["done"]
    told = [str(change) for change in current.status_of(TYPE_I).changes]
    parts = ("samples", "labels", "splits")
    assert sorted(told) == sorted(
        ["data colour_shapes n_train 60 -> 70", *(f"data colour_shapes sha256_{part}" for part in parts)]
    )
    assert "\nPrepared data\n  colour_shapes n_train: 60 -> 70\n" in difference(current, TYPE_I)


def test_a_changed_raw_file_is_named(checkout: Path) -> None:
    chosen = "datasets:\n  cifar10: {name: own, source: hdf5, path: images.h5}"
    edit(checkout / "config.yaml", "datasets: {}", chosen)
    raw = checkout / "data/raw/images.h5"
    raw.parent.mkdir(parents=True)
    with h5py.File(raw, "w") as file:
        file.attrs["classes"] = ["a", "b"]
        for split in ("train", "test"):
            file[f"{split}/images"] = np.full((2, 4, 4, 3), 7, np.uint8)
            file[f"{split}/labels"] = [0, 1]
    settings = yaml.safe_load((checkout / "config.yaml").read_text())
    plan_benchmark(settings, checkout, checkout / "results", write=True)
    assert [dataset.state for dataset in Checkout(checkout).datasets()] == ["missing"]
    prepare(checkout, "own")
    assert [dataset.state for dataset in Checkout(checkout).datasets()] == ["done"]
    with h5py.File(raw, "a") as file:
        file["train/images"][0] = 8
    (dataset,) = Checkout(checkout).datasets()
    assert as_line(dataset) == "stale                  data own: raw images.h5"
    shutil.rmtree(raw.parent)
    assert [dataset.state for dataset in Checkout(checkout).datasets()] == ["done"]


def test_data_of_an_older_version_are_known_by_a_checksum(checkout: Path) -> None:
    finish(checkout)
    with h5py.File(checkout / "data/prepared/tiny/colour_shapes.h5", "a") as file:
        file.attrs["prepared_from"] = sha256_of_file(checkout / "results/tiny/specs/datasets/colour_shapes.json")
    assert [dataset.state for dataset in Checkout(checkout).datasets()] == ["done"]
    edit(checkout / "workflow/scales/tiny.yaml", "n_train: 60", "n_train: 70")
    (dataset,) = Checkout(checkout).datasets()
    assert [str(change) for change in dataset.changes] == ["spec file"]


def test_a_run_that_does_not_say_what_it_was_trained_on_is_stale(checkout: Path) -> None:
    finish(checkout)
    path = checkout / f"results/tiny/runs/{TYPE_E}/run.json"
    record = json.loads(path.read_text())
    del record["data_manifest"], record["data"]
    path.write_text(json.dumps(record))
    run = Checkout(checkout).status_of(TYPE_E)
    assert [str(change) for change in run.changes] == ["data colour_shapes"]


def test_data_that_are_not_prepared_make_no_run_stale(checkout: Path) -> None:
    finish(checkout)
    shutil.rmtree(checkout / "data")
    assert set(states(checkout).values()) == {"done"}


def test_a_damaged_record_is_named(checkout: Path) -> None:
    finish(checkout)
    record = checkout / f"results/tiny/runs/{TYPE_E}/run.json"
    record.write_text(record.read_text()[:10])
    whole, damaged = Checkout(checkout).status()
    assert (whole.state, damaged.state) == ("done", "damaged")
    assert as_line(damaged).endswith(f"{TYPE_E}: run.json is damaged")


@pytest.mark.parametrize("seconds", [None, "long"])
def test_a_record_without_its_cost_is_named(checkout: Path, seconds: object) -> None:
    finish(checkout)
    path = checkout / f"results/tiny/runs/{TYPE_E}/run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "wall_seconds": seconds}))
    damaged = Checkout(checkout).status()[1]
    assert damaged.state == "damaged"
    assert re.search(r"seed0/run\.json: wall_seconds: must be a number, found (null|\"long\");", as_line(damaged))


def test_a_changed_file_of_a_finished_run_is_named(checkout: Path) -> None:
    finish(checkout)
    folder = checkout / f"results/tiny/runs/{TYPE_E}"
    (folder / "weights.safetensors").write_bytes(b"weights")
    write_record(folder, read_record(folder))
    assert states(checkout)[TYPE_E] == "done"
    (folder / "weights.safetensors").write_bytes(b"weightz")
    status = Checkout(checkout).status_of(TYPE_E)
    assert (status.state, status.reason) == ("damaged", "weights.safetensors has another checksum than in run.json")


def test_a_failed_attempt_is_named_with_the_last_line_of_its_log(checkout: Path) -> None:
    finish(checkout)
    shutil.rmtree(checkout / f"results/tiny/runs/{TYPE_E}")
    log = checkout / f"logs/tiny/train/{TYPE_E}.log"
    log.parent.mkdir(parents=True)
    log.write_text("training\nphasebench: error: the loss is not finite\n")
    status = Checkout(checkout).status_of(TYPE_E)
    assert (status.state, status.reason) == ("failed", "the loss is not finite")


def test_the_difference_shows_values_and_lines_of_code(checkout: Path) -> None:
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=checkout, check=True, capture_output=True, text=True
        ).stdout

    git("init", "--quiet")
    git("add", "src")
    git("commit", "--quiet", "--message=first")
    finish(checkout, git("rev-parse", "HEAD").strip())
    assert difference(Checkout(checkout), TYPE_E) == f"{TYPE_E}: nothing has changed"
    edit(
        checkout / LAYER,
        "class EquivariantBatchNorm2d(nn.Module):",
        "class EquivariantBatchNorm2d(nn.Module):\n    x = 1\n",
    )
    edit(checkout / "workflow/scales/tiny.yaml", "steps: 4", "steps: 5")
    text = difference(Checkout(checkout), TYPE_E)
    assert "\nSettings\n  recipe.steps: 4 -> 5\n" in text
    assert "\nCode that it reaches\n  phasebench.nn.complex.equivariant_norm: " in text
    assert "\n+    x = 1\n" in text
    # The other run reaches nothing of that module's edit.
    assert "Code" not in difference(Checkout(checkout), TYPE_I)


def test_a_commit_that_is_not_here_is_said(checkout: Path) -> None:
    finish(checkout, "0" * 40)
    subprocess.run(["git", "init", "--quiet"], cwd=checkout, check=True)
    edit(
        checkout / LAYER,
        "class EquivariantBatchNorm2d(nn.Module):",
        "class EquivariantBatchNorm2d(nn.Module):\n    x = 1\n",
    )
    assert "is not in this repository" in difference(Checkout(checkout), TYPE_E)


def test_a_run_that_is_not_planned(checkout: Path) -> None:
    with pytest.raises(PhasebenchError, match="run 'x' is not planned at scale 'tiny'"):
        difference(Checkout(checkout), "x")


def test_missing_runs_have_no_difference(checkout: Path) -> None:
    assert difference(Checkout(checkout), TYPE_E).endswith("is missing: there is no result to compare with")


def test_as_json_every_change_is_told(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from phasebench.cli.main import app

    finish(checkout)
    edit(checkout / "workflow/scales/tiny.yaml", "steps: 4", "steps: 5")
    monkeypatch.chdir(checkout)
    app(["status", "--json", "--state", "stale"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["datasets"] == []
    assert [run["run_id"] for run in told["runs"]] == [TYPE_I, TYPE_E]
    assert told["runs"][0]["changes"] == [{"subject": "spec", "name": "recipe.steps", "before": "4", "after": "5"}]


def test_claims_are_counted_by_their_marks(checkout: Path) -> None:
    assert Checkout(checkout).claim_marks() == {}
    path = checkout / "results/tiny/tables/claims.parquet"
    path.parent.mkdir(parents=True)
    pd.DataFrame({"mark": ["open", "not tested", "open"], "claim": ["a", "b", "c"]}).to_parquet(path)
    counts = Checkout(checkout).claim_marks()
    assert counts == {"reproduced": 0, "not reproduced": 0, "open": 2, "by construction": 0, "not tested": 1}
    line = "3 claims: 0 reproduced, 0 not reproduced, 2 open, 0 by construction, 1 not tested"
    assert as_marks(counts) == line
    pd.DataFrame({"mark": ["perhaps"]}).to_parquet(path)
    with pytest.raises(PhasebenchError, match=r"claims.parquet: mark: 'perhaps' is unknown; run snakemake again"):
        Checkout(checkout).claim_marks()
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(PhasebenchError, match=r"claims.parquet: mark: cannot be read; run snakemake again"):
        Checkout(checkout).claim_marks()
