"""Checksums of raw files: what is read, what is known already, and what does not count."""

import os
from pathlib import Path

import pytest

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_file
from phasebench.data.sources import raw_files
from phasebench.data.sources.raw_files import PLACES, Known, raw_checksums
from phasebench.data.sources.registry import SOURCES


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    for name in ("mstar/17_DEG/BMP2/HB1.000", "mstar/15_DEG/T72/HB2.016", "fsdd/zero/a.wav", "images.h5"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_every_source_with_files_is_a_source() -> None:
    assert PLACES.keys() <= SOURCES.keys()


def test_files_in_folders_below_the_root(data_root: Path) -> None:
    found = raw_checksums("mstar", {}, data_root, {})
    names = ["mstar/15_DEG/T72/HB2.016", "mstar/17_DEG/BMP2/HB1.000"]
    assert found == {name: sha256_of_file(data_root / name) for name in names}


def test_options_say_where(data_root: Path) -> None:
    assert set(raw_checksums("mstar", {"folder": "mstar/15_DEG"}, data_root, {})) == {"mstar/15_DEG/T72/HB2.016"}
    assert set(raw_checksums("audio_folder", {"path": "fsdd"}, data_root, {})) == {"fsdd/zero/a.wav"}
    assert set(raw_checksums("hdf5", {"path": "images.h5"}, data_root, {})) == {"images.h5"}
    elsewhere = {"path": str(data_root / "images.h5")}
    assert set(raw_checksums("hdf5", elsewhere, data_root / "fsdd", {})) == {str(data_root / "images.h5")}


def test_only_what_a_source_reads_counts(data_root: Path) -> None:
    for name in ("mstar/readme.txt", "mstar/.HB3.000", "fsdd/zero/notes.txt", "train_32x32.mat", "other.mat"):
        (data_root / name).touch()
    (data_root / "MNIST/raw").mkdir(parents=True)
    for name in ("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"):
        (data_root / "MNIST/raw" / name).touch()
    assert len(raw_checksums("mstar", {}, data_root, {})) == 2
    assert set(raw_checksums("audio_folder", {"path": "fsdd"}, data_root, {})) == {"fsdd/zero/a.wav"}
    assert set(raw_checksums("svhn", {}, data_root, {})) == {"train_32x32.mat"}
    assert set(raw_checksums("mnist", {}, data_root, {})) == {"MNIST/raw/train-images-idx3-ubyte"}


def test_links_are_followed_once(data_root: Path) -> None:
    (data_root / "mstar/linked").symlink_to(data_root / "fsdd")
    (data_root / "fsdd/HB3.000").write_text("chip")
    (data_root / "fsdd/up").symlink_to(data_root / "mstar")
    found = raw_checksums("mstar", {}, data_root, {})
    assert set(found) == {"mstar/15_DEG/T72/HB2.016", "mstar/17_DEG/BMP2/HB1.000", "mstar/linked/HB3.000"}


def test_a_file_that_cannot_be_read_is_named(data_root: Path) -> None:
    (data_root / "mstar/HB3.000").symlink_to("nowhere")
    with pytest.raises(PhasebenchError, match=r"mstar/HB3\.000: raw file: cannot be read: No such file"):
        raw_checksums("mstar", {}, data_root, {})


def test_nothing_is_nothing(data_root: Path) -> None:
    assert raw_checksums("digits", {}, data_root, {}) == {}
    assert raw_checksums("mnist", {}, data_root, {}) == {}
    assert raw_checksums("hdf5", {"path": "none.h5"}, data_root, {}) == {}
    # What is missing in the options is for the source to say.
    assert raw_checksums("hdf5", {}, data_root, {}) == {}


def test_a_touched_file_is_the_same_and_a_changed_one_is_not(data_root: Path) -> None:
    known: Known = {}
    before = raw_checksums("mstar", {}, data_root, known)
    chip = data_root / "mstar/17_DEG/BMP2/HB1.000"
    os.utime(chip, ns=(1, 1))
    assert raw_checksums("mstar", {}, data_root, known) == before
    chip.write_text("other")
    after = raw_checksums("mstar", {}, data_root, known)
    assert {name for name in after if after[name] != before[name]} == {"mstar/17_DEG/BMP2/HB1.000"}


def test_what_is_known_is_not_read_again(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known: Known = {}
    before = raw_checksums("mstar", {}, data_root, known)

    def read(path: Path) -> str:
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(raw_files, "sha256_of_file", read)
    assert raw_checksums("mstar", {}, data_root, known) == before


def test_very_large_files_are_known_by_size_and_time(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_files, "LARGEST", 3)
    os.utime(data_root / "images.h5", ns=(5, 7))
    assert raw_checksums("hdf5", {"path": "images.h5"}, data_root, {}) == {"images.h5": "9 bytes of 7"}
