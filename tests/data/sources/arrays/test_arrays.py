"""Data sets of a function, and of NumPy's and MATLAB's files."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from support.checkout import ROOT

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import read_json
from phasebench.data.prepare import prepare_dataset
from phasebench.data.sources.arrays.labelled_arrays import as_dataset
from phasebench.data.sources.registry import load_source
from phasebench.provenance.spec_files import plan_benchmark
from phasebench.specs.stage import DatasetIdentity, read_identity

GENERATOR = np.random.default_rng(3)
CHIPS = (GENERATOR.normal(size=(10, 4, 5)) + 1j * GENERATOR.normal(size=(10, 4, 5))).astype(np.complex64)
LABELS = np.arange(10) % 2
FUNCTION = """
import numpy as np
from neighbour import LABELS


def load(size=6):
    images = np.linspace(0.0, 1.0, 12 * size * size).reshape(12, size, size)
    return {"samples": images, "labels": LABELS, "groups": np.arange(12) // 2}
"""
NEIGHBOUR = "LABELS = ['b', 'a', 'a', 'b'] * 3\n"


def test_chips_of_numpy_files(tmp_path: Path) -> None:
    folder = tmp_path / "chips"
    folder.mkdir()
    arrays = {"samples": CHIPS.astype(np.complex128), "labels": LABELS, "is_test": np.arange(10) >= 8}
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    np.savez(tmp_path / "chips.npz", **arrays)
    for path in ("chips", "chips.npz"):
        loaded = load_source("arrays", {"path": path}, tmp_path, False)
        assert loaded.samples.dtype == np.complex64
        assert (loaded.samples == CHIPS).all()
        assert (loaded.labels.tolist(), loaded.classes) == (LABELS.tolist(), ("0", "1"))
        assert loaded.splits["test"].tolist() == [8, 9]


def test_chips_of_matlab(tmp_path: Path) -> None:
    # As MATLAB writes samples(:, :, k) and a column of labels: axes the other way round, complex as pairs.
    pairs = np.zeros((10, 5, 4), dtype=[("real", "f4"), ("imag", "f4")])
    pairs["real"], pairs["imag"] = CHIPS.real.swapaxes(1, 2), CHIPS.imag.swapaxes(1, 2)
    with h5py.File(tmp_path / "chips.mat", "w") as file:
        file["samples"] = pairs
        file["labels"] = (LABELS + 1.0)[np.newaxis]
    loaded = load_source("arrays", {"path": "chips.mat"}, tmp_path, False)
    assert (loaded.samples == CHIPS).all()
    assert (loaded.labels.tolist(), loaded.classes) == (LABELS.tolist(), ("1", "2"))
    assert len(loaded.splits["test"]) == 2


def test_complex_chips_in_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "chips.h5", "w") as file:
        file.attrs["classes"] = ["a", "b"]
        for part, rows in (("train", slice(8)), ("test", slice(8, 10))):
            file[f"{part}/chips"], file[f"{part}/labels"] = CHIPS[rows], LABELS[rows]
    loaded = load_source("hdf5", {"path": "chips.h5"}, tmp_path, False)
    assert (loaded.samples == CHIPS).all()
    with h5py.File(tmp_path / "chips.h5", "a") as file:
        del file["test/chips"]
        file["test/chips"] = CHIPS[8:].real
    with pytest.raises(PhasebenchError, match=r"test/chips: float32 .* must be complex64"):
        load_source("hdf5", {"path": "chips.h5"}, tmp_path, False)


def test_a_function_of_somebody_else_from_the_plan_to_the_prepared_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(FUNCTION)
    (tmp_path / "neighbour.py").write_text(NEIGHBOUR)
    chosen = {"source": "own.py:load", "name": "stripes", "options": {"size": 8}}
    settings = {"scale": "demo", "suites": ["phase_matters"], "datasets": {"mnist": chosen}}

    def planned() -> DatasetIdentity:
        plan_benchmark(yaml.safe_load(yaml.safe_dump(settings)), ROOT, Path("results"), write=True, base=Path())
        return read_identity(DatasetIdentity, Path("results/demo/specs/datasets/stripes.json"))

    identity = planned()
    assert (identity.source, identity.options) == ("function", {"target": "own.py:load", "size": 8})
    # What builds networks has no part in it.
    assert not any(name.startswith("phasebench.models") for name in identity.code)
    data, manifest = tmp_path / "stripes.h5", tmp_path / "stripes.json"
    prepare_dataset(identity.source, identity.options, tmp_path, False, data, manifest)
    found = read_json(manifest, "")
    assert (found["classes"], found["sample_shape"]) == (["a", "b"], [8, 8, 1])
    with h5py.File(data) as file:
        labels = file["labels"][()].tolist()
        assert labels == [1, 0, 0, 1] * 3
        # No group trains and tests.
        sides = [{int(index) // 2 for index in file[f"splits/{name}"][()]} for name in ("train", "test")]
    assert (len(sides[0]), len(sides[1]), sides[0] & sides[1]) == (5, 1, set())
    # An edit prepares it again, also of what the function imports; a comment does not.
    (tmp_path / "own.py").write_text(FUNCTION + "# A comment.\n")
    assert planned() == identity
    (tmp_path / "neighbour.py").write_text(NEIGHBOUR.replace("'b', 'a', 'a'", "'b', 'a', 'b'"))
    assert planned().code != identity.code
    chosen["source"] = "gone.py:load"
    with pytest.raises(PhasebenchError, match=r"datasets.mnist: source: there is no file .*gone.py"):
        planned()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"samples": np.zeros((10, 4, 5)) + 2.0}, "floats must be finite and from 0 to 1"),
        ({"samples": np.zeros((10, 4, 5), dtype=np.int32)}, "samples: int32"),
        ({"labels": LABELS[:9]}, "labels: shape"),
        ({"labels": LABELS + 0.5}, "labels: float64, must be integers or texts"),
        ({"labels": ["a", "c"] * 5, "classes": ["a", "b"]}, "labels: 'c' is none of the classes"),
        ({"groups": LABELS, "is_test": np.arange(10) < 2}, "groups: '0' trains and tests"),
        ({"label": LABELS}, "'label' is not known"),
        ({"labels": None}, "labels: is missing"),
        ({"groups": LABELS * 0}, "a split needs two groups"),
    ],
)
def test_arrays_that_are_no_data_set(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(PhasebenchError, match=complaint):
        as_dataset("arrays", {"samples": CHIPS, "labels": LABELS, **changes}, {}, 0)


def test_a_file_that_is_no_array(tmp_path: Path) -> None:
    np.save(tmp_path / "samples.npy", np.array([{"a": 1}], dtype=object))
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    (tmp_path / "old.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    for path, complaint in [(".", "plain arrays"), ("cut.npz", "plain arrays"), ("old.mat", "-v7.3")]:
        with pytest.raises(PhasebenchError, match=complaint):
            load_source("arrays", {"path": path}, tmp_path, False)
