"""The page of faults names tests that exist."""

import re

from support.checkout import ROOT
from support.named_tests import unknown_tests

PAGE = (ROOT / "docs/faults.md").read_text(encoding="utf-8")


def test_every_test_on_the_page_exists() -> None:
    assert len(set(re.findall(r"`(test_\w+)`", PAGE))) > 30
    assert unknown_tests(PAGE) == set()


def test_every_finding_has_a_row_with_a_test() -> None:
    rows = [line.split(" | ") for line in PAGE.splitlines() if re.match(r"\| [\dFR]", line)]
    numbers = [number for cells in rows if len(cells) == 4 for number in cells[0].strip("| ").split(", ")]
    assert numbers == [*map(str, range(1, 16)), *("F10", "F11", "F13", "F12", "F14", "F15", "F16"), "R5", "R6", "R7"]
    assert all("`test_" in cells[3] for cells in rows if len(cells) == 4)
