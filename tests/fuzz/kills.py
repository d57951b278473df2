"""Stages killed at random moments, and started again: ``make kills``, KILLS=20 for each, SEED=1.

Afterwards each file is as before or whole, and the next start makes what an undisturbed one makes. A kill comes at a
random time of the stage, or just after a random opening, renaming or removal of a file. Half of them find older files.
"""

import contextlib
import importlib
import json
import os
import pkgutil
import random
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from fuzz.full_disks import WRITERS
from support.finished_runs import plan_tiny
from support.tiny_benchmark import copy_checkout, keep_one_evaluation
from support.tiny_shards import FEW

import phasebench
from phasebench.cli.main import main as command_line
from phasebench.common.files import canonical_json, sha256_of_file
from phasebench.data.shards.generated_tree import write_tree
from phasebench.data.shards.imagenet import list_imagenet
from phasebench.data.shards.plan import plan_shards, read_plan
from phasebench.plan.plan import BenchmarkPlan
from phasebench.provenance.stage_code import own_source, shard_code
from phasebench.specs.paths import Logs, Prepared, Results
from phasebench.specs.run_folder import CHECKSUM, FILES, HISTORY, RECORD
from phasebench.training.checkpoint import previous_checkpoint

COLUMNS = ("kills", "files as before", "files new and whole", "damaged", "not made again", "differs")
BAD = ("damaged", "not made again", "differs")
OLD = b"older\n"
PREVIOUS = previous_checkpoint(Path("a")).suffix
RESULTS, PREPARED, LOGS = Results(Path("results/tiny")), Prepared(Path("data/prepared/tiny")), Logs(Path("logs/tiny"))
SHARDED = Prepared(Path("sharded"))
TIMES = ("images_per_second", "wall_seconds", "train_seconds", "finished_at", "peak_memory_bytes", "resumed")
"""Entries of ``run.json`` in which two equal runs differ; the first is a column of the history too."""
_LONGEST_DELAY_SECONDS = 0.003
_MOST_ATTEMPTS = 5
_WATCHED = {"open", "os.rename", "os.remove", "os.mkdir"}
State = dict[str, bytes]


@dataclass(frozen=True)
class Moment:
    """A moment of a stage: so many seconds after its start, or after one of its calls that change files."""

    call: int
    seconds: float


@dataclass(frozen=True)
class Ending:
    """The end of a start: its status, negative for a signal, its time and its calls that change files."""

    status: int
    seconds: float
    calls: int


def stages(plan: BenchmarkPlan) -> dict[str, Callable[[], object]]:
    """The stages in the order of the workflow, each a function of the working folder."""
    runs = list(plan.runs)
    return {
        "writers": write_all,
        "prepare": lambda: [_prepare(name) for name in plan.datasets],
        "write-shard": _write_shards,
        "gather-shards": _gather_shards,
        "train": lambda: _train(plan, runs[0]),
        "evaluate": lambda: _evaluate(plan, runs[0]),
        "rest": lambda: _measure_rest(plan, runs[1:]),
        "aggregate": lambda: _call(
            "aggregate", spec=RESULTS.spec("aggregate"), results=RESULTS.folder, output=RESULTS.table("a").parent
        ),
        "report": lambda: _call(
            "report",
            spec=RESULTS.spec("report"),
            tables=RESULTS.table("a").parent,
            output="reports",
            logs=LOGS.folder,
        ),
    }


def _call(command: str, *arguments: object, **options: object) -> None:
    """Call a command as its rule does."""
    flags = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    sys.argv = ["phasebench", command, *map(str, arguments), *flags]
    try:
        command_line()
    except SystemExit as end:
        if end.code:
            raise


def write_all() -> None:
    """Write a file with each writer of the sweep of full disks."""
    for name, write in WRITERS.items():
        write(Path(f"written/{name.replace(' ', '-')}.h5"), 1)


def _prepare(name: str) -> None:
    _call("prepare", spec=RESULTS.spec("datasets", name), output=PREPARED.data(name), manifest=PREPARED.manifest(name))


def _write_shards() -> None:
    for name in read_plan(SHARDED.shard_plan("data")).shards:
        places = {"listing": SHARDED.listing("data", name), "locations": SHARDED.locations("data", name)}
        _call("write-shard", **places, output=SHARDED.shard("data", name))


