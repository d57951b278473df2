"""Image sets read from small files in their public formats, and from someone's own HDF5 file."""

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from torchvision import datasets

from phasebench.common.errors import PhasebenchError
from phasebench.data.prepare import prepare_dataset
from phasebench.data.sources.registry import load_source
from phasebench.data.store import read_store

RANDOM = np.random.default_rng(0)
IDX_SETS = {"mnist": "MNIST", "kmnist": "KMNIST", "fashion_mnist": "FashionMNIST"}
CIFAR_SETS = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}


def _images(n_images: int, channels: int, size: int = 32) -> np.ndarray:
    return RANDOM.integers(0, 256, (n_images, size, size, channels), dtype=np.uint8)


def _write_idx(path: Path, values: np.ndarray) -> None:
    """The idx format: a magic number with type (8: unsigned byte) and rank, big-endian sizes, the values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    path.write_bytes(header + values.astype(np.uint8).tobytes())


def _write_idx_set(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Seven training and three test images below ``folder``."""
    images, labels = _images(10, 1, size=28), np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
    for prefix, part in (("train", slice(0, 7)), ("t10k", slice(7, 10))):
        _write_idx(folder / f"{prefix}-images-idx3-ubyte", images[part, ..., 0])
        _write_idx(folder / f"{prefix}-labels-idx1-ubyte", labels[part])
    return images, labels


@pytest.mark.parametrize(("name", "folder"), IDX_SETS.items())
def test_idx_files(tmp_path: Path, name: str, folder: str) -> None:
    images, labels = _write_idx_set(tmp_path / folder / "raw")
    loaded = load_source(name, {}, tmp_path, download=False)
    np.testing.assert_array_equal(loaded.samples, images)
    np.testing.assert_array_equal(loaded.labels, labels)
    assert {split: indices.tolist() for split, indices in loaded.splits.items()} == {
        "train": list(range(7)),
        "test": [7, 8, 9],
    }
    assert len(loaded.classes) == 10
    assert loaded.source == {"source": "torchvision", "name": name}


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _write_cifar_set(
    dataset: Any, data_root: Path, label_key: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[np.ndarray, np.ndarray]:
    """Four images per batch file of the public layout; of torchvision, only the expected checksums are replaced."""
    folder = data_root / dataset.base_folder
    folder.mkdir(parents=True)
    images, labels = [], []
    for attribute in ("train_list", "test_list"):
        entries = []
        for file_name, _ in getattr(dataset, attribute):
            images.append(_images(4, 3))
            labels.append(RANDOM.integers(0, len(names), 4))
            batch = {"data": images[-1].transpose(0, 3, 1, 2).reshape(4, -1), label_key: labels[-1].tolist()}
            (folder / file_name).write_bytes(pickle.dumps(batch))
            entries.append([file_name, _md5(folder / file_name)])
        monkeypatch.setattr(dataset, attribute, entries)
    meta = folder / dataset.meta["filename"]
    meta.write_bytes(pickle.dumps({dataset.meta["key"]: names}))
    monkeypatch.setattr(dataset, "meta", dataset.meta | {"md5": _md5(meta)})
    return np.concatenate(images), np.concatenate(labels)


@pytest.mark.parametrize(("name", "label_key", "n_train"), [("cifar10", "labels", 20), ("cifar100", "fine_labels", 4)])
def test_cifar_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, label_key: str, n_train: int
) -> None:
    names = [f"class {index}" for index in range(10)]
    images, labels = _write_cifar_set(CIFAR_SETS[name], tmp_path, label_key, names, monkeypatch)
    loaded = load_source(name, {}, tmp_path, download=False)
    np.testing.assert_array_equal(loaded.samples, images)
    np.testing.assert_array_equal(loaded.labels, labels)
    assert loaded.splits["train"].tolist() == list(range(n_train))
    assert loaded.splits["test"].tolist() == list(range(n_train, n_train + 4))
    assert loaded.classes == tuple(names)


def test_svhn_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {}
    for split, n_images in (("train", 6), ("test", 4)):
        images, labels = _images(n_images, 3), RANDOM.integers(1, 11, n_images)
        labels[0] = 10
        path = tmp_path / f"{split}_32x32.mat"
        savemat(path, {"X": images.transpose(1, 2, 3, 0), "y": labels[:, np.newaxis].astype(np.uint8)})
        expected[split] = (images, labels % 10, ["unused", path.name, _md5(path)])
    monkeypatch.setattr(datasets.SVHN, "split_list", {split: entry[2] for split, entry in expected.items()})
    loaded = load_source("svhn", {}, tmp_path, download=False)
    for split, (images, labels, _) in expected.items():
        np.testing.assert_array_equal(loaded.samples[loaded.splits[split]], images)
        np.testing.assert_array_equal(loaded.labels[loaded.splits[split]], labels)
    assert loaded.classes == tuple("0123456789")


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cifar10", "cifar-10-batches-py"),
        ("cifar100", "cifar-100-python"),
        ("svhn", ""),
        *((name, f"{folder}/raw") for name, folder in IDX_SETS.items()),
    ],
)
def test_missing_files_are_named_with_both_remedies(tmp_path: Path, name: str, folder: str) -> None:
    with pytest.raises(PhasebenchError) as error:
        load_source(name, {}, tmp_path / "raw", download=False)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'raw' / folder}: data source {name}: ")
    assert "set 'download: true' or put the complete files there" in message
    assert "\n" not in message


