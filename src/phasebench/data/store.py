"""The prepared data set: one HDF5 file, and a small manifest that identifies its content.

Layout of the HDF5 file: ``images`` (uint8, N x H x W x C, C is 1 or 3), ``chips`` (complex64, N x H x W) or ``clips``
(int16, N x L, audio), ``labels`` (int64, N), one int64 index array per split under ``splits/``, and whatever else a
source knows of each sample. The root attributes hold the schema's version, the kind, the class names, the source and
SHA-256 sums.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json, write_text
from phasebench.data.hdf5 import open_hdf5, require_attribute, require_dataset, write_array, write_hdf5
from phasebench.data.labelled import REQUIRED_SPLITS, check_labelled, check_names

SCHEMA_VERSION = 1
PREPARED_FROM = "prepared_from"
Kind = Literal["image", "complex", "audio"]
_SAMPLES_KEY: dict[Kind, str] = {"image": "images", "complex": "chips", "audio": "clips"}
_REMEDY = "prepare the data set again"


@dataclass(frozen=True, eq=False)
class LoadedDataset:
    """A data set as a source hands it to :func:`write_store`.

    Attributes
    ----------
    samples
        uint8 (N, H, W, C) with C 1 or 3, complex64 (N, H, W), or int16 (N, L) for audio.
    labels
        int64 (N,), each from 0 to ``len(classes) - 1``.
    splits
        Split name to int64 indices into ``samples``; at least ``train`` and ``test``, without overlap.
    classes
        One name per label.
    source
        Where the samples come from, as JSON.
    extra
        Further arrays of length N, such as ``azimuth``; strings are allowed.
    """

    samples: np.ndarray
    labels: np.ndarray
    splits: dict[str, np.ndarray]
    classes: tuple[str, ...]
    source: dict[str, Any]
    extra: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Store:
    """A prepared data set in memory; the attributes are those of :class:`LoadedDataset`."""

    samples: np.ndarray
    labels: np.ndarray
    splits: dict[str, np.ndarray]
    classes: tuple[str, ...]
    source: dict[str, Any]
    kind: Kind

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)


def read_prepared_from(path: Path | str) -> str:
    """The spec file that a data set was prepared from; empty where none was named.

    Raises
    ------
    PhasebenchError
        The file is damaged.
    """
    with open_hdf5(path, _REMEDY) as file:
        return str(file.attrs.get(PREPARED_FROM, ""))


def write_store(
    path: Path | str,
    manifest_path: Path | str,
    *,
    samples: np.ndarray,
    labels: np.ndarray,
    splits: Mapping[str, np.ndarray],
    classes: Sequence[str],
    source: Mapping[str, Any],
    extra: Mapping[str, np.ndarray] | None = None,
    prepared_from: str = "",
) -> None:
    """Write a data set and then its manifest, each atomically. Equal content gives an equal manifest.

    Parameters
    ----------
    path, manifest_path
        The HDF5 file and the JSON file to write.
    samples, labels, splits, classes, source, extra
        See :class:`LoadedDataset`.
    prepared_from
        The spec file that asked for it. It stands in the HDF5 file alone, since other code may well give the same
        content.

    Raises
    ------
    PhasebenchError
        The arrays do not have the shapes, types and ranges of :class:`LoadedDataset`, or a file cannot be written.
    """
    store = Store(
        samples=_little_endian(samples),
        labels=_little_endian(labels),
        splits={name: _little_endian(splits[name]) for name in sorted(splits)},
        classes=tuple(classes),
        source=dict(source),
        kind=_kind_of(samples, path),
    )
    extra = extra or {}
    _check_content(path, store)
    _check_values(path, store.samples)
    _check_extra(path, store, extra)
    attributes = {"schema_version": SCHEMA_VERSION, "kind": store.kind, **_checksums(store)}
    _write_hdf5(path, store, attributes | {PREPARED_FROM: prepared_from}, extra)
    manifest = {
        **attributes,
        "classes": list(store.classes),
        "source": store.source,
        "n_train": len(store.splits["train"]),
        "n_test": len(store.splits["test"]),
        "sample_shape": list(store.samples.shape[1:]),
    }
    write_text(manifest_path, canonical_json(manifest))


def read_store(path: Path | str) -> Store:
    """Read a prepared data set into memory and verify its schema and its checksums.

    Raises
    ------
    PhasebenchError
        The file is missing, cut, no HDF5 file, of another schema version, lacks a data set or an attribute, or its
        content is not what its checksums say. The message names the file and the key.
    """
    with open_hdf5(path, _REMEDY) as file:
        store, attributes = _read_open_file(path, file)
    for key, value in _checksums(store).items():
        if str(attributes[key]) != value:
            raise PhasebenchError(f"{path}: {key}: the content has another checksum; {_REMEDY}")
    _check_content(path, store)
    return store


def read_extra(path: Path | str, name: str) -> np.ndarray | None:
    """One further value of each sample, such as ``serial`` (text) or ``azimuth``; None if the file has none.

    Raises
    ------
    PhasebenchError
        The file is missing or damaged.
    """
    with open_hdf5(path, _REMEDY) as file:
        if name not in file:
            return None
        found = require_dataset(file, name, _REMEDY)
        return np.asarray(found.asstr()[()] if h5py.check_string_dtype(found.dtype) else found[()])


def _write_hdf5(path: Path | str, store: Store, attributes: dict[str, Any], extra: Mapping[str, np.ndarray]) -> None:
    with write_hdf5(path) as file:
        file.attrs.update(attributes)
        file.attrs["classes"] = json.dumps(store.classes, ensure_ascii=False)
        file.attrs["source"] = json.dumps(store.source, ensure_ascii=False, sort_keys=True)
        write_array(file, _SAMPLES_KEY[store.kind], store.samples)
        write_array(file, "labels", store.labels)
        for name, indices in store.splits.items():
            write_array(file, f"splits/{name}", indices)
        for name, values in extra.items():
            write_array(file, name, values)


def _read_open_file(path: Path | str, file: h5py.File) -> tuple[Store, dict[str, Any]]:
    """Everything in the file, checked for presence but not yet for content."""
    version = require_attribute(file, "schema_version", _REMEDY)
    if version != SCHEMA_VERSION:
        raise PhasebenchError(
            f"{path}: schema_version: found {version}, this program reads {SCHEMA_VERSION}; {_REMEDY}"
        )
    names = ("kind", "classes", "source", "sha256_samples", "sha256_labels", "sha256_splits")
    attributes = {name: require_attribute(file, name, _REMEDY) for name in names}
    kind = attributes["kind"]
    if not isinstance(kind, str) or kind not in _SAMPLES_KEY:
        raise PhasebenchError(f"{path}: kind: {kind!r} is none of {', '.join(_SAMPLES_KEY)}; {_REMEDY}")
    split_names = sorted({*REQUIRED_SPLITS, *file.get("splits", {})})
    store = Store(
        samples=_array(file, _SAMPLES_KEY[kind]),
        labels=_array(file, "labels"),
        splits={name: _array(file, f"splits/{name}") for name in split_names},
        classes=tuple(_json(path, "classes", attributes["classes"], list)),
        source=_json(path, "source", attributes["source"], dict),
        kind=kind,
    )
    return store, attributes


def _array(file: h5py.File, name: str) -> np.ndarray:
    array = np.asarray(require_dataset(file, name, _REMEDY)[()])
    if array.dtype.kind not in "iufcb":
        raise PhasebenchError(f"{file.filename}: {name}: must be numbers; {_REMEDY}")
    return array


def _json(path: Path | str, name: str, text: Any, expected: type) -> Any:
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        value = None
    if not isinstance(value, expected):
        raise PhasebenchError(f"{path}: {name}: the root attribute holds no JSON {expected.__name__}; {_REMEDY}")
    return value


def _kind_of(samples: np.ndarray, path: Path | str) -> Kind:
    if samples.dtype == np.uint8 and samples.ndim == 4 and samples.shape[-1] in (1, 3):
        return "image"
    if samples.dtype == np.complex64 and samples.ndim == 3:
        return "complex"
    if samples.dtype == np.int16 and samples.ndim == 2:
        return "audio"
    raise PhasebenchError(
        f"{path}: samples: {samples.dtype} {samples.shape} is none of uint8 (N, H, W, 1 or 3), complex64 (N, H, W) and "
        "int16 (N, L)"
    )


def _check_content(path: Path | str, store: Store) -> None:
    """Raise unless the parts have their types and fit together."""
    if _kind_of(store.samples, path) != store.kind:
        raise PhasebenchError(f"{path}: kind: {store.kind!r} does not fit samples of type {store.samples.dtype}")
    check_labelled(path, len(store.samples), store.labels, store.splits, store.classes)


def _check_values(path: Path | str, samples: np.ndarray) -> None:
    if not samples.any():
        raise PhasebenchError(f"{path}: samples: all values are zero")
    if samples.dtype.kind == "c" and not np.isfinite(samples).all():
        raise PhasebenchError(f"{path}: samples: some values are not finite; correct or leave out such samples")


def _check_extra(path: Path | str, store: Store, extra: Mapping[str, np.ndarray]) -> None:
    for name, values in extra.items():
        if values.shape != store.labels.shape:
            raise PhasebenchError(f"{path}: {name}: {values.shape}, must be one value per sample")
        if values.dtype.kind in "UO":
            check_names(f"{path}: {name}", np.unique(values.astype(str)).tolist())


def _little_endian(array: np.ndarray) -> np.ndarray:
    """The array in C order and little-endian, itself where it is so already: files and sums agree on every machine."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _checksums(store: Store) -> dict[str, str]:
    return {
        "sha256_samples": _sha256(store.samples),
        "sha256_labels": _sha256(store.labels),
        "sha256_splits": _sha256_of_splits(store.splits),
    }


def _sha256(array: np.ndarray) -> str:
    """Hexadecimal SHA-256 of the array's bytes, in C order, without copying them."""
    return hashlib.sha256(_little_endian(array).reshape(-1).view(np.uint8).data).hexdigest()


def _sha256_of_splits(splits: Mapping[str, np.ndarray]) -> str:
    """Hexadecimal SHA-256 over each split's name, a zero byte and its indices, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        digest.update(name.encode("utf-8") + b"\0")
        digest.update(_little_endian(splits[name]).view(np.uint8).data)
    return digest.hexdigest()