def _gather_shards() -> None:
    written = {"output": SHARDED.data("data"), "manifest": SHARDED.manifest("data")}
    _call("gather-shards", plan=SHARDED.shard_plan("data"), shards=SHARDED.shards("data"), **written)


def _train(plan: BenchmarkPlan, run: str) -> None:
    spec, data = RESULTS.spec("runs", run), plan.dataset_of(run)
    _call(
        "train",
        spec=spec,
        data=PREPARED.data(data),
        manifest=PREPARED.manifest(data),
        output=RESULTS.run(run),
        checkpoint=RESULTS.checkpoint(sha256_of_file(spec)),
        device="cpu",
        checkpoint_seconds=0,
    )


def _evaluate(plan: BenchmarkPlan, run: str) -> None:
    specs = [RESULTS.spec("evaluations", key) for key in plan.runs[run].evaluation_specs.values()]
    _call("evaluate", *specs, data=PREPARED.data(plan.dataset_of(run)), run=RESULTS.run(run), device="cpu")


def _measure_rest(plan: BenchmarkPlan, runs: list[str]) -> None:
    """All else that the tables are made of; nothing is killed here."""
    for run in runs:
        _train(plan, run)
        _evaluate(plan, run)
    folders = {"results": RESULTS.folder, "prepared": PREPARED.folder}
    for name in plan.analyses:
        _call("analyse", spec=RESULTS.spec("analyses", name), **folders, output=RESULTS.analysis(name))
    for name in plan.overheads:
        _call("overhead", spec=RESULTS.spec("overheads", name), output=RESULTS.overhead(name), device="cpu")
    for name in plan.baselines:
        spec = RESULTS.spec("baselines", name)
        _call("baselines", spec=spec, prepared=PREPARED.folder, output=RESULTS.baselines(name))
    for name in plan.properties:
        _call("properties", spec=RESULTS.spec("properties", name), output=RESULTS.properties(name))


def make_inputs(base: Path) -> BenchmarkPlan:
    """Write the spec files of the tiny benchmark and the plan of a data set in shards below ``base/work``."""
    checkout = copy_checkout(base / "checkout")
    keep_one_evaluation(checkout)
    plan = plan_tiny(checkout)
    work = base / "work"
    shutil.copytree(checkout / "results", work / "results")
    write_tree(work / "sharded/raw", FEW)
    tree = list_imagenet({"folder": "raw", "train_shards": 3, "test_shards": 1}, work / "sharded", work / "sharded")
    plan_shards(tree, "imagenet", work / "sharded/data", code=shard_code(own_source()), environment={})
    return plan


def start(run: Callable[[], object], base: Path, moment: Moment | None = None) -> Ending:
    """Start a stage in a process of its own in ``base/work``, and kill it at a moment."""
    receiver, sender = os.pipe()
    began = time.monotonic()
    if not (child := os.fork()):
        os.close(receiver)
        _in_child(run, base, sender, moment.call if moment else -1)
    os.close(sender)
    # The end of the pipe is the end of the process.
    if select.select([receiver], [], [])[0] and os.read(receiver, 1) and moment:
        time.sleep(moment.seconds)
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(receiver)
    # Killed at its very end, it may have left the file empty.
    with contextlib.suppress(OSError, ValueError):
        return Ending(status, time.monotonic() - began, int((base / "calls").read_text()))
    return Ending(status, time.monotonic() - began, 0)


def _in_child(run: Callable[[], object], base: Path, sender: int, call: int) -> None:
    status, calls, work = 1, 0, str(base / "work")

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal calls
        if event in _WATCHED and isinstance(arguments[0], str | os.PathLike):
            path = os.path.abspath(os.fspath(arguments[0]))  # noqa: PTH100 -- pathlib's would raise events of its own
            if str(path).startswith(work):
                calls += 1
                if calls == call:
                    os.write(sender, b"x")

    try:
        os.chdir(work)
        with (base / "output").open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        if call == 0:
            os.write(sender, b"x")
        sys.addaudithook(count)
        run()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        (base / "calls").write_text(str(calls))
        os._exit(status)


def state(work: Path) -> State:
    """Every file with its bytes, without the times in those of a run, and without the checkpoint before the last."""
    paths = [path for path in sorted(work.rglob("*")) if path.is_file() and path.suffix != PREVIOUS]
    return {str(path.relative_to(work)): _timeless(path) for path in paths}


