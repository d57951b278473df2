"""A property as one row: what was measured, what is expected of it, and whether that holds."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from phasebench.common.files import write_table

Kind = Literal["layer", "network"]
Outcome = Literal["holds", "fails as expected", "does not hold", "control holds", "measured"]
OUTCOMES: tuple[Outcome, ...] = ("holds", "fails as expected", "measured", "does not hold", "control holds")
"""In words, the two last ones being news: a law that is broken, and a control that tells nothing apart."""
COLUMN_TYPES = {
    "suite": "string",
    "kind": "string",
    "subject": "string",
    "law": "string",
    "item": "string",
    "dtype": "string",
    "value": "Float64",
    "unit": "string",
    "expected": "Float64",
    "tolerance": "Float64",
    "holds": "boolean",
    "is_control": "boolean",
    "source": "string",
}
"""Column -> its type; ``holds`` is missing where nothing is expected."""


@dataclass(frozen=True)
class Property:
    """One measured value beside the expected one.

    Attributes
    ----------
    kind, subject
        A layer by its class or function, or a network by its name in the registry of models.
    law
        The statement, such as "phase equivariance"; of a value that no law is about, its name.
    value, expected, tolerance
        The law holds where ``value`` lies within ``tolerance`` of ``expected``. NaN for the two last: nothing is
        expected.
    item
        The condition under which it was measured: an angle, a size of maps, a module; '' for none.
    dtype
        "float32", "float64", or '' for a value without rounding.
    unit
        Of the value; '' for a number without one.
    is_control
        The law must fail here: a layer or network that is known not to have the property.
    source
        Equation, section or table that states the law.
    """

    kind: Kind
    subject: str
    law: str
    value: float
    expected: float = math.nan
    tolerance: float = math.nan
    item: str = ""
    dtype: str = ""
    unit: str = ""
    is_control: bool = False
    source: str = ""

    @property
    def holds(self) -> bool | None:
        """True if the value is the expected one; None where nothing is expected."""
        return None if math.isnan(self.expected) else abs(self.value - self.expected) <= self.tolerance


def outcome(holds: bool | None, is_control: bool) -> Outcome:
    """Name of what came out: a law holds or not, a control fails or tells nothing, or a value was only measured."""
    if holds is None:
        return "measured"
    if is_control:
        return "control holds" if holds else "fails as expected"
    return "holds" if holds else "does not hold"


def write_properties(
    path: Path, suite: str, found: Iterable[Property], attributes: Mapping[str, object] | None = None
) -> None:
    """Write the properties of a study as Parquet with the columns of :data:`COLUMN_TYPES`."""
    import pandas as pd

    columns = list(COLUMN_TYPES)
    rows = [{"suite": suite, **vars(one), "holds": one.holds} for one in found]
    write_table(path, pd.DataFrame(rows, columns=columns).astype(COLUMN_TYPES), attributes)
