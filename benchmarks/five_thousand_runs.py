"""Seconds and memory that planning takes where a benchmark has thousands of runs.

In a copy of the repository a suite is generated that trains five networks with a thousand seeds each and evaluates
every run. Measured are `snakemake --dry-run` where nothing has been done yet, and, where every run is finished,
`phasebench status` and `phasebench diff` of one run. The folders of finished runs hold what these commands read;
nothing is trained. Processor time says what the command costs where the machine has other work too; memory is the
largest resident set of the process. The last lines are one figure each: ``name value unit``.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import yaml

from phasebench.common.files import canonical_json
from phasebench.data.prepare import prepare_dataset
from phasebench.provenance.record import collect_provenance, describe_data
from phasebench.specs.stage import DatasetIdentity, read_identity

ROOT = Path(__file__).parents[1]
MODELS = ("cifarnet_dcn", "cifarnet_surreal", "cifarnet_real", "cifarnet_type_i", "cifarnet_type_e")
NAME = "generated"
RECIPE = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 16, "steps": 1, "validate_every": 1}


def write_checkout(folder: Path, runs: int) -> None:
    """Copy what the workflow consists of, with a suite of so many runs."""
    for name in ("src", "workflow", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    experiment = {
        "title": "Many runs",
        "recipe": "short",
        "grid": {"datasets": ["cifar10"], "encodings": ["lab"], "models": list(MODELS)},
        "evaluations": {"rotation": {}},
        "analyses": {"bias_variance": {}},
        "resources": {"gpu": 0, "runtime": 5, "mem_mb": 2000},
    }
    suite = {"name": NAME, "title": "Generated", "citation": "none", "recipes": {"short": RECIPE}}
    images = {"name": "images", "source": "colour_shapes", "options": {"n_train": 20, "n_test": 20}}
    scale = {
        "name": NAME,
        "description": "Many runs.",
        "seeds": list(range(-(-runs // len(MODELS)))),
        "datasets": {"cifar10": images},
        "suites": {NAME: {}},
    }
    files = {
        f"workflow/suites/{NAME}.yaml": {**suite, "experiments": {"many": experiment}},
        f"workflow/scales/{NAME}.yaml": scale,
        "config.yaml": {"scale": NAME, "suites": [NAME]},
    }
    for name, content in files.items():
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")


def finish(folder: Path) -> list[str]:
    """Leave what finished runs leave, as far as it is read to see whether they are current; return their ids."""
    results, prepared = folder / "results" / NAME, folder / "data/prepared" / NAME
    dataset = read_identity(DatasetIdentity, results / "specs/datasets/images.json")
    data, manifest = prepared / "images.h5", prepared / "images.json"
    prepare_dataset(dataset.source, dataset.options, folder, False, data, manifest, dataset.to_json())
    record = {"wall_seconds": 1.0, **describe_data(manifest), **collect_provenance()}
    specs = results / "specs/runs"
    ids = [path.relative_to(specs).with_suffix("").as_posix() for path in sorted(specs.rglob("seed*.json"))]
    for run_id in ids:
        run = results / "runs" / run_id
        run.mkdir(parents=True)
        shutil.copy(specs / f"{run_id}.json", run / "spec.json")
        (run / "run.json").write_text(canonical_json(record), encoding="utf-8")
    return ids


def measure(folder: Path, name: str, *arguments: str) -> list[str]:
    """Run a command of this interpreter; its times and its memory as figures."""
    log = folder / "log.txt"
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    with log.open("wb") as output:
        begin = time.perf_counter()
        # Only what waits for one process alone knows the memory of that one.
        process = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", *arguments],
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), descriptor) for descriptor in (1, 2)],
        )
        _, status, usage = os.wait4(process, 0)
        seconds = time.perf_counter() - begin
    if status:
        sys.exit(f"{name} failed:\n{log.read_text(encoding='utf-8')[-2000:]}")
    return [
        f"{name}_seconds {seconds:.2f} s",
        f"{name}_processor_seconds {usage.ru_utime + usage.ru_stime:.2f} s",
        f"{name}_memory {usage.ru_maxrss / 1024:.0f} MiB",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_checkout(folder, arguments.runs)
        os.chdir(folder)
        figures = measure(folder, "dry_run", "snakemake", "--dry-run", "--quiet", "all")
        runs = finish(folder)
        figures += measure(folder, "status", "phasebench", "status")
        figures += measure(folder, "diff", "phasebench", "diff", runs[-1])
        os.chdir(ROOT)
    print(f"{len(runs)} runs")
    print("\n".join(figures))


if __name__ == "__main__":
    main()
