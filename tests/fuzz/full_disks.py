"""Writers on disks of all sizes: afterwards the old file is as it was, or the new one is whole."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save
from support.full_disk import full_disk

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import csv_text, sha256_of_file, write_bytes, write_plan, write_table, write_text
from phasebench.data.shards.index import ShardContent, write_shard_file
from phasebench.data.store import write_store
from phasebench.training.checkpoint import TrainingState, save_checkpoint

AMOUNTS = 35
COLUMNS = ("old file intact", "new file whole", "damaged", "leftovers")


def _store(path: Path, number: int) -> None:
    images = np.random.default_rng(number).integers(1, 256, (40, 8, 8, 3), dtype=np.uint8)
    splits = {"train": np.arange(30), "test": np.arange(30, 40)}
    labels = np.arange(40) % 2
    write_store(
        path, path.with_suffix(".json"), samples=images, labels=labels, splits=splits, classes=("a", "b"), source={}
    )


def _shard(path: Path, number: int) -> None:
    images = [np.random.default_rng(number + i).bytes(500) for i in range(20)]
    write_shard_file(path, ShardContent("train", [f"k{i}" for i in range(20)], [0] * 20, images))


def _table(path: Path, number: int) -> None:
    write_table(path, pd.DataFrame({"a": np.random.default_rng(number).random(2000)}))


WRITERS: dict[str, Callable[[Path, int], object]] = {
    "text": lambda path, number: write_text(path, f"{number}" * 9000),
    "spec file": lambda path, number: write_plan(path, f"{number}" * 9000),
    "CSV": lambda path, number: write_text(path, csv_text(pd.DataFrame({"a": [f"={number}"] * 2000}))),
    "table": _table,
    "prepared data": _store,
    "shard": _shard,
    "weights": lambda path, number: write_bytes(path, save({"w": torch.full((2000,), float(number))})),
    "checkpoint": lambda path, number: save_checkpoint(
        path, "d", TrainingState(number, {"w": torch.full((2000,), float(number))})
    ),
}


def sweep(write: Callable[[Path, int], object], amounts: int = AMOUNTS) -> Counter[str]:
    """Outcomes of writing over a file with so many different amounts of free space."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "a.h5"
        write(path, 2)
        new, size = sha256_of_file(path), path.stat().st_size
        for free in np.linspace(0, 1.1 * size, amounts).astype(int).tolist():
            for other in folder.iterdir():
                other.unlink()
            write(path, 1)
            old, files = sha256_of_file(path), set(folder.iterdir())
            counts.update(_after(lambda: write(path, 2), free, path, old, new))
            # A checkpoint keeps the one before.
            counts["leftovers"] += len(set(folder.iterdir()) - files - {path.with_name("a.h5.previous")})
    return counts


def _after(write: Callable[[], object], free: int, path: Path, old: str, new: str) -> Iterator[str]:
    if not (child := os.fork()):
        status = 1
        try:
            with full_disk(free):
                write()
            status = 0
        except PhasebenchError as error:
            status = 2 if len(str(error).splitlines()) == 1 else 1
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found = sha256_of_file(path) if path.is_file() else ""
    if (status, found) == (2, old):
        yield "old file intact"
    elif (status, found) == (0, new):
        yield "new file whole"
    else:
        yield "damaged"


def main() -> int:
    """Print the table; return the exit status, 1 if any file was damaged."""
    print(f"| writer | amounts of free space | {' | '.join(COLUMNS)} |\n|---{'|---' * (len(COLUMNS) + 1)}|")
    total: Counter[str] = Counter()
    for name, write in WRITERS.items():
        counts = sweep(write)
        total += counts
        print(f"| {name} | {AMOUNTS} | {' | '.join(str(counts[column]) for column in COLUMNS)} |", flush=True)
    return int(bool(total["damaged"] or total["leftovers"]))
