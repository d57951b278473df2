"""HDF5 files that appear whole or not at all, and whose readers refuse what is not in them."""

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.full_disk import full_disk

from phasebench.common.errors import PhasebenchError
from phasebench.data.hdf5 import open_hdf5, require_dataset, write_hdf5
from phasebench.data.shards.index import (
    OpenShard,
    ShardContent,
    _sha256_of_index,
    gather_shards,
    read_index,
    verify_shards,
    write_shard_file,
)
from phasebench.data.shards.plan import ShardPlan
from phasebench.data.sources.registry import load_source
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


def foreign(path: Path, kind: str) -> None:
    """A file whose images lie in another one."""
    secret = path.parent / "secret"
    secret.write_bytes(b"root:x:0:0" * 10)
    with h5py.File(path.parent / "other.h5", "w") as other:
        other["images"] = np.ones(100, dtype="u1")
    with h5py.File(path, "w") as file:
        if kind == "external storage":
            file.create_dataset("train/images", (100,), "u1", external=[(str(secret), 0, 100)])
        elif kind == "external link":
            file["train/images"] = h5py.ExternalLink("other.h5", "images")
        elif kind == "link of a group":
            file["train"] = h5py.ExternalLink("other.h5", "/")
        elif kind == "soft link to a link":
            file["linked"] = h5py.ExternalLink("other.h5", "/")
            file["train/images"] = h5py.SoftLink("/linked/images")
        else:
            layout = h5py.VirtualLayout((100,), "u1")
            layout[:] = h5py.VirtualSource("gone.h5" if kind == "no source" else "other.h5", "images", (100,))
            file.create_virtual_dataset("train/images", layout)


@pytest.mark.parametrize(
    "kind", ["external storage", "external link", "link of a group", "soft link to a link", "virtual", "no source"]
)
def test_values_in_another_file_are_refused(tmp_path: Path, kind: str) -> None:
    foreign(tmp_path / "a.h5", kind)
    with (
        pytest.raises(PhasebenchError, match=r"a\.h5: train/images: its values lie in another file, .*; write"),
        open_hdf5(tmp_path / "a.h5", "give another") as file,
    ):
        require_dataset(file, "train/images", "give another")


def test_links_within_the_file_are_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["values"] = np.arange(5)
        file["soft"] = h5py.SoftLink("/values")
        layout = h5py.VirtualLayout((5,), "i8")
        layout[:] = h5py.VirtualSource(".", "values", (5,))
        file.create_virtual_dataset("virtual", layout)
        for name, options in (("gzip", {"compression": "gzip"}), ("lzf", {"compression": "lzf"}), ("plain", {})):
            file.create_dataset(name, data=np.arange(5), chunks=(2,), **options)
        file["scalar"], file["empty"], file["text"] = 3, np.empty(0), ["a", "b"]
    with open_hdf5(tmp_path / "a.h5", "") as file:
        for name in ("values", "soft", "virtual", "gzip", "lzf", "plain"):
            assert require_dataset(file, name, "")[()].tolist() == [0, 1, 2, 3, 4]
        assert [require_dataset(file, name, "").shape for name in ("scalar", "empty", "text")] == [(), (0,), (2,)]


