"""Sharded data set: encoded images in HDF5 files that are read by their bytes, and the index of a data set's shards.

A shard holds ``data`` (uint8, the images one behind the other), ``offsets`` (int64, n + 1), ``labels`` (int64, n) and
``keys``. The index is the data set's prepared file: ``labels`` and ``splits/*`` as in an ordinary one, with ``shards``,
``counts`` and ``sha256`` in place of samples. Sample i lies in the shard that the running sum of the counts says.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Self

import numpy as np

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json, read_json_if_whole, write_text
from phasebench.common.heartbeat import beat
from phasebench.common.processes import ALONE, Processes
from phasebench.data.hdf5 import open_hdf5, require_attribute, require_dataset, write_array, write_hdf5
from phasebench.data.labelled import check_labelled
from phasebench.data.shards.jpeg import decode
from phasebench.data.shards.plan import ShardPlan, listed_images, read_listing
from phasebench.data.shards.raw_images import Split

SCHEMA_VERSION = 1
KIND = "shards"
STAMP_SUFFIX = ".checked"
_INDEX_SUM = "sha256_index"
_REMEDY = "delete it, and the index that names it, and run snakemake to write them again"
_AGAIN = "the data set's index, and run snakemake to write them again"


@dataclass(frozen=True, eq=False)
class ShardContent:
    """The images of a shard.

    Attributes
    ----------
    split
        What they are for.
    keys, labels
        One for each image.
    images
        Encoded.
    damaged
        Key of each image that was left out, and why.
    """

    split: Split
    keys: list[str]
    labels: list[int]
    images: list[bytes]
    damaged: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """Index of a sharded data set, known without opening a shard.

    Attributes
    ----------
    paths, counts, sha256
        File, number of images and checksum of each shard.
    labels
        int64 (N,), in the order of the shards.
    splits
        Split name to int64 indices.
    classes
        One name per label.
    """

    paths: tuple[Path, ...]
    counts: np.ndarray
    sha256: tuple[str, ...]
    labels: np.ndarray
    splits: dict[str, np.ndarray]
    classes: tuple[str, ...]

    @property
    def starts(self) -> np.ndarray:
        """Index of each shard's first image, and the number of all images."""
        return np.concatenate(([0], np.cumsum(self.counts)))


class OpenShard:
    """A shard, mapped into memory as soon as an image is asked for; processes that are forked share the pages.

    The map takes one of the process' file descriptors for as long as it lives.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    PhasebenchError
        It is missing or no shard.
    """

    def __init__(self, path: Path) -> None:
        with open_hdf5(path, _REMEDY) as file:
            self.sha256 = str(require_attribute(file, "sha256", _REMEDY))
            self.split = str(require_attribute(file, "split", _REMEDY))
            self.labels = np.asarray(require_dataset(file, "labels", _REMEDY)[()])
            self._offsets = np.asarray(require_dataset(file, "offsets", _REMEDY)[()])
            self.damaged: dict[str, str] = json.loads(require_attribute(file, "damaged", _REMEDY))
            data = require_dataset(file, "data", _REMEDY)
            self._path, self._start, self._size = path, data.id.get_offset(), data.size
            of_bytes = data.dtype == np.uint8 and data.ndim == 1 and (self._start is not None or not self._size)
        arrays = (self.labels, self._offsets)
        if not of_bytes or any(array.dtype != np.int64 or array.ndim != 1 for array in arrays):
            raise PhasebenchError(f"{path}: data, labels, offsets: not of the types of a shard; {_REMEDY}")
        if not isinstance(self.damaged, dict):
            raise PhasebenchError(f"{path}: damaged: the root attribute holds no JSON object; {_REMEDY}")
        ends = [0, *self._offsets.tolist(), self._size]
        if len(self._offsets) != len(self.labels) + 1 or self._offsets[0] or ends != sorted(ends):
            raise PhasebenchError(
                f"{path}: offsets: do not divide the bytes among {len(self.labels)} images; {_REMEDY}"
            )

    @cached_property
    def _data(self) -> np.ndarray:
        if not self._size:
            return np.empty(0, "u1")
        # Read through the file system's cache alone: HDF5's own calls take a lock and copy.
        return np.memmap(self._path, dtype=np.uint8, mode="r", offset=self._start, shape=(self._size,))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, position: int) -> np.ndarray:
        """The encoded image, uint8, as a copy."""
        return np.array(self._data[self._offsets[position] : self._offsets[position + 1]])

    def measured_sha256(self) -> str:
        """Checksum of what the file holds now."""
        return _sha256(self._offsets, self.labels, self._data)


