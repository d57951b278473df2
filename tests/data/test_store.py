"""The prepared data set: what is written is read, and damage is named."""

import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from phasebench.common.errors import PhasebenchError
from phasebench.data.prepare import prepare_dataset
from phasebench.data.store import read_store, write_store

SERIALS = np.array(["9563", "c71", "Ä 1", "s7", "132", "A04"])


def _content(**changes: Any) -> dict[str, Any]:
    random = np.random.default_rng(0)
    content: dict[str, Any] = {
        "samples": random.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8),
        "labels": np.array([0, 1, 2, 0, 1, 2]),
        "splits": {"train": np.array([0, 2, 4]), "test": np.array([5, 1])},
        "classes": ("cat", "dög", "emu"),
        "source": {"source": "test", "name": "animals"},
    }
    return content | changes


def _write(folder: Path, **changes: Any) -> Path:
    path = folder / "animals.h5"
    write_store(path, folder / "animals.json", **_content(**changes))
    return path


def _chips() -> np.ndarray:
    random = np.random.default_rng(1)
    return (random.normal(size=(6, 4, 4)) + 1j * random.normal(size=(6, 4, 4))).astype(np.complex64)


@pytest.mark.parametrize(("samples", "kind"), [(_content()["samples"], "image"), (_chips(), "complex")])
def test_what_is_written_is_read(tmp_path: Path, samples: np.ndarray, kind: str) -> None:
    store = read_store(_write(tmp_path, samples=samples))
    expected = _content(samples=samples)
    np.testing.assert_array_equal(store.samples, samples)
    assert store.samples.dtype == samples.dtype
    np.testing.assert_array_equal(store.labels, expected["labels"])
    assert {name: indices.tolist() for name, indices in store.splits.items()} == {"train": [0, 2, 4], "test": [5, 1]}
    assert (store.classes, store.n_classes, store.source, store.kind) == (
        expected["classes"],
        3,
        expected["source"],
        kind,
    )


def test_file_has_the_documented_layout(tmp_path: Path) -> None:
    azimuth = np.linspace(0.0, 300.0, 6, dtype=np.float32)
    path = _write(tmp_path, samples=_chips(), extra={"serial": SERIALS, "azimuth": azimuth})
    with h5py.File(path) as file:
        assert set(file) == {"chips", "labels", "splits", "serial", "azimuth"}
        assert file["serial"].asstr()[()].tolist() == SERIALS.tolist()
        assert h5py.check_string_dtype(file["serial"].dtype) == ("utf-8", None)
        np.testing.assert_array_equal(file["azimuth"][()], azimuth)
        assert file["splits/train"].dtype == np.int64
        assert file.attrs["schema_version"] == 1
        assert json.loads(file.attrs["classes"]) == ["cat", "dög", "emu"]
        assert json.loads(file.attrs["source"]) == {"source": "test", "name": "animals"}


def test_checksums_are_sha256_of_the_bytes(tmp_path: Path) -> None:
    content = _content()
    _write(tmp_path, samples=np.asfortranarray(content["samples"]))
    manifest = json.loads((tmp_path / "animals.json").read_text(encoding="utf-8"))
    assert manifest["sha256_samples"] == hashlib.sha256(content["samples"].tobytes()).hexdigest()
    assert manifest["sha256_labels"] == hashlib.sha256(content["labels"].astype("<i8").tobytes()).hexdigest()
    splits = content["splits"]
    expected = b"test\0" + splits["test"].astype("<i8").tobytes() + b"train\0" + splits["train"].astype("<i8").tobytes()
    assert manifest["sha256_splits"] == hashlib.sha256(expected).hexdigest()


