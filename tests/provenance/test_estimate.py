"""`phasebench estimate`: cost of what is left, from finished runs, timed steps or not at all."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from support.finished_runs import finish, plan_tiny, prepare
from support.tiny_benchmark import STUDY, copy_checkout

from phasebench.common.files import canonical_json, sha256_of_file
from phasebench.models.listing import COUNTS_FILE
from phasebench.provenance import measured_costs
from phasebench.provenance.estimate import Stage, Work, estimate
from phasebench.provenance.record import describe_data, origin
from phasebench.provenance.status import Checkout
from phasebench.specs.evaluated import Evaluated, EvaluatedTable
from phasebench.specs.paths import SpecKind
from phasebench.training.checkpoint import TrainingState, save_checkpoint
from phasebench.training.step_cost import StepCost

TYPE_I = f"{STUDY}/table_1/colour_shapes-lab/cifarnet_type_i/seed"
TYPE_E = f"{STUDY}/table_1/colour_shapes-lab/cifarnet_type_e/seed"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Two networks with three seeds each, and the data set."""
    folder = copy_checkout(tmp_path)
    edit(folder / "config.yaml", "scale: demo", "scale: tiny")
    edit(folder / "workflow/scales/tiny.yaml", "seeds:\n- 0\n", "seeds: [0, 1, 2]\n")
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def leave_run(checkout: Path, run_id: str, **facts: Any) -> Path:
    """Leave a finished run as far as its cost goes."""
    results = checkout / "results/tiny"
    folder = results / "runs" / run_id
    folder.mkdir(parents=True)
    spec = results / f"specs/runs/{run_id}.json"
    shutil.copy(spec, folder / "spec.json")
    record = {
        "spec": json.loads(spec.read_text())["run"],
        "digest": sha256_of_file(spec),
        "wall_seconds": 100.0,
        "steps": 4,
        "n_train": 54,
        "device": "cpu",
        "threads": 2,
        **describe_data(checkout / "data/prepared/tiny/colour_shapes.json"),
        **facts,
    }
    (folder / "run.json").write_text(canonical_json(record))
    return folder


def leave_benchmark(checkout: Path, job: str, seconds: float) -> None:
    path = checkout / f"results/tiny/benchmarks/{job}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t1.0\n")


def start(checkout: Path) -> None:
    plan_tiny(checkout)
    prepare(checkout, "colour_shapes")


def left(checkout: Path, measure: bool = False) -> dict[tuple[str, str], Work]:
    return {(work.stage, work.name): work for work in estimate(Checkout(checkout), measure)}


def test_before_anything_ran_everything_is_counted(checkout: Path) -> None:
    work = left(checkout)
    counts = Counter(stage for stage, _ in work)
    assert (counts["prepare"], counts["train"], counts["evaluate"], counts["baselines"]) == (1, 6, 6, 1)
    assert {one.seconds for one in work.values()} == {None}
    run = work["train", f"{TYPE_I}0"]
    assert (run.time_from, run.disk_from) == ("unknown: --measure times it", "from parameters")
    parameters = json.loads(COUNTS_FILE.read_text())["cifarnet_type_i"]
    # Weights; in a checkpoint also the best ones and two moments.
    assert (run.disk, run.checkpoint) == (4 * parameters, 2 * 16 * parameters)
    assert (run.suite, run.experiment, run.dataset, run.unit) == (STUDY, "table_1", "colour_shapes", "core")
    assert work["evaluate", f"{TYPE_I}0"].time_from == "unknown"


def test_finished_runs_of_the_same_cell_tell_the_cost_of_other_seeds(checkout: Path) -> None:
    start(checkout)
    folder = leave_run(checkout, f"{TYPE_I}0")
    leave_run(checkout, f"{TYPE_I}1", wall_seconds=200.0)
    leave_benchmark(checkout, f"train/{TYPE_I}0", 110.0)
    work = left(checkout)
    assert ("prepare", "colour_shapes") not in work
    assert [name for stage, name in work if stage == "train"] == [f"{TYPE_I}2", *(f"{TYPE_E}{k}" for k in range(3))]
    run = work["train", f"{TYPE_I}2"]
    # The mean of both, and of the ten seconds that one job took beside its training; on two cores.
    assert run.seconds == pytest.approx(2 * (150.0 + 5.0))
    assert (run.unit, run.time_from, run.disk_from) == ("core", "from 2 runs on cpu", "from 2 runs")
    sizes = [sum(path.stat().st_size for path in folder.parent.glob(f"seed{k}/*")) for k in (0, 1)]
    assert run.disk == pytest.approx(sum(sizes) / 2)
    assert work["train", f"{TYPE_E}0"].seconds is None


