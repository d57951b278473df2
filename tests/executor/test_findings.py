"""The table of findings on clusters: complete, and each test that it names exists."""

import re

from support.checkout import ROOT
from support.named_tests import unknown_tests

TABLE = (ROOT / "docs/cluster_findings.md").read_text(encoding="utf-8").split("\n## ")[0]
NUMBERS = [
    *(f"A{n}" for n in range(1, 9)),
    *(f"B{n}" for n in range(1, 14)),
    *(f"C{n}" for n in range(1, 16)),
    *(f"N{n}" for n in range(1, 5)),
    *(f"F{n}" for n in (1, 2, 3, 4, 5, 6, 7, 9, 10, 17, 19)),
    *(f"R{n}" for n in (1, 2, 3, 4, 8, 9)),
]


def rows() -> list[list[str]]:
    lines = [line for line in TABLE.splitlines() if line.startswith("| ") and not line.startswith("| finding")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_finding_has_a_row_and_each_row_a_test_or_the_word_that_it_has_none() -> None:
    assert [found[0] for row in rows() if (found := re.match(r"[A-Z]\d+(?= )", row[0]))] == NUMBERS
    for finding, _, test in rows():
        assert "`test_" in test or test.startswith("not tested"), finding


def test_the_tests_exist() -> None:
    assert unknown_tests(TABLE) == set()
