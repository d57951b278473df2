"""Marks of claims: one list of them, and their meaning in the documentation."""

from support.checkout import ROOT

from phasebench.claims.marks import DIRECTIONS, KINDS, MARKS, PARTS, count_marks
from phasebench.tables.schema import CHOICES


def test_marks_are_counted_in_their_order_also_where_there_are_none() -> None:
    assert count_marks(["not tested", "open", "open"]) == {
        "reproduced": 0,
        "not reproduced": 0,
        "open": 2,
        "by construction": 0,
        "not tested": 1,
    }
    assert list(count_marks([])) == list(MARKS)


def test_the_table_knows_the_same_words() -> None:
    assert (CHOICES["mark"], CHOICES["direction"], CHOICES["part"]) == (tuple(MARKS), DIRECTIONS, PARTS)
    assert CHOICES["kind"] == KINDS


def test_the_documentation_says_what_each_mark_means() -> None:
    text = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    for mark, meaning in MARKS.items():
        assert f"| {mark} | {meaning} |\n" in text


def test_no_other_module_spells_the_marks_out() -> None:
    package = ROOT / "src" / "phasebench"
    sources = {path.relative_to(package).as_posix(): path.read_text() for path in package.rglob("*.py")}
    words = [f'"{mark}"' for mark in (*MARKS, *filter(None, DIRECTIONS)) if mark != "open"]
    assert {name for name, text in sources.items() if any(word in text for word in words)} == {"claims/marks.py"}