def test_another_length_is_scaled_by_samples(checkout: Path) -> None:
    start(checkout)
    leave_run(checkout, f"{TYPE_I}0")
    edit(checkout / "workflow/scales/tiny.yaml", "steps: 4", "steps: 12")
    edit(checkout / "workflow/scales/tiny.yaml", "batch_size: 16", "batch_size: 8")
    run = left(checkout)["train", f"{TYPE_I}0"]
    assert run.seconds == pytest.approx(2 * 100.0 * 12 * 8 / (4 * 16))
    assert run.time_from == "from 1 run on cpu, scaled by samples"


def test_a_run_at_another_scale_is_scaled_by_the_size_of_its_samples(checkout: Path) -> None:
    start(checkout)
    leave_run(checkout, f"{TYPE_I}0")
    for folder in ("results", "data/prepared"):
        (checkout / folder / "tiny").rename(checkout / folder / "other")
    manifest = checkout / "data/prepared/other/colour_shapes.json"
    edit(manifest, "32,\n    32,\n    3\n", "32,\n    64,\n    3\n")
    edit(checkout / f"results/other/runs/{TYPE_I}0/run.json", '"scale": "tiny"', '"scale": "other"')
    start(checkout)
    run = left(checkout)["train", f"{TYPE_I}0"]
    assert run.seconds == pytest.approx(2 * 100.0 / 2)
    assert run.time_from == "from 1 run on cpu, scaled by samples"


def test_hours_of_cards_are_preferred_where_the_plan_wants_cards(checkout: Path) -> None:
    edit(checkout / "workflow/scales/tiny.yaml", "gpu: 0", "gpu: 1")
    start(checkout)
    leave_run(checkout, f"{TYPE_I}0")
    run = left(checkout)["train", f"{TYPE_I}1"]
    assert (run.unit, run.seconds, run.time_from) == ("core", 200.0, "from 1 run on cpu")
    leave_run(checkout, f"{TYPE_I}1", device="NVIDIA H100", wall_seconds=7.0, processes=1)
    run = left(checkout)["train", f"{TYPE_I}2"]
    assert (run.unit, run.seconds, run.time_from) == ("card", 7.0, "from 1 run on NVIDIA H100")
    assert left(checkout)["train", f"{TYPE_E}0"].unit == "card"


def test_an_interrupted_run_has_the_rest_of_its_steps_left(checkout: Path) -> None:
    start(checkout)
    leave_run(checkout, f"{TYPE_I}0")
    digest = sha256_of_file(checkout / f"results/tiny/specs/runs/{TYPE_I}1.json")
    save_checkpoint(checkout / f"results/tiny/checkpoints/{digest}.pt", digest, TrainingState(step=3))
    run = left(checkout)["train", f"{TYPE_I}1"]
    assert run.seconds == pytest.approx(2 * 100.0 / 4)
    assert run.time_from == "from 1 run on cpu, without the steps of checkpoints"


def test_evaluations_are_left_until_their_index_is_current(checkout: Path) -> None:
    start(checkout)
    folder = leave_run(checkout, f"{TYPE_I}0")
    assert ("evaluate", f"{TYPE_I}0") in left(checkout)
    (folder / "evaluation").mkdir()
    specs = Checkout(checkout).plan.runs[f"{TYPE_I}0"].evaluation_specs
    found = {}
    for name, spec in specs.items():
        (folder / f"evaluation/{name}.parquet").touch()
        made_from = origin(checkout / f"results/tiny/specs/evaluations/{spec}.json", [folder / "run.json"])
        found[name] = EvaluatedTable(sha256="0" * 64, origin=made_from)
    (folder / "evaluated.json").write_text(Evaluated(evaluations=found).to_json())
    leave_benchmark(checkout, f"evaluate/{TYPE_I}0", 30.0)
    work = left(checkout)
    assert ("evaluate", f"{TYPE_I}0") not in work
    other = work["evaluate", f"{TYPE_I}1"]
    assert (other.seconds, other.time_from, other.disk_from) == (60.0, "from 1 job on cpu", "with the run")
    (folder / f"evaluation/{name}.parquet").unlink()
    assert ("evaluate", f"{TYPE_I}0") in left(checkout)


