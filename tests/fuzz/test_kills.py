"""A kill leaves no half file, and the drill finds a writer that leaves one; `make kills` tries 20 for each stage."""

import random
import time
from pathlib import Path

from fuzz.kills import BAD, kill_stage, write_all


def test_after_a_kill_a_file_is_old_or_new(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    counts = kill_stage(write_all, tmp_path, 2, random.Random(1))
    assert counts["kills"] == 2
    assert counts["files as before"] > 0
    assert not any(counts[column] for column in BAD)


def test_a_writer_that_leaves_half_a_file_is_found(tmp_path: Path) -> None:
    def write() -> None:
        with Path("a").open("w") as file:
            file.write("half")
            file.flush()
            time.sleep(0.2)
            file.write("and the rest")

    (tmp_path / "work").mkdir()
    assert kill_stage(write, tmp_path, 1, random.Random(1))["damaged"] == 1
