"""The numbers that the studies printed: one CSV file per table in ``workflow/published``."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from phasebench.common.errors import PhasebenchError
from phasebench.common.validation import as_model
from phasebench.plan.studies import File, StudyFiles
from phasebench.specs.paths import PUBLISHED_FOLDER
from phasebench.specs.run import Fraction, Frozen, Name


class PublishedValue(Frozen):
    """One printed number. The CSV's columns are these fields; an empty cell is None."""

    suite: Name
    experiment: Name | None = None
    dataset: Name | None = None
    encoding: Name | None = None
    train_fraction: Fraction | None = None
    model: Name
    metric: Name
    condition: float | None = Field(default=None, description="condition of the metric, such as a training step")
    value: float = Field(description="as printed")
    std: float | None = Field(default=None, ge=0.0, description="standard deviation over seeds, in the value's unit")
    n: PositiveInt | None = Field(default=None, description="networks behind the value; a single one if not given")
    unit: Literal["percent", "count", "number"]
    where: str = Field(min_length=1, description="place in the study, such as 'Table 1'")

    @model_validator(mode="after")
    def _spread_of_several(self) -> "PublishedValue":
        if self.std is not None and (self.n is None or self.n < 2):
            raise ValueError("'std' needs 'n', the number of networks, of at least 2")
        return self

    def as_row(self) -> dict[str, str | float | None]:
        """The value as the benchmark's own are kept: accuracies from 0 to 1, no unit."""
        percent = self.unit == "percent"
        # Rounded, so that 69.23 % is 0.6923 and not the neighbouring binary number.
        numbers = {
            name: round(number / 100, 9) if percent and number is not None else number
            for name, number in (("value", self.value), ("std", self.std))
        }
        return {**self.model_dump(exclude={"unit"}), **numbers}


def read_published(root: Path, studies: Sequence[StudyFiles] = ()) -> list[PublishedValue]:
    """Every printed number, file by file in alphabetical order; first those of the repository.

    Parameters
    ----------
    root
        The repository.
    studies
        Studies with files of their own.

    Raises
    ------
    PhasebenchError
        A file has other columns, a cell has a wrong value, two lines give the same number, or a study gives numbers of
        another one.
    """
    found: dict[tuple[object, ...], str] = {}
    values = []
    paths = sorted((root / PUBLISHED_FOLDER).glob("*.csv"))
    shipped = [("", File(path, f"{PUBLISHED_FOLDER}/{path.name}")) for path in paths]
    others = [(study.name, file) for study in studies for file in study.published]
    for name, file in [*shipped, *others]:
        for place, cells in _lines(file.path, file.shown):
            value = as_model(PublishedValue, _filled(cells, place), place)
            if name and value.suite != name:
                raise PhasebenchError(f"{place}: suite: '{value.suite}' is not the folder's name")
            key = tuple(value.model_dump(exclude={"value", "std", "n", "unit", "where"}).values())
            if key in found:
                raise PhasebenchError(f"{place}: gives the same number as {found[key]}")
            found[key] = place
            values.append(value)
    return values


def _lines(path: Path, shown: str) -> Iterator[tuple[str, dict[str | None, str | None]]]:
    """Place and cells of each line."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if (columns := reader.fieldnames or ()) and len(set(columns)) < len(columns):
                raise PhasebenchError(f"{shown}: line 1: names a column twice")
            for cells in reader:
                yield f"{shown}: line {reader.line_num}", cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise PhasebenchError(f"{shown}: cannot be read as CSV in UTF-8: {reason}") from error


def _filled(cells: dict[str | None, str | None], place: str) -> dict[str, str]:
    """The cells that are not empty."""
    if None in cells or None in cells.values():
        raise PhasebenchError(f"{place}: has more or fewer cells than the first line")
    return {name: cell for name, cell in cells.items() if name is not None and cell}
