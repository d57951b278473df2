"""What finished runs of the tiny benchmark leave, without training any."""

import shutil
from pathlib import Path

from phasebench.common.files import canonical_json
from phasebench.data.prepare import prepare_dataset
from phasebench.plan.plan import BenchmarkPlan
from phasebench.provenance.record import describe_data
from phasebench.provenance.spec_files import plan_benchmark
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


def prepare(checkout: Path, name: str) -> Path:
    """Prepare the data set that the spec file describes; return its manifest."""
    data, manifest = (checkout / f"data/prepared/tiny/{name}.{suffix}" for suffix in ("h5", "json"))
    spec = read_identity(DatasetIdentity, checkout / f"results/tiny/specs/datasets/{name}.json")
    prepare_dataset(spec.source, spec.options, checkout / "data/raw", False, data, manifest, spec.to_json())
    return manifest