def _timeless(path: Path) -> bytes:
    content = path.read_bytes()
    with contextlib.suppress(ValueError, pa.ArrowException):
        if path.name == RECORD:
            record = {key: value for key, value in json.loads(content).items() if key not in (*TIMES, CHECKSUM)}
            del record[FILES][HISTORY]["sha256"], record[FILES][HISTORY]["bytes"]
            return canonical_json(record).encode()
        if path.name == HISTORY:
            table = pq.read_table(path, use_threads=False, page_checksum_verification=True)
            return repr(table.drop_columns([TIMES[0]]).to_pydict()).encode()
    return content


def kill_stage(run: Callable[[], object], base: Path, kills: int, rng: random.Random) -> Counter[str]:
    """Kill a stage so many times, each in a fresh copy of its inputs; leave ``base/work`` with all that it makes."""
    counts: Counter[str] = Counter()
    work, inputs, made = (base / name for name in ("work", "inputs", "made"))
    for folder in (inputs, made):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(work, inputs)
    before = state(work)
    undisturbed = start(run, base)
    if undisturbed.status:
        raise RuntimeError((base / "output").read_text())
    whole, seconds = state(work), undisturbed.seconds
    work.rename(made)
    outputs = sorted(name for name in whole if whole[name] != before.get(name))
    for _ in range(kills * _MOST_ATTEMPTS):
        if counts["kills"] == kills:
            break
        _fresh(inputs, work, outputs if counts["kills"] % 2 else [])
        at_call = counts["kills"] % 4 < 2
        call = rng.randint(1, undisturbed.calls) if at_call else 0
        moment = Moment(call, rng.uniform(0, _LONGEST_DELAY_SECONDS if at_call else seconds))
        old = state(work)
        if start(run, base, moment).status != -signal.SIGKILL:
            continue
        counts["kills"] += 1
        counts.update(_after(run, base, old, whole, outputs))
    shutil.rmtree(work, ignore_errors=True)
    made.rename(work)
    return counts


def _fresh(inputs: Path, work: Path, outputs: list[str]) -> None:
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(inputs, work)
    for name in outputs:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(OLD)


def _after(run: Callable[[], object], base: Path, old: State, whole: State, outputs: list[str]) -> Counter[str]:
    """Outcomes of a kill for each file, and of the start after it."""
    counts: Counter[str] = Counter()
    found = state(base / "work")
    for name in {*outputs, *old}:
        if found.get(name) == whole.get(name):
            counts["files new and whole"] += name in outputs
        elif found.get(name) == old.get(name) or _is_kept(base / "work" / name):
            counts["files as before"] += 1
        else:
            counts["damaged"] += 1
            print(f"damaged: {name}", file=sys.stderr)
    if start(run, base).status:
        counts["not made again"] += 1
        print((base / "output").read_text(), file=sys.stderr)
    elif (again := state(base / "work")) != whole:
        counts["differs"] += 1
        names = sorted(name for name in {*again, *whole} if again.get(name) != whole.get(name))
        print(f"differs: {', '.join(names)}", file=sys.stderr)
    return counts


def _is_kept(path: Path) -> bool:
    """True if the file has just been renamed to the one before, which its reader takes where it is missing."""
    previous = previous_checkpoint(path)
    return not path.exists() and previous.is_file() and previous.read_bytes() == OLD


def main(kills: int, first_seed: int, names: list[str]) -> int:
    """Print the table; return the exit status, 1 if anything is damaged, not made again or made otherwise."""
    torch.set_num_threads(1)
    # The children have what they import from here; nothing is computed here, so that no thread of a library runs.
    for module in pkgutil.walk_packages(phasebench.__path__, "phasebench."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    total: Counter[str] = Counter()
    print(f"| stage | {' | '.join(COLUMNS)} |\n|---{'|---' * len(COLUMNS)}|", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        plan = make_inputs(base)
        for name, run in stages(plan).items():
            is_drilled = name != "rest" and (not names or name in names)
            counts = kill_stage(run, base, kills if is_drilled else 0, random.Random(f"{first_seed} {name}"))
            if is_drilled:
                total += counts
                print(f"| {name} | {' | '.join(f'{counts[column]:,}' for column in COLUMNS)} |", flush=True)
    print(f"| all | {' | '.join(f'{total[column]:,}' for column in COLUMNS)} |")
    print(f"\nseed {first_seed}, {time.monotonic() - began:.0f} s")
    return int(any(total[column] for column in BAD))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(int(os.environ.get("KILLS", "20")), int(os.environ.get("SEED", "1")), sys.argv[1:]))
