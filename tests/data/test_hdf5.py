"""HDF5 files that appear whole or not at all, and whose readers refuse what is not in them."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.full_disk import full_disk

from phasebench.common.errors import PhasebenchError
from phasebench.data.hdf5 import write_hdf5
from phasebench.data.shards.index import OpenShard, ShardContent, gather_shards, read_index, write_shard_file
from phasebench.data.shards.plan import ShardPlan
from phasebench.data.store import read_store, write_store


def store(path: Path) -> None:
    random = np.random.RandomState(0)
    write_store(
        path,
        path.with_suffix(".json"),
        samples=random.randint(1, 255, (60, 16, 16, 3)).astype("u1"),
        labels=np.arange(60) % 3,
        splits={"train": np.arange(40), "test": np.arange(40, 60)},
        classes=("a", "b", "c"),
        source={"source": "x"},
        extra={"serial": np.array(["s"] * 60)},
        prepared_from="x" * 5000,
    )


def shard(path: Path) -> None:
    images = [bytes([number]) * 1000 for number in range(40)]
    write_shard_file(path, ShardContent("train", [f"class/{i}.JPEG" for i in range(40)], [0] * 40, images))


def index(path: Path) -> None:
    folder = path.parent / "shards"
    if not folder.exists():
        for split in ("train", "test"):
            keys = [f"c/{i}" for i in range(400)]
            write_shard_file(folder / f"{split}.h5", ShardContent(split, keys, [0] * 400, [b"x"] * 400))
    shards = {"train": "train", "test": "test"}
    gather_shards(
        ShardPlan(source="x", classes=("a",), words={}, shards=shards), folder, path, path.with_suffix(".json")
    )


def check_shard(path: Path) -> None:
    found = OpenShard(path)
    assert found.sha256 == found.measured_sha256()


@pytest.mark.parametrize(("write", "check"), [(store, read_store), (shard, check_shard), (index, read_index)])
def test_a_full_disk_at_any_byte_leaves_the_old_file_whole(
    tmp_path: Path, write: Callable[[Path], None], check: Callable[[Path], object]
) -> None:
    path = tmp_path / "a.h5"
    write(path)
    before, size = path.read_bytes(), path.stat().st_size
    names = sorted(tmp_path.iterdir())
    for free in [0, 1, 7, 8, 95, 96, 512, *np.linspace(600, size - 1, 28, dtype=int).tolist()]:
        with full_disk(free), pytest.raises(PhasebenchError, match=r"^\S*a\.h5: cannot be written: File too large$"):
            write(path)
        assert path.read_bytes() == before
        assert sorted(tmp_path.iterdir()) == names
    write(path)
    check(path)


def test_an_hdf5_file_that_is_not_finished_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), write_hdf5(path) as file:
        file["a"] = 1 / 0
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_written_hdf5_reads_as_any_other(tmp_path: Path) -> None:
    with write_hdf5(tmp_path / "a.h5") as file:
        for number in range(300):
            file[f"group/{number}"] = np.arange(number + 1)
            file.attrs[f"attribute {number}"] = "text" * 50
    with h5py.File(tmp_path / "a.h5") as file:
        assert all(np.array_equal(file[f"group/{n}"], np.arange(n + 1)) for n in range(300))
        assert len(file.attrs) == 300
