"""Files that are written only where they change."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import write_if_different, write_plan


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