@pytest.mark.parametrize("options", [{}, {"chunks": (1 << 16,)}, {"chunks": (1 << 16,), "compression": "gzip"}])
@pytest.mark.parametrize("declared", [1 << 24, 1 << 50])
def test_more_declared_than_stored_is_refused_before_memory_is_asked_for(
    tmp_path: Path, options: dict[str, Any], declared: int
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        images = file.create_dataset("images", (declared,), "u1", **options)
        if options:
            images[:10] = 1
    with (
        pytest.raises(PhasebenchError, match=r"a\.h5: images: declares .* holds .*; give another$"),
        open_hdf5(tmp_path / "a.h5", "give another") as file,
    ):
        require_dataset(file, "images", "give another")


def test_a_saved_web_page_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("\n<!DOCTYPE html><title>404</title>")
    with (
        pytest.raises(PhasebenchError, match=r"a\.h5: no complete HDF5 file \(it is a saved web page, not data; "),
        open_hdf5(tmp_path / "a.h5", "give another"),
    ):
        pass


Content = dict[str, np.ndarray]


def shifted_labels(content: Content) -> None:
    content["labels"] = (content["labels"] + 1) % 2


def images_in_both(content: Content) -> None:
    content["splits/test"] = content["splits/train"]


def image_twice(content: Content) -> None:
    content["splits/train"][1] = content["splits/train"][0]


def splits_exchanged(content: Content) -> None:
    content["splits/train"], content["splits/test"] = content["splits/test"], content["splits/train"]


def labels_out_of_range(content: Content) -> None:
    content["labels"][0] = 5 * 10**12


def labels_of_another_count(content: Content) -> None:
    content["labels"] = content["labels"][1:]


def labels_not_whole(content: Content) -> None:
    content["labels"] = content["labels"].astype(float)


def counts_moved(content: Content) -> None:
    content["counts"] += [1, -1]


def shard_elsewhere(content: Content) -> None:
    content["shards"][0] = b"../../x.h5"


CHANGES = [
    shifted_labels,
    images_in_both,
    image_twice,
    splits_exchanged,
    labels_out_of_range,
    labels_of_another_count,
    labels_not_whole,
    counts_moved,
    shard_elsewhere,
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("with_sum", [False, True])
def test_a_changed_index_is_refused(tmp_path: Path, change: Callable[[Content], None], with_sum: bool) -> None:
    path = tmp_path / "a.h5"
    folder = tmp_path / "shards"
    for split in ("train", "test"):
        write_shard_file(folder / f"{split}.h5", ShardContent(split, ["a", "b"], [0, 1], [b"x", b"y"]))
    shards = {"train": "train", "test": "test"}
    plan = ShardPlan(source="x", classes=("a", "b"), words={}, shards=shards)
    gather_shards(plan, folder, path, tmp_path / "a.json")
    verify_shards(read_index(path))
    with h5py.File(path, "r+") as file:
        names = ("shards", "sha256", "counts", "labels", "splits/train", "splits/test")
        content = {name: file[name][()] for name in names}
        change(content)
        for name, values in content.items():
            del file[name]
            file[name] = values
        if with_sum:
            texts = {name: file[name].asstr()[()] for name in ("shards", "sha256")}
            file.attrs["sha256_index"] = _sha256_of_index(content | texts, plan.classes)
    with pytest.raises(PhasebenchError, match=r"^\S*\.h5: .*; .*|^\S*\.h5: (labels|splits).*") as caught:
        verify_shards(read_index(path))
    assert "\n" not in str(caught.value)
    assert ("sha256_index" in str(caught.value)) == (not with_sum)


@pytest.mark.parametrize("name", ["a\x01", "\x1b[31m", "a\nb", "a\u2028b", "\ufffe"])
def test_a_control_character_in_a_name_ends_at_preparation(tmp_path: Path, name: str) -> None:
    arguments = {"samples": np.ones((2, 4, 4, 1), "u1"), "labels": np.arange(2), "source": {}}
    splits = {"train": np.array([0]), "test": np.array([1])}
    for further in ({"classes": (name, "b")}, {"classes": ("a", "b"), "extra": {"serial": np.array([name, "b"])}}):
        with pytest.raises(PhasebenchError, match=r"a\.h5: (classes|serial): '.*' has a control character; rename it"):
            write_store(tmp_path / "a.h5", tmp_path / "a.json", splits=splits, **arguments, **further)
    assert not list(tmp_path.iterdir())


VALUES: list[object] = [None, 3, "text", ["a", "b"], np.arange(5.0), np.empty(0), np.zeros((2, 2), "i8"), np.arange(60)]
ATTRIBUTES: list[object] = [None, 3, "text", "[1, 2]", '{"a":', "{}", b"\xff\xfe", np.arange(3), "[" * 20_000]


def content_of(path: Path) -> tuple[list[str], list[str]]:
    """Names of the data sets and of the root attributes of a file."""
    names: list[str] = []
    with h5py.File(path) as file:
        file.visititems(lambda name, found: names.append(name) if isinstance(found, h5py.Dataset) else None)
        return names, list(file.attrs)


def own_images(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for split in ("train", "test"):
            file[f"{split}/images"], file[f"{split}/labels"] = np.ones((5, 4, 4, 3), "u1"), np.arange(5) % 2
        file.attrs["classes"] = ["a", "b"]


def read_own_images(path: Path) -> object:
    return load_source("hdf5", {"path": str(path)}, path.parent, False)


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """Message of a reader that refuses a file; empty where it takes it."""
    try:
        read(path)
    except PhasebenchError as error:
        return str(error)
    return ""


READERS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "prepared": (store, read_store),
    "shard": (shard, lambda path: OpenShard(path).measured_sha256()),
    "index": (index, lambda path: verify_shards(read_index(path))),
    "own": (own_images, read_own_images),
}


@pytest.mark.parametrize("kind", READERS)
def test_any_part_of_another_kind_is_read_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    write, read = READERS[kind]
    path, refused = tmp_path / "a.h5", 0
    write(path)
    names, attributes = content_of(path)
    whole = path.read_bytes()
    for name, value in [*itertools.product(names, VALUES), *itertools.product(attributes, ATTRIBUTES)]:
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            part = file if name in names else file.attrs
            del part[name]
            if value is not None:
                part[name] = value
        message = refusal(read, path)
        refused += bool(message)
        assert message.startswith(str(tmp_path) if message else "")
        assert "\n" not in message
    assert refused > len(names) * len(VALUES) // 2


@pytest.mark.parametrize("kind", READERS)
def test_damaged_bytes_are_read_as_they_were_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    write, read = READERS[kind]
    path, refused, drawn = tmp_path / "a.h5", 0, random.Random(3)
    write(path)
    whole = path.read_bytes()
    for _ in range(40):
        changed = bytearray(whole)
        start = drawn.randrange(min(len(whole), 4096))
        changed[start : start + drawn.randrange(1, 40)] = drawn.randbytes(drawn.randrange(40))
        path.write_bytes(changed)
        message = refusal(read, path)
        refused += bool(message)
        assert "\n" not in message
    assert refused
