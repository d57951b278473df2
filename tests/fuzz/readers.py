"""Readers of the project: a small valid file of each kind, and the function that reads it."""

import csv
import io
import json
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from fuzz.mutations import Form, Tree
from PIL import Image
from safetensors.torch import save_file
from support import two_runs
from support.tiny_shards import generate_shards

from phasebench.claims.files import read_claims
from phasebench.claims.published import read_published
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json
from phasebench.data.prepare import prepare_dataset
from phasebench.data.shards.index import OpenShard, read_index, verify_shards
from phasebench.data.shards.jpeg import decode_checked
from phasebench.data.shards.plan import read_listing, read_plan
from phasebench.data.sources.audio.folder import read_recording
from phasebench.data.sources.images.image_hdf5 import load as load_own_images
from phasebench.data.sources.images.vision import load_mnist
from phasebench.data.sources.radar.phoenix import depression_angle, read_chip, read_header, write_chip
from phasebench.data.store import read_prepared_from, read_store
from phasebench.models.inference import load_weights
from phasebench.plan.plan import load_plan
from phasebench.plan.settings import read_settings
from phasebench.provenance.environments import read_pins
from phasebench.provenance.finished_costs import FinishedRuns, job_seconds
from phasebench.provenance.integrity import KnownFiles
from phasebench.provenance.raw_inputs import RawListings
from phasebench.provenance.record import describe_data
from phasebench.provenance.seals import is_sealed_as_is
from phasebench.provenance.stage_code import own_source
from phasebench.provenance.staleness import PreparedData, run_changes
from phasebench.specs.evaluated import read_index as read_evaluated
from phasebench.specs.paths import Prepared, Results
from phasebench.specs.run import RunIdentity
from phasebench.specs.run_folder import write_record
from phasebench.specs.stage import DatasetIdentity, StageIdentity, read_identity
from phasebench.tables.aggregate import aggregate_results
from phasebench.tables.read import read_tables
from phasebench.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from snakemake_executor_plugin_submitit.ledger import Ledger