def test_damaged_cifar_batch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_cifar_set(datasets.CIFAR10, tmp_path, "labels", ["a", "b"], monkeypatch)
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(PhasebenchError, match="data source cifar10: Dataset not found or corrupted"):
        load_source("cifar10", {}, tmp_path, download=False)


@pytest.mark.parametrize("n_bytes", [0, 3, 10, 500])
@pytest.mark.parametrize("file_name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_cut_idx_file_is_refused(tmp_path: Path, file_name: str, n_bytes: int) -> None:
    path = tmp_path / "MNIST" / "raw" / file_name
    _write_idx_set(path.parent)
    path.write_bytes(path.read_bytes()[: min(n_bytes, path.stat().st_size - 1)])
    with pytest.raises(PhasebenchError) as error:
        load_source("mnist", {}, tmp_path, download=False)
    assert str(error.value).startswith(f"{path.parent}: data source mnist: ")
    assert "\n" not in str(error.value)


def test_nothing_is_fetched_unless_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise OSError("the network is not there")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", refuse)
    with pytest.raises(PhasebenchError, match="Dataset not found"):
        load_source("mnist", {}, tmp_path, download=False)
    with pytest.raises(PhasebenchError, match="the network is not there; try again or put the complete files there"):
        load_source("mnist", {}, tmp_path, download=True)


def test_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match="data source mnist: options: key 'size' is not known"):
        load_source("mnist", {"size": 32}, tmp_path, download=False)


def _write_hdf5(path: Path, change: Callable[[dict[str, Any]], None] = lambda content: None) -> dict[str, Any]:
    content: dict[str, Any] = {
        "train/images": _images(6, 3),
        "train/labels": np.array([0, 1, 2, 0, 1, 2]),
        "test/images": _images(4, 3),
        "test/labels": np.array([2, 1, 0, 2]),
        "classes": ["cat", "dög", "emu"],
    }
    change(content)
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            if name == "classes":
                file.attrs["classes"] = values
            elif "images" in name:
                file.create_dataset(name, data=values, compression="gzip", chunks=(2, *values.shape[1:]))
            else:
                file[name] = values
    return content


@pytest.mark.parametrize("path", ["own.h5", "{root}/own.h5"])
def test_own_hdf5_file(tmp_path: Path, path: str) -> None:
    content = _write_hdf5(tmp_path / "own.h5")
    output = tmp_path / "prepared.h5"
    options = {"path": path.format(root=tmp_path)}
    prepare_dataset("hdf5", options, tmp_path, False, output, tmp_path / "prepared.json")
    store = read_store(output)
    for split in ("train", "test"):
        np.testing.assert_array_equal(store.samples[store.splits[split]], content[f"{split}/images"])
        np.testing.assert_array_equal(store.labels[store.splits[split]], content[f"{split}/labels"])
    assert store.classes == ("cat", "dög", "emu")
    assert str(tmp_path) not in (tmp_path / "prepared.json").read_text(encoding="utf-8")


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update({key: value})


def _remove(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.pop(key)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (_remove("train/images"), "train/images"),
        (_remove("test/labels"), "test/labels"),
        (_remove("classes"), "classes"),
        (_set("train/images", np.zeros((6, 32, 32, 3), np.float32)), "train/images"),
        (_set("test/images", np.zeros((4, 3, 32, 32), np.uint8)), "test/images"),
        (_set("test/images", np.zeros((4, 16, 16, 3), np.uint8)), "test/images"),
        (_set("train/labels", np.zeros(5, np.int64)), "train/labels"),
        (_set("train/labels", np.zeros(6, np.float64)), "train/labels"),
        (_set("train/labels", np.array([0, 1, 2, 3, 0, 0])), "train/labels"),
        (_set("test/labels", np.array([0, 1, -1, 0])), "test/labels"),
    ],
)
def test_hdf5_file_that_does_not_fit_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], key: str
) -> None:
    path = tmp_path / "own.h5"
    _write_hdf5(path, change)
    with pytest.raises(PhasebenchError) as error:
        load_source("hdf5", {"path": "own.h5"}, tmp_path, download=False)
    assert str(error.value).startswith(f"{path}: {key}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_hdf5_file_that_is_cut_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "own.h5"
    _write_hdf5(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(PhasebenchError) as error:
        load_source("hdf5", {"path": "own.h5"}, tmp_path, download=False)
    assert str(error.value).startswith(f"{path}: no complete HDF5 file")
    assert "\n" not in str(error.value)


def test_hdf5_path_is_required_and_must_exist(tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match="data source hdf5: options: key 'path' is missing"):
        load_source("hdf5", {}, tmp_path, download=False)
    with pytest.raises(PhasebenchError, match=r"none\.h5: there is no such file"):
        load_source("hdf5", {"path": "none.h5"}, tmp_path, download=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><title>503</title>", r"idx3-ubyte: data source mnist: it is a saved web page, not data"),
        (b"\0" * 5, r"MNIST/raw: data source mnist: .+; delete the damaged file there; set 'download: true' or put"),
        (b"", r"MNIST/raw: data source mnist: .+; delete the damaged file there; set 'download: true' or put"),
    ],
)
def test_a_damaged_file_that_is_there_has_to_be_deleted(tmp_path: Path, content: bytes, message: str) -> None:
    folder = tmp_path / "MNIST/raw"
    folder.mkdir(parents=True)
    for split in ("train", "t10k"):
        for part in ("images-idx3", "labels-idx1"):
            (folder / f"{split}-{part}-ubyte").write_bytes(content)
    with pytest.raises(PhasebenchError, match=message) as caught:
        load_source("mnist", {}, tmp_path, download=False)
    assert "\n" not in str(caught.value)
