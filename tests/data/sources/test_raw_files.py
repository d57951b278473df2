"""Checksums of raw files: what is read, what is known already, and what does not count."""

import importlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.checkout import ROOT

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_file
from phasebench.data.shards.registry import SHARDED_SOURCES
from phasebench.data.sources import raw_files
from phasebench.data.sources.raw_files import Known, raw_checksums
from phasebench.data.sources.raw_place import RawPlace, raw_place
from phasebench.data.sources.registry import SOURCES


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    for name in ("mstar/17_DEG/BMP2/HB1.000", "mstar/15_DEG/T72/HB2.016", "fsdd/zero/a.wav", "images.h5"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


ALL_SOURCES = {**SOURCES, **SHARDED_SOURCES}


@pytest.mark.parametrize("name", sorted(ALL_SOURCES))
def test_every_source_says_which_raw_files_it_reads(name: str) -> None:
    """Were it not said, a changed raw file would silently repeat nothing."""
    place = raw_place(name, ALL_SOURCES[name])
    module = importlib.import_module(ALL_SOURCES[name].partition(":")[0])
    assert place == getattr(module, f"RAW_{name.upper()}")


def test_every_place_of_raw_files_is_that_of_a_source() -> None:
    folders = [ROOT / "src/phasebench/data" / part for part in ("sources", "shards")]
    texts = [path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py")]
    declared = sorted(name for text in texts for name in re.findall(r"^RAW_(\w+)\b.*=", text, re.MULTILINE))
    assert declared == sorted(name.upper() for name in ALL_SOURCES)


def test_a_folder_of_raw_files_is_named_once() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src/phasebench").rglob("*.py")]
    for name, target in ALL_SOURCES.items():
        place = raw_place(name, target)
        if place is not None and place.folder:
            stated = re.compile(rf'(?:RawPlace\(|str = )"{re.escape(place.folder)}"')
            times = sum(len(stated.findall(text)) for text in texts)
            assert times == 1, f"{place.folder} is named {times} times"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("RAW_OWN = None\n", None),
        ("RAW_OWN = RawPlace('own', option='folder', deep=True)\n", RawPlace("own", option="folder", deep=True)),
    ],
)
def test_a_declaration_is_read_without_an_import(new_source: Callable[[str], str], text: str, place: RawPlace) -> None:
    assert raw_place("own", new_source(f"import no_such_library\n\n{text}")) == place


@pytest.mark.parametrize(
    "text",
    ["", "RAW_OTHER = None\n", "RAW_OWN = 'own'\n", "RAW_OWN = RawPlace(FOLDER)\n", "RAW_OWN = RawPlace(depth=3)\n"],
)
def test_a_source_that_does_not_say_what_it_reads_is_named(new_source: Callable[[str], str], text: str) -> None:
    with pytest.raises(PhasebenchError, match=r"own_\w+: RAW_OWN: missing or not written out; .*'own' reads"):
        raw_place("own", new_source(text))


@pytest.fixture
def new_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a module that can be found, and return its loader's target."""

    def write(text: str) -> str:
        name = f"own_{tmp_path.name}".replace("-", "_").replace("[", "_").replace("]", "_")
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return f"{name}:load"

    return write


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