def write_shard(listing_path: Path, locations: Path, output: Path) -> ShardContent:
    """Read a shard's images, decode each to see whether it is whole, and write the shard.

    Parameters
    ----------
    listing_path, locations
        The shard's images, and where they lie.
    output
        The HDF5 file to write.

    Returns
    -------
    ShardContent
        What was written; its ``damaged`` names what was left out.

    Raises
    ------
    PhasebenchError
        An image is missing or is another than the listing says, or the shard cannot be written.
    """
    listing = read_listing(listing_path)
    content = ShardContent(listing.split, [], [], [])
    for key, label, image in listed_images(listing, locations):
        try:
            decode(image)
        except PhasebenchError as error:
            content.damaged[key] = str(error)
        else:
            content.keys.append(key)
            content.labels.append(label)
            content.images.append(image)
    write_shard_file(output, content)
    return content


def write_shard_file(path: Path, content: ShardContent) -> None:
    """Write a shard, atomically.

    Raises
    ------
    PhasebenchError
        It cannot be written.
    """
    sizes = [len(image) for image in content.images]
    offsets = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64))).astype("<i8")
    data = np.frombuffer(b"".join(content.images), dtype=np.uint8)
    labels = np.asarray(content.labels, dtype="<i8")
    with write_hdf5(path) as file:
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["split"] = content.split
        file.attrs["sha256"] = _sha256(offsets, labels, data)
        file.attrs["damaged"] = json.dumps(content.damaged, ensure_ascii=False, sort_keys=True)
        for name, array in (("offsets", offsets), ("labels", labels), ("data", data)):
            write_array(file, name, array)
        write_array(file, "keys", np.asarray(content.keys, dtype=object))


def gather_shards(plan: ShardPlan, folder: Path, output: Path, manifest: Path) -> None:
    """Write the index of a data set's shards and the manifest, which is the data's identity for training.

    Parameters
    ----------
    plan : ShardPlan
        Names the shards.
    folder : Path
        Where they are; a shard that the plan does not name is removed.
    output, manifest : Path
        The index and the manifest; ``folder`` has to lie below theirs.

    Raises
    ------
    PhasebenchError
        A shard is missing or damaged, or a split has no image left.
    """
    names = sorted(plan.shards, key=lambda name: (plan.shards[name] != "train", name))
    shards = {name: OpenShard(folder / f"{name}.h5") for name in names}
    for name, shard in shards.items():
        if shard.split != plan.shards[name] or (
            len(shard) and not 0 <= shard.labels.min() <= shard.labels.max() < len(plan.classes)
        ):
            raise PhasebenchError(f"{folder / name}.h5: split, labels: other than the plan's; {_REMEDY}")
    counts = {name: len(shard) for name, shard in shards.items()}
    n_train, n_test = (sum(counts[name] for name in names if plan.shards[name] == s) for s in ("train", "test"))
    if not n_train or not n_test:
        raise PhasebenchError(f"{folder}: of all images, {n_train} to train and {n_test} to test are undamaged")
    places = [(folder / f"{name}.h5").relative_to(output.parent).as_posix() for name in names]
    source = {"source": plan.source, "words": plan.words}
    arrays = {
        "shards": np.asarray(places, dtype=object),
        "sha256": np.asarray([shard.sha256 for shard in shards.values()], dtype=object),
        "counts": np.asarray(list(counts.values()), dtype="<i8"),
        "labels": np.concatenate([shard.labels for shard in shards.values()]),
        "splits/train": np.arange(n_train),
        "splits/test": np.arange(n_train, n_train + n_test),
    }
    with write_hdf5(output) as file:
        file.attrs.update({"schema_version": SCHEMA_VERSION, "kind": KIND})
        file.attrs["classes"] = json.dumps(plan.classes, ensure_ascii=False)
        file.attrs["source"] = json.dumps(source, ensure_ascii=False, sort_keys=True)
        for name, array in arrays.items():
            write_array(file, name, array)
        file.attrs[_INDEX_SUM] = _sha256_of_index(arrays, plan.classes)
    content = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "classes": list(plan.classes),
        "source": source,
        "n_train": n_train,
        "n_test": n_test,
        "shards": {name: {"images": counts[name], "sha256": shards[name].sha256} for name in names},
        "damaged": {key: reason for shard in shards.values() for key, reason in shard.damaged.items()},
        "n_damaged": sum(len(shard.damaged) for shard in shards.values()),
    }
    write_text(manifest, canonical_json(content))
    for path in [*folder.glob("*.h5"), *folder.glob(f"*{STAMP_SUFFIX}")]:
        if path.stem not in shards:
            path.unlink()


