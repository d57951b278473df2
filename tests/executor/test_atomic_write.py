"""Files are old or whole, and one function sees to it."""

from pathlib import Path

import pytest
from support.checkout import ROOT
from support.full_disk import full_disk

from snakemake_executor_plugin_submitit.atomic_write import write_atomically


def test_a_file_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in ("old and long", "new"):
        write_atomically(path, text)
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("free", [0, 1, 100, 4095])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, free: int) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with full_disk(free), pytest.raises(OSError, match="File too large"):
        write_atomically(path, "x" * 4096)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("path", sorted((ROOT / "executor/src").rglob("*.py")), ids=lambda path: path.name)
def test_no_module_has_an_atomic_write_of_its_own(path: Path) -> None:
    assert "temporary.replace(" not in path.read_text() or path.name == "atomic_write.py"