def test_manifest_is_complete_and_depends_on_content_alone(tmp_path: Path) -> None:
    texts = set()
    for folder in (tmp_path / "one", tmp_path / "two"):
        _write(folder)
        texts.add((folder / "animals.json").read_text(encoding="utf-8"))
    assert len(texts) == 1
    manifest = json.loads(texts.pop())
    digests = {"sha256_samples", "sha256_labels", "sha256_splits"}
    assert {key: value for key, value in manifest.items() if key not in digests} == {
        "schema_version": 1,
        "kind": "image",
        "classes": ["cat", "dög", "emu"],
        "source": {"source": "test", "name": "animals"},
        "n_train": 3,
        "n_test": 2,
        "sample_shape": [4, 5, 3],
    }
    assert digests < set(manifest)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"samples": np.zeros((6, 4, 5, 3), np.float32)}, "samples"),
        ({"samples": np.zeros((6, 4, 5, 2), np.uint8)}, "samples"),
        ({"samples": np.zeros((6, 4, 5, 3), np.uint8)}, "samples"),
        ({"samples": np.full((6, 4, 4), np.nan, np.complex64)}, "samples"),
        ({"labels": np.zeros(6, np.int32)}, "labels"),
        ({"labels": np.zeros(5, np.int64)}, "labels"),
        ({"labels": np.array([0, 1, 2, 3, 0, 0])}, "labels"),
        ({"labels": np.array([0, 1, 2, -1, 0, 0])}, "labels"),
        ({"splits": {"train": np.array([0, 1])}}, "splits/test"),
        ({"splits": {"train": np.array([0, 1]), "test": np.array([], np.int64)}}, "splits/test"),
        ({"splits": {"train": np.array([0, 6]), "test": np.array([1])}}, "splits/train"),
        ({"splits": {"train": np.array([0, -1]), "test": np.array([1])}}, "splits/train"),
        ({"splits": {"train": np.array([0, 1]), "test": np.array([1])}}, "splits"),
        ({"classes": ()}, "classes"),
        ({"classes": ("cat", "dog", "cat")}, "classes"),
        ({"extra": {"serial": SERIALS[:5]}}, "serial"),
    ],
)
def test_content_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    with pytest.raises(PhasebenchError) as error:
        _write(tmp_path, **changes)
    assert str(error.value).startswith(f"{tmp_path / 'animals.h5'}: {key}: ")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.9, 0.999])
def test_cut_file_is_refused_by_name(tmp_path: Path, share: float) -> None:
    path = _write(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PhasebenchError) as error:
        read_store(path)
    assert str(error.value).startswith(f"{path}: no complete HDF5 file")
    assert "\n" not in str(error.value)


def test_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match=r"nowhere\.h5: there is no such file"):
        read_store(tmp_path / "nowhere.h5")


@pytest.mark.parametrize("name", ["images", "labels", "splits", "splits/test", "splits/train"])
def test_missing_data_set_is_named(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path)
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(PhasebenchError) as error:
        read_store(path)
    assert str(error.value).startswith(f"{path}: {name}")
    assert "missing" in str(error.value)


@pytest.mark.parametrize("name", ["schema_version", "kind", "classes", "source", "sha256_samples", "sha256_splits"])
def test_missing_attribute_is_named(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path)
    with h5py.File(path, "r+") as file:
        del file.attrs[name]
    with pytest.raises(PhasebenchError) as error:
        read_store(path)
    assert str(error.value).startswith(f"{path}: {name}: the root attribute is missing")


@pytest.mark.parametrize(
    ("name", "value"),
    [("schema_version", 2), ("kind", "sound"), ("kind", 3), ("classes", "[cat"), ("classes", "{}"), ("source", "[]")],
)
def test_wrong_attribute_is_named(tmp_path: Path, name: str, value: object) -> None:
    path = _write(tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(PhasebenchError) as error:
        read_store(path)
    assert str(error.value).startswith(f"{path}: {name}: ")


@pytest.mark.parametrize(
    ("name", "key"),
    [("images", "sha256_samples"), ("labels", "sha256_labels"), ("splits/train", "sha256_splits")],
)
def test_changed_content_fails_its_checksum(tmp_path: Path, name: str, key: str) -> None:
    path = _write(tmp_path)
    with h5py.File(path, "r+") as file:
        values = file[name][()]
        values.flat[0] += 1
        file[name][...] = values
    with pytest.raises(PhasebenchError) as error:
        read_store(path)
    assert str(error.value).startswith(f"{path}: {key}: ")


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = _write(tmp_path)
    before = path.read_bytes()
    with pytest.raises(PhasebenchError):
        _write(tmp_path, labels=np.full(6, 9))
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["animals.h5", "animals.json"]


def test_prepare_writes_file_and_manifest(tmp_path: Path) -> None:
    output, manifest = tmp_path / "prepared" / "digits.h5", tmp_path / "prepared" / "digits.json"
    prepare_dataset("digits", {}, tmp_path, False, output, manifest)
    store = read_store(output)
    assert len(store.samples) == 1797
    assert json.loads(manifest.read_text(encoding="utf-8"))["n_train"] == len(store.splits["train"])


def test_prepare_names_an_unknown_source(tmp_path: Path) -> None:
    with pytest.raises(
        PhasebenchError,
        match=r"data source 'cifar11' is not known; choose one of arrays, audio_folder, .*svhn",
    ):
        prepare_dataset("cifar11", {}, tmp_path, False, tmp_path / "a.h5", tmp_path / "a.json")
    assert not list(tmp_path.iterdir())
