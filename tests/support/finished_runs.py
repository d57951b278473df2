"""What finished runs of the tiny benchmark leave, without training any."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from phasebench.common.files import canonical_json, write_table, write_text
from phasebench.data.prepare import prepare_dataset
from phasebench.plan.plan import BenchmarkPlan
from phasebench.provenance.record import ORIGIN, describe_data, origin
from phasebench.provenance.spec_files import plan_benchmark
from phasebench.specs.evaluated import EVALUATED, index_evaluations
from phasebench.specs.run import RunIdentity
from phasebench.specs.run_folder import evaluation_file, write_record
from phasebench.specs.stage import DatasetIdentity, read_identity
from support.tiny_benchmark import STUDY


def plan_tiny(checkout: Path) -> BenchmarkPlan:
    """Plan, and bring the spec files up to date."""
    return plan_benchmark({"scale": "tiny", "suites": [STUDY]}, checkout, checkout / "results", write=True)


def finish(checkout: Path, commit: str = "unknown") -> BenchmarkPlan:
    """Leave what a prepared data set and finished runs leave, as far as it says what they were made from."""
    results = checkout / "results/tiny"
    plan = plan_tiny(checkout)
    manifest = prepare(checkout, "colour_shapes")
    for number, run_id in enumerate(plan.runs):
        folder = results / "runs" / run_id
        folder.mkdir(parents=True)
        shutil.copy(results / "specs/runs" / f"{run_id}.json", folder / "spec.json")
        record = {"wall_seconds": 1800.0 * (number + 1), "git_commit": commit, **describe_data(manifest)}
        (folder / "run.json").write_text(canonical_json(record))
    return plan


def finish_whole(checkout: Path, chosen: Iterable[str]) -> None:
    """Leave all files that training and evaluating some of the tiny runs leave; 15 of 20 samples are right."""
    results, plan = checkout / "results/tiny", plan_tiny(checkout)
    manifest = prepare(checkout, "colour_shapes")
    for run_id in chosen:
        folder = results / "runs" / run_id
        folder.mkdir(parents=True)
        identity = read_identity(RunIdentity, results / f"specs/runs/{run_id}.json")
        write_text(folder / "spec.json", identity.to_json())
        curve = {"step": 4, "epoch": 1.0, "train_loss": 0.5, "validation_loss": 0.6, "validation_accuracy": 0.6}
        write_table(folder / "history.parquet", pd.DataFrame([{**curve, "learning_rate": 0.1, "images_per_second": 9}]))
        write_table(folder / "probes.parquet", pd.DataFrame(columns=["step", "epoch", "metric", "item", "value"]))
        samples = pd.DataFrame({"index": range(60, 80), "label": [1] * 20, "prediction": [1] * 15 + [0] * 5})
        write_table(folder / "predictions.parquet", samples)
        (folder / "weights.safetensors").write_bytes(b"weights")
        numbers = "parameters steps n_train n_validation n_test images_per_second wall_seconds train_seconds"
        numbers += " peak_memory_bytes best_step best_validation_accuracy resumed threads"
        record = {
            **dict.fromkeys(numbers.split(), 4),
            **{"spec": identity.run.model_dump(mode="json"), "digest": identity.digest, "test_accuracy": 0.75},
            **{"packages": {"torch": "2.13.0"}, "device": "cpu", "git_commit": "abc", "python": "3.11.7"},
            "finished_at": "2026-01-01T00:00:00+00:00",
        }
        write_record(folder, {**record, **describe_data(manifest)})
        origins = {}
        for name, key in plan.runs[run_id].evaluation_specs.items():
            origins[name] = origin(results / f"specs/evaluations/{key}.json", [folder / "run.json"])
            table = pd.DataFrame({"metric": ["rotation_accuracy"], "condition": [90.0], "draw": [0], "value": [0.5]})
            write_table(folder / evaluation_file(name), table, {ORIGIN: origins[name]})
        write_text(folder / EVALUATED, index_evaluations(folder, origins).to_json())


def prepare(checkout: Path, name: str) -> Path:
    """Prepare the data set that the spec file describes; return its manifest."""
    data, manifest = (checkout / f"data/prepared/tiny/{name}.{suffix}" for suffix in ("h5", "json"))
    spec = read_identity(DatasetIdentity, checkout / f"results/tiny/specs/datasets/{name}.json")
    prepare_dataset(spec.source, spec.options, checkout / "data/raw", False, data, manifest, spec.to_json())
    return manifest