def test_other_stages_cost_what_their_last_job_did(checkout: Path) -> None:
    leave_benchmark(checkout, f"baselines/{STUDY}", 12.5)
    leave_benchmark(checkout, "prepare/colour_shapes", 3.0)
    work = left(checkout)
    assert (work["baselines", STUDY].seconds, work["baselines", STUDY].time_from) == (12.5, "from its last job")
    assert work["prepare", "colour_shapes"].seconds == 3.0


def test_no_kind_of_job_is_forgotten() -> None:
    """A job of every kind that has a spec file, but for those that write tables and pages in seconds."""
    kinds = set(get_args(SpecKind)) - {"aggregate", "report"}
    stages = {"runs": "train", "datasets": "prepare", "evaluations": "evaluate", "analyses": "analyse"}
    assert set(get_args(Stage)) == {stages.get(kind, kind.replace("overheads", "overhead")) for kind in kinds}


def test_properties_are_left_until_they_were_measured(checkout: Path) -> None:
    edit(checkout / "workflow/scales/tiny.yaml", "properties: false", "properties: true")
    works = [work for (stage, _), work in left(checkout).items() if stage == "properties"]
    suites = {"complex_cnn_analysis", "phase_matters", "spectral_batch_norm", STUDY}
    assert {(work.name, work.suite, work.unit, work.seconds) for work in works} == {
        (suite, suite, "core", None) for suite in suites
    }


def test_a_damaged_benchmark_tells_nothing(checkout: Path) -> None:
    leave_benchmark(checkout, f"baselines/{STUDY}", 1.0)
    (checkout / f"results/tiny/benchmarks/baselines/{STUDY}.tsv").write_text("s\n-\n")
    assert left(checkout)["baselines", STUDY].seconds is None


def test_epochs_of_unknown_data_have_a_reason(checkout: Path) -> None:
    scale = checkout / "workflow/scales/tiny.yaml"
    edit(scale, "steps: 4", "epochs: 2")
    run = left(checkout)["train", f"{TYPE_I}0"]
    assert run.time_from == "unknown: --measure times it"
    settings = yaml.safe_load(scale.read_text())
    settings["datasets"]["cifar10"] = {"name": "colour_shapes", "source": "hdf5", "path": "images.h5"}
    scale.write_text(yaml.safe_dump(settings))
    # A data set that is not there is left out of the plan.
    raw = checkout / "data/raw/images.h5"
    raw.parent.mkdir(parents=True)
    raw.touch()
    run = left(checkout)["train", f"{TYPE_I}0"]
    assert run.time_from == "unknown: the size of 'colour_shapes' shows when it is prepared"


def test_timed_steps_stand_in_where_no_run_tells(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(checkout / "workflow/scales/tiny.yaml", "steps: 4", "epochs: 2")
    start(checkout)
    leave_run(checkout, f"{TYPE_E}0", steps=8)
    timed: list[str] = []

    def time_step(spec: Any, **given: Any) -> StepCost:
        timed.append(spec.model)
        assert given == {"n_samples": 16, "size": (32, 32), "n_classes": 10, "device": "auto"}
        return StepCost(0.5, 5, "cpu", 2)

    monkeypatch.setattr("phasebench.training.step_cost.time_step", time_step)
    monkeypatch.setattr(measured_costs.StepTimer, "unit", "core")
    work = left(checkout, measure=True)
    # Of three seeds, one; none of the network that a run tells of.
    assert timed == ["cifarnet_type_i"]
    # 54 of 60 samples in four batches, twice; a validation of six samples after every second step.
    assert work["train", f"{TYPE_I}0"].seconds == pytest.approx(2 * 8 * 0.5 * (1 + 6 / 2 / 3 / 16))
    assert work["train", f"{TYPE_I}0"].time_from == "from 5 timed steps on cpu"
    assert work["train", f"{TYPE_E}1"].time_from == "from 1 run on cpu"


def test_records_of_another_kind_are_no_basis(checkout: Path) -> None:
    # Records that say nothing of threads or devices.
    finish(checkout)
    shutil.rmtree(checkout / f"results/tiny/runs/{TYPE_I}0")
    assert left(checkout)["train", f"{TYPE_I}0"].seconds is None
