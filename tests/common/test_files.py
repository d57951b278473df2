"""Files that appear whole or not at all, and are written only where they change."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from support.full_disk import full_disk

import phasebench
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import (
    atomic_file,
    check_working_folder,
    csv_text,
    read_json,
    sha256_of_text,
    write_bytes,
    write_if_different,
    write_plan,
    write_table,
    write_text,
)


@pytest.mark.parametrize("write", [write_if_different, write_plan])
def test_only_other_bytes_are_written(tmp_path: Path, write: Callable[[Path, str], bool]) -> None:
    path = tmp_path / "folder/a.json"
    assert write(path, "text")
    os.utime(path, ns=(1, 1))
    assert not write(path, "text")
    assert path.stat().st_mtime_ns == 1
    assert write(path, "other")
    # As a crash of the machine may leave it.
    path.write_bytes(b"")
    assert write(path, "other")
    assert path.read_text() == "other"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("write", [write_if_different, write_plan])
def test_a_refused_write_names_the_file(tmp_path: Path, write: Callable[[Path, str], bool]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PhasebenchError, match=r"file/a\.json: cannot be written: "):
        write(tmp_path / "file/a.json", "text")


def write_many(path: Path, n_bytes: int) -> None:
    write_bytes(path, b"x" * n_bytes)


def test_a_file_left_by_a_killed_writer_goes_with_the_next_write(tmp_path: Path) -> None:
    reached, go = os.pipe()
    if not (child := os.fork()):
        with atomic_file(tmp_path / "a.pt") as file:
            file.write(b"half")
            os.write(go, b"x")
            signal.pause()
    os.read(reached, 1)
    # It is being written, and belongs to somebody.
    write_text(tmp_path / "b.json", "text")
    assert len(list(tmp_path.iterdir())) == 2
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    write_text(tmp_path / "b.json", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]


@pytest.mark.parametrize(("age", "is_kept"), [(0, True), (3600, False)])
def test_another_machine_s_file_goes_once_it_is_old(tmp_path: Path, age: int, is_kept: bool) -> None:
    other = tmp_path / f".a.pt.{'0' * 8}-{'1' * 16}.part"
    other.touch()
    # By the file server's clock, which the new file tells.
    os.utime(other, (other.stat().st_mtime - age,) * 2)
    users_own = tmp_path / ".a.pt.part"
    users_own.touch()
    write_text(tmp_path / "b.json", "text")
    assert other.exists() == is_kept
    assert users_own.exists()


def test_a_new_file_has_the_umask_s_permissions_and_no_umask_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", lambda _: pytest.fail("for the whole process"))
        write_text(tmp_path / "a", "text")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def write_a_table(path: Path, n_bytes: int) -> None:
    write_table(path, pd.DataFrame({"a": np.arange(n_bytes)}))


@pytest.mark.parametrize("write", [write_many, write_a_table])
@pytest.mark.parametrize("free", [0, 1, 4095, 4096, 9999])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, write: Callable[[Path, int], None], free: int) -> None:
    write(tmp_path / "a", 10)
    before = (tmp_path / "a").read_bytes()
    with full_disk(free), pytest.raises(PhasebenchError, match=r"a: cannot be written: File too large$"):
        write(tmp_path / "a", 10_000)
    assert (tmp_path / "a").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_the_file_before_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    for content in (b"1", b"2", b"3"):
        write_bytes(tmp_path / "a", content, previous=tmp_path / "b")
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"3", b"2")


def test_what_a_table_cannot_hold_is_named_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match=r"a\.parquet: cannot be written: .*"):
        write_table(tmp_path / "a.parquet", pd.DataFrame({"step": [1, "text"]}))
    with pytest.raises(PhasebenchError, match=r"a: cannot be written: .*is no character"):
        write_text(tmp_path / "a", "\ud800")
    assert not list(tmp_path.iterdir())


def test_texts_in_csv_files_are_no_formulas_and_numbers_stay() -> None:
    table = pd.DataFrame({"=a": ["=1+1", "-x"], "b": [-1.5, 2.0], "c": ["-1.5", "@x"], "d": [None, "\ty"]})
    assert csv_text(table) == "'=a,b,c,d\n'=1+1,-1.5,-1.5,\n'-x,2.0,'@x,'\ty\n"


def test_nested_json_without_end_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[" * 100_000)
    with pytest.raises(PhasebenchError, match=r"run\.json: not a complete JSON file; write it again$"):
        read_json(tmp_path / "run.json", "write it again")


def test_one_module_replaces_files() -> None:
    """Another writer would bring leftovers and half files of its own."""
    package = Path(phasebench.__file__).parent
    names = re.compile(
        r"\bmkstemp\b|NamedTemporaryFile|os\.umask|h5py\.File\([^)]*\"[wax]|\.to_parquet\(|\.to_csv\(|torch\.save\("
    )
    found = {
        path.relative_to(package).as_posix(): sorted(set(names.findall(path.read_text())))
        for path in package.rglob("*.py")
        if names.search(path.read_text())
    }
    assert found == {
        "common/files.py": [".to_csv(", ".to_parquet("],
        "data/hdf5.py": ['h5py.File(sink, "w'],
        "training/checkpoint.py": ["torch.save("],
    }


def test_a_folder_of_somebody_else_is_named_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PhasebenchError) as caught:
        write_text(tmp_path / "new/a", "text")
    assert re.search(r"a: cannot be written: Permission denied; .*new belongs to \w+: ask for", str(caught.value))


def test_a_read_only_file_system_is_refused_before_snakemake_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_working_folder(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY | os.ST_NOSUID))
    with pytest.raises(PhasebenchError, match=rf"^{tmp_path}: the file system is read-only; work in another folder.*$"):
        check_working_folder(tmp_path)
    (tmp_path / ".snakemake").mkdir()
    check_working_folder(tmp_path)


def test_halves_of_characters_in_a_changed_file_are_refused_or_hashed(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(PhasebenchError, match="is no character"):
        write_if_different(tmp_path / "a", "\udc80")
    assert sha256_of_text("\udc80") != sha256_of_text("x")
