"""Marks of claims: names, order and meaning, for the page, the tables, `phasebench status` and the docs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
OPEN = "open"
BY_CONSTRUCTION = "by construction"
NOT_TESTED = "not tested"

MARKS: Mapping[str, str] = MappingProxyType(
    {
        REPRODUCED: "Measured as in the study, and the whole 95 % interval lies on the claim's side.",
        NOT_REPRODUCED: "Measured as in the study, and the whole 95 % interval lies on the other side.",
        OPEN: "Measured as in the study, and the 95 % interval lies on both sides; more seeds would decide it.",
        BY_CONSTRUCTION: "A property of the architecture that every measured network has; no finding about data.",
        NOT_TESTED: "Not as in the study: other data, less training, smaller network, one seed, at chance, or not run.",
    }
)
"""Mark -> what it means, in the order in which marks are counted and listed."""

SAME_WAY = "points the same way"
OTHER_WAY = "points the other way"
DIRECTIONS = (SAME_WAY, OTHER_WAY, "")
"""Weak marks of a claim that is not tested, by stand-in data or shortened training; '' where they say nothing."""

PARTS = ("direction", "size", "")
"""Halves of a claim of a size, which is judged twice; '' is a claim that is judged once."""
KINDS = ("finding", "property")
"""A finding can only be learned from data; a property follows from the architecture."""


def worded(mark: str, number: int) -> str:
    """A mark or direction behind a number: ``points the same way`` of one, ``point the same way`` of several."""
    return mark if number == 1 else mark.replace("points ", "point ", 1)


def count_marks(marks: Iterable[str]) -> dict[str, int]:
    """The number of claims of each mark, also where there are none."""
    counts = Counter(marks)
    return {mark: counts[mark] for mark in MARKS}