def read_index(path: Path) -> ShardIndex:
    """Read the index of a data set in shards.

    Raises
    ------
    PhasebenchError
        It is missing, cut, or not of this schema.
    """
    with open_hdf5(path, _REMEDY) as file:
        version, kind = (require_attribute(file, name, _REMEDY) for name in ("schema_version", "kind"))
        if kind != KIND or version != SCHEMA_VERSION:
            raise PhasebenchError(f"{path}: kind: {kind!r} of version {version} is no index of shards; {_REMEDY}")
        texts = {name: require_dataset(file, name, _REMEDY).asstr()[()] for name in ("shards", "sha256")}
        numbers = {
            name: np.asarray(require_dataset(file, name, _REMEDY)[()])
            for name in ("counts", "labels", "splits/train", "splits/test")
        }
        classes = tuple(map(str, json.loads(require_attribute(file, "classes", _REMEDY))))
        checksum = require_attribute(file, _INDEX_SUM, _REMEDY)
        if checksum != _sha256_of_index(texts | numbers, classes):
            raise PhasebenchError(f"{path}: {_INDEX_SUM}: the content has another checksum; {_REMEDY}")
    counts, n_shards = numbers["counts"], len(texts["shards"])
    if counts.dtype != np.int64 or counts.shape != (n_shards,) or len(texts["sha256"]) != n_shards or counts.min() < 0:
        raise PhasebenchError(f"{path}: counts, sha256: must be one of each for every shard; {_REMEDY}")
    splits = {name: numbers[f"splits/{name}"] for name in ("train", "test")}
    check_labelled(path, int(counts.sum()), numbers["labels"], splits, classes)
    places = [PurePosixPath(place) for place in texts["shards"]]
    if any(place.is_absolute() or ".." in place.parts for place in places):
        raise PhasebenchError(f"{path}: shards: one lies outside of the data set's folder; {_REMEDY}")
    paths = tuple(path.parent / place for place in places)
    return ShardIndex(paths, counts, tuple(map(str, texts["sha256"])), numbers["labels"], splits, classes)


def is_index(path: Path) -> bool:
    """Return True for a prepared file that is an index of shards."""
    with open_hdf5(path, _REMEDY) as file:
        return bool(file.attrs.get("kind") == KIND)


def verify_shards(index: ShardIndex, threads: int = 1, processes: Processes = ALONE) -> None:
    """Compare this process' share of the shards with the index; the content of each file once.

    Parameters
    ----------
    index : ShardIndex
        What is expected.
    threads : int
        Shards that are read at a time.
    processes : Processes
        Those that do the same, each with a share of the shards.

    Raises
    ------
    PhasebenchError
        A shard is missing, or its content is not what the index says; the first one is named.
    """
    starts = index.starts
    split_of = np.full(len(index.labels), "none", dtype=object)
    for name, indices in index.splits.items():
        split_of[indices] = name

    def verify(position: int) -> None:
        path = index.paths[position]
        if not path.is_file():
            raise PhasebenchError(f"{path}: the shard is missing; delete {_AGAIN}")
        shard = OpenShard(path)
        stamp = _Stamp.of(path, index.sha256[position])
        known = stamp.is_written(path)
        try:
            same = shard.sha256 == index.sha256[position] and (known or shard.sha256 == shard.measured_sha256())
        except (OSError, ValueError):
            same = False
        if not same or len(shard) != index.counts[position]:
            raise PhasebenchError(f"{path}: the shard's content has another checksum; delete it and {_AGAIN}")
        images = slice(starts[position], starts[position + 1])
        if not np.array_equal(shard.labels, index.labels[images]):
            raise PhasebenchError(f"{path}: the index has other labels than the shard; delete {_AGAIN}")
        if not all(split == shard.split for split in split_of[images]):
            raise PhasebenchError(f"{path}: the index has another split than the shard; delete {_AGAIN}")
        if not known:
            stamp.write(path)
        beat()

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(verify, processes.share(list(range(len(index.paths))))):
            pass


@dataclass(frozen=True)
class _Stamp:
    """Note beside a shard that its content was compared with its checksum; a file changed since has another one."""

    sha256: str
    size: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path, sha256: str) -> Self:
        status = path.stat()
        return cls(sha256, status.st_size, status.st_mtime_ns)

    def is_written(self, path: Path) -> bool:
        """True if this very file was compared before."""
        return bool(read_json_if_whole(path.with_suffix(STAMP_SUFFIX)) == asdict(self))

    def write(self, path: Path) -> None:
        """Write the note; where the folder cannot be written, the next run compares the content again."""
        with contextlib.suppress(PhasebenchError, OSError):
            write_text(path.with_suffix(STAMP_SUFFIX), canonical_json(asdict(self)))


def _sha256(offsets: np.ndarray, labels: np.ndarray, data: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in (offsets, labels, data):
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def _sha256_of_index(arrays: Mapping[str, np.ndarray], classes: Sequence[str]) -> str:
    """Checksum of an index: each array's name, type and values, and the classes."""
    digest = hashlib.sha256(json.dumps(list(classes)).encode())
    for name in sorted(arrays):
        array = arrays[name]
        content = (
            json.dumps(array.tolist()).encode() if array.dtype == object else np.ascontiguousarray(array).tobytes()
        )
        digest.update(f"\0{name} {array.dtype.str} {len(content)}\0".encode() + content)
    return digest.hexdigest()