@dataclass(frozen=True)
class Reader:
    """A reader under test.

    Attributes
    ----------
    make
        Writes what it needs into an empty folder, and returns the file that is to be mutated.
    read
        Reads it, given the folder and the file.
    form
        Format with values, if it has some.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path, Path], object]
    form: Form | None = None


def _parse_csv(content: bytes) -> Tree:
    return [list(row) for row in csv.reader(io.StringIO(content.decode()))]


def _build_csv(tree: Tree) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows([[str(cell) for cell in row] for row in tree])
    return file.getvalue().encode(errors="surrogatepass")


def _parse_parquet(content: bytes) -> Tree:
    return pq.read_table(pa.BufferReader(content)).to_pydict()


def _build_parquet(tree: Tree) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(tree), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _parse_hdf5(content: bytes) -> Tree:
    tree: dict[str, Any] = {"attributes": {}, "sets": {}}
    with h5py.File(io.BytesIO(content)) as file:
        tree["attributes"] = {name: value for name, value in file.attrs.items() if isinstance(value, str)}
        file.visititems(lambda name, found: tree["sets"].update({name: found[()]}) if hasattr(found, "shape") else None)
    return tree


def _build_hdf5(tree: Tree) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as written:
        for name, value in tree["attributes"].items():
            written.attrs[name] = value
        for name, values in tree["sets"].items():
            written.create_dataset(name, data=values)
    return file.getvalue()


JSON = Form(json.loads, lambda tree: json.dumps(tree).encode())
SPEC_FILE = Form(json.loads, lambda tree: canonical_json(tree).encode())
YAML = Form(yaml.safe_load, lambda tree: yaml.safe_dump(tree).encode())
CSV = Form(_parse_csv, _build_csv)
PARQUET = Form(_parse_parquet, _build_parquet)
HDF5 = Form(_parse_hdf5, _build_hdf5)

SUITE: dict[str, Any] = {
    "name": "study",
    "title": "A study",
    "citation": "Somebody",
    "recipes": {
        "plain": {
            **{"optimizer": "adamw", "learning_rate": 0.1, "betas": [0.9, 0.99], "batch_size": 8, "epochs": 5},
            **{"validate_every": 1, "schedule": [[0, 0.1], [5, 0.01]], "clip_norm": 1.0},
        }
    },
    "experiments": {
        "table": {
            "title": "Table",
            "recipe": "plain",
            "grid": {"datasets": ["cifar10"], "encodings": ["rgb"], "models": ["cifarnet_real"]},
            "evaluations": {"rotation": {"samples": 5}},
            "resources": {"gpu": 0, "runtime": 1, "mem_mb": 1},
        }
    },
}
SCALE: dict[str, Any] = {
    "name": "tiny",
    "description": "Words.",
    "seeds": [0, 1],
    "datasets": {"cifar10": {"name": "shapes", "source": "colour_shapes", "options": {"n_train": 20, "n_test": 10}}},
    "suites": {"study": {"recipes": {"plain": {"epochs": 2}}}},
    "resources": {"runtime": 2},
}
CONFIG: dict[str, Any] = {
    **{"scale": "tiny", "suites": ["study"], "data_root": "raw", "device": "cpu", "download": False},
    "datasets": {"cifar10": {"source": "hdf5", "path": "own.h5"}},
}
CLAIMS: dict[str, Any] = {
    "suite": "study",
    "claims": [
        {
            **{"id": "a", "text": "Words.", "where": "Table 1", "unit": "percent", "at_least": 30, "printed": 40},
            "measured": {"metric": "test_accuracy", "experiment": "table", "models": ["cifarnet_real"]},
        }
    ],
}
PINS = {"name": "x", "channels": ["conda-forge"], "dependencies": ["python=3.11", {"pip": ["torch==2.13.0"]}]}
PUBLISHED = "suite,experiment,dataset,encoding,train_fraction,model,metric,condition,value,std,n,unit,where\n" + (
    "study,table,cifar10,rgb,1.0,cifarnet_real,test_accuracy,,64.43,0.5,3,percent,Table 1\n"
)


@cache
def _tree() -> Any:
    return own_source()


def _workflow(mutated_file: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for name, content in (
            ("workflow/suites/study.yaml", SUITE),
            ("workflow/scales/tiny.yaml", SCALE),
            ("workflow/claims/study.yaml", CLAIMS),
            ("config.yaml", CONFIG),
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(yaml.safe_dump(content))
        return folder / mutated_file

    return make


def _plan(folder: Path, _: Path) -> object:
    """Everything up to the bytes of the spec files."""
    plan = load_plan(read_settings(folder), folder, _tree())
    read_claims(folder, plan.suites)
    specs = [RunIdentity(run=run.spec, code={}, environment={}).digest for run in plan.runs.values()]
    return specs, [canonical_json(one.model_dump(mode="json")) for one in plan.datasets.values()]


def _written(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.with_suffix("").touch()
        return path

    return make


def _identity(kind: type[Any]) -> Callable[[Path, Path], object]:
    return lambda _, path: read_identity(kind, path)


def _prepared(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        prepare_dataset(
            "colour_shapes", {"n_train": 20, "n_test": 10}, folder, False, folder / "data.h5", folder / "data.json", "x"
        )
        return folder / name

    return make


def _own_images(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    with h5py.File(folder / "own.h5", "w") as file:
        file.attrs["classes"] = ["cat", "emu"]
        for split in ("train", "test"):
            file[f"{split}/images"] = rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
            file[f"{split}/labels"] = np.array([0, 1, 0, 1])
    return folder / "own.h5"


def _chip(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    samples = (rng.normal(size=(8, 8)) + 1j * rng.normal(size=(8, 8))).astype(np.complex64)
    fields = {"target_class": "t72", "serial": "A04", "depression_angle": 15.0, "azimuth": 3.5}
    write_chip(folder / "chip.000", samples, **fields)  # type: ignore[arg-type]
    return folder / "chip.000"


def _read_chip(_: Path, path: Path) -> object:
    return read_chip(path), depression_angle(path, read_header(path))


def _idx(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    raw = folder / "MNIST/raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", 7), ("t10k", 3)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        for kind, values in (("images-idx3", images), ("labels-idx1", np.arange(count, dtype=np.uint8))):
            header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            (raw / f"{prefix}-{kind}-ubyte").write_bytes(header + values.tobytes())
    return raw / "train-images-idx3-ubyte"


def _wav(folder: Path) -> Path:
    noise = np.random.default_rng(0).integers(-9000, 9000, 4000).astype("<i2")
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes(noise.tobytes())
    return folder / "a.wav"


def _read_sound(_: Path, path: Path) -> object:
    try:
        return read_recording(path)
    except (ValueError, OSError, RuntimeError) as error:
        # The source leaves such a recording out by name.
        raise PhasebenchError(" ".join(str(error).split())) from error


def _image(form: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        values = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"a.{form}")
        return folder / f"a.{form}"

    return make


def _shards(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        generate_shards(folder, 2)
        return sorted(folder.glob(name))[0]

    return make


def _read_shards(folder: Path, _: Path) -> object:
    index = read_index(folder / "data.h5")
    verify_shards(index)
    return [len(OpenShard(path)) for path in index.paths]


def _checkpoint(folder: Path) -> Path:
    save_checkpoint(folder / "c.pt", "digest", TrainingState(3, {"w": torch.ones(4)}))
    return folder / "c.pt"


def _weights(folder: Path) -> Path:
    save_file({"weight": torch.ones(3, 2), "bias": torch.ones(3)}, folder / "w.safetensors")
    return folder / "w.safetensors"


def _run(file: str, sealed: bool = False) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for spec in (two_runs.FIRST, two_runs.SECOND):
            run = two_runs.write_run(folder, spec, 0.5)
            if sealed:
                record = json.loads((run / "run.json").read_text())
                write_record(run, record)
        return Results(folder).run(two_runs.FIRST.id) / file

    return make


def _aggregate(folder: Path, path: Path) -> object:
    if path.parent.name == "evaluation":
        two_runs.index(path.parent.parent)
    aggregate_results(two_runs.SPEC, folder, folder / "tables")
    return read_tables(folder / "tables")


def _table(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = _run("run.json")(folder)
        _aggregate(folder, path)
        return folder / f"tables/{name}.parquet"

    return make


LEDGER = "".join(
    json.dumps(event) + "\n"
    for event in (
        {"event": "submit", "submission": "s", "cluster": "slurm", "jobs": [["k", "f", "d", [["k", "f", ["x"]]]]]},
        {"event": "queued", "submission": "s", "ids": ["12_0"]},
        {"event": "ended", "id": "12_0", "outcome": "failed"},
        {"event": "submit", "submission": "t", "cluster": "slurm", "jobs": [["k", "f", "d"]]},
    )
)


def _ledger(folder: Path, _: Path) -> object:
    ledger = Ledger(folder, "slurm")
    try:
        return ledger.open_entries, [ledger.keys_of(one) for one in ledger.unanswered]
    finally:
        ledger.close()


SPEC_OF_RUN = RunIdentity.model_validate(
    {
        "run": {
            **{"scale": "tiny", "suite": "s", "experiment": "e", "dataset": "d", "encoding": "rgb", "model": "m"},
            **{"recipe": SUITE["recipes"]["plain"], "seed": 1},
        },
        "code": {"m": "h"},
        "environment": {"torch": "1"},
    }
).to_json()
SPEC_OF_DATA = DatasetIdentity(
    dataset="d", source="colour_shapes", options={"n": 1}, code={}, environment={}, raw={"a": "b"}
).to_json()
SPEC_OF_STAGE = StageIdentity(stage="evaluate", settings={"evaluation": "x"}, code={}, environment={}).to_json()
TSV = "s\th:m:s\tmax_rss\n12.5\t0:00:12\t100\n"


def _evaluated(folder: Path, _: Path) -> object:
    run = Results(folder).run(two_runs.FIRST.id)
    known = KnownFiles(Results(folder))
    return read_evaluated(run), known.damaged_evaluations(run), known.damaged_in_run(run)


def _caches(folder: Path, path: Path) -> object:
    results = Results(folder)
    known = KnownFiles(results)
    known.learn(path)
    known.save()
    listings = RawListings(results, Prepared(folder), folder)
    listings.of("d", "colour_shapes", {})
    listings.of("d", "mstar", {})
    listings.save()
    return known.damaged_in_run(results.run(two_runs.FIRST.id))


def _costs(folder: Path, _: Path) -> object:
    return [run.work for run in FinishedRuns(folder).of_network(two_runs.FIRST)]


def _changes(folder: Path, path: Path) -> object:
    data = PreparedData("shapes", False, Prepared(folder), SPEC_OF_DATA)
    record = json.loads((path.parent / "run.json").read_text())
    current = RunIdentity(run=two_runs.FIRST, code={}, environment={}).to_json()
    return [str(change) for change in run_changes(current, path.parent, record, data)]


def _result_of_scale(folder: Path) -> Path:
    return _run("run.json")(folder / "results/demo")


READERS: dict[str, Reader] = {
    "config.yaml": Reader(_workflow("config.yaml"), _plan, YAML),
    "suite": Reader(_workflow("workflow/suites/study.yaml"), _plan, YAML),
    "scale": Reader(_workflow("workflow/scales/tiny.yaml"), _plan, YAML),
    "claims": Reader(_workflow("workflow/claims/study.yaml"), _plan, YAML),
    "published numbers": Reader(
        _written("workflow/published/a.csv", PUBLISHED),
        lambda folder, _: [value.as_row() for value in read_published(folder)],
        CSV,
    ),
    "environment file": Reader(_written("e.yaml", yaml.safe_dump(PINS)), lambda _, path: read_pins(path, "e"), YAML),
    "spec file of a run": Reader(_written("s.json", SPEC_OF_RUN), _identity(RunIdentity), JSON),
    "spec file of data": Reader(_written("s.json", SPEC_OF_DATA), _identity(DatasetIdentity), JSON),
    "spec file of a stage": Reader(_written("s.json", SPEC_OF_STAGE), _identity(StageIdentity), JSON),
    "manifest": Reader(_prepared("data.json"), lambda _, path: canonical_json(describe_data(path)), JSON),
    "prepared data": Reader(_prepared("data.h5"), lambda _, path: (read_store(path), read_prepared_from(path)), HDF5),
    "own images": Reader(_own_images, lambda folder, _: load_own_images({"path": "own.h5"}, folder, False), HDF5),
    "radar chip": Reader(_chip, _read_chip),
    "idx images": Reader(_idx, lambda folder, _: load_mnist({}, folder, False)),
    "sound": Reader(_wav, _read_sound),
    "JPEG": Reader(_image("jpeg"), lambda _, path: decode_checked(path.read_bytes())),
    "PNG": Reader(_image("png"), lambda _, path: decode_checked(path.read_bytes())),
    "GIF": Reader(_image("gif"), lambda _, path: decode_checked(path.read_bytes())),
    "plan of shards": Reader(_shards("data/plan.json"), lambda _, path: read_plan(path), JSON),
    "listing of a shard": Reader(_shards("data/listings/*.json"), lambda _, path: read_listing(path), JSON),
    "shard": Reader(_shards("data/shards/train*.h5"), _read_shards, HDF5),
    "index of shards": Reader(_shards("data.h5"), _read_shards, HDF5),
    "checkpoint": Reader(_checkpoint, lambda _, path: load_checkpoint(path, "digest")),
    "weights": Reader(_weights, lambda _, path: load_weights(torch.nn.Linear(2, 3), path)),
    "run.json": Reader(_run("run.json", sealed=True), _aggregate, JSON),
    "run.json without checksum": Reader(_run("run.json"), _aggregate, JSON),
    "run.json, costs": Reader(_result_of_scale, _costs, JSON),
    "history": Reader(_run("history.parquet"), _aggregate, PARQUET),
    "probes": Reader(_run("probes.parquet"), _aggregate, PARQUET),
    "evaluation": Reader(_run("evaluation/rotation.parquet"), _aggregate, PARQUET),
    "index of evaluations": Reader(_run("evaluated.json"), _evaluated, JSON),
    "table of runs": Reader(_table("runs"), lambda folder, _: read_tables(folder / "tables"), PARQUET),
    "table of metrics": Reader(_table("metrics"), lambda folder, _: read_tables(folder / "tables"), PARQUET),
    "table of the benchmark": Reader(_table("benchmark"), lambda folder, _: read_tables(folder / "tables"), PARQUET),
    "known checksums": Reader(_written("raw_files.json", '{"a": [1, 2, "x"]}'), _caches, JSON),
    "known whole files": Reader(_written("whole_files.json", '{"a": "1 2 3"}'), _caches, JSON),
    "measurements of a job": Reader(_written("b.tsv", TSV), lambda _, path: job_seconds(path)),
    "checksum of a table": Reader(
        _written("t.sha256", "0" * 64 + "  t\n"), lambda _, path: is_sealed_as_is(path.with_suffix(""))
    ),
    "spec.json of a run": Reader(_run("spec.json"), _changes, JSON),
    "ledger": Reader(_written("ledger.jsonl", LEDGER), _ledger),
}
