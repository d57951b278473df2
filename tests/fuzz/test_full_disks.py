"""A full disk never leaves half a file; `make fuzz` tries 35 amounts of free space for each writer."""

import pytest
from fuzz.full_disks import WRITERS, sweep


@pytest.mark.parametrize("name", WRITERS)
def test_after_a_full_disk_a_file_is_old_or_new(name: str) -> None:
    counts = sweep(WRITERS[name], amounts=3)
    assert counts["damaged"] == counts["leftovers"] == 0
    assert counts["old file intact"] >= 1
    assert counts["new file whole"] >= 1
