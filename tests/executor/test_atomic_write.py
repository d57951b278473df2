"""Files are old or whole, and one function sees to it."""

from pathlib import Path

import pytest
from support.checkout import ROOT

from snakemake_executor_plugin_submitit.atomic_write import write_atomically


def test_a_file_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in ("old and long", "new"):
        write_atomically(path, text)
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("path", sorted((ROOT / "executor/src").rglob("*.py")), ids=lambda path: path.name)
def test_no_module_has_an_atomic_write_of_its_own(path: Path) -> None:
    assert "temporary.replace(" not in path.read_text() or path.name == "atomic_write.py"
