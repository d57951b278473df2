"""Claims of the studies as data: one YAML file per study in ``workflow/claims``.

A claim compares a measured quantity with a bound. The quantity is a value, a difference of two values or their ratio,
and the claim may have to hold in many settings. A printed size makes two of a claim: its direction, which is the bound,
and its size. :mod:`phasebench.claims.verdicts` judges claims.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from phasebench.claims.marks import KINDS
from phasebench.plan.config import Fractions, Names
from phasebench.specs.run import Fraction, Frozen, Name

Each = Literal["each"]
Mean = Literal["mean"]
Conditions = Annotated[tuple[float, ...], Field(min_length=1)]
Items = Annotated[tuple[str, ...], Field(min_length=1)]
Unit = Literal["points", "percent", "ratio", "count", "number"]

_UNIT_WORDS: Mapping[Unit, str] = {"points": " points", "percent": " %"}
HUNDREDFOLD: frozenset[Unit] = frozenset(("points", "percent"))
"""Units in which a share of 0.01 is printed as 1."""


class Measured(Frozen):
    """Measured quantity, and the settings in which the claim has to hold: all combinations of the lists."""

    metric: Name = Field(description="as in the tables of results; 'parameters' counts a network's")
    experiment: Name = Field(description="one of the suite's experiments")
    datasets: Names | None = Field(default=None, description="the study's data sets")
    encodings: Names | None = Field(default=None, description="how a sample becomes complex")
    train_fractions: Fractions | None = Field(default=None, description="shares of the training pool")
    conditions: Conditions | Each | Mean | None = Field(
        default=None,
        description="conditions of the metric, such as degrees; each: whatever was measured; mean: the mean over "
        "what was measured, but for 0, seed by seed",
    )
    items: Items | Each | None = Field(
        default=None, description="parts that the metric has values for, such as classes; each: whatever was measured"
    )
    models: Names | None = Field(default=None, description="the claim has to hold for every one of them")
    one_of: Names | None = Field(default=None, description="in each setting it has to hold for one of these models")
    change_from: float | None = Field(
        default=None, description="take the change of the metric from this condition, not the metric itself"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Measured":
        if (self.models is None) == (self.one_of is None):
            raise ValueError("give exactly one of 'models' and 'one_of'")
        if self.change_from is not None and self.conditions is None:
            raise ValueError("'change_from' needs 'conditions'")
        return self

    @property
    def all_models(self) -> tuple[str, ...]:
        """Models of either kind."""
        return self.models or self.one_of or ()


class Rival(Frozen):
    """Quantity that the measured one is compared with: the same but for the keys given here."""

    metric: Name | None = Field(default=None, description="another metric")
    experiment: Name | None = Field(default=None, description="another experiment")
    dataset: Name | None = Field(default=None, description="another data set")
    encoding: Name | None = Field(default=None, description="another encoding")
    train_fraction: Fraction | None = Field(default=None, description="another share of the training pool")
    condition: float | None = Field(default=None, description="another condition")
    models: Names | None = Field(default=None, description="other models; the claim has to hold against every one")

    @model_validator(mode="after")
    def _differs(self) -> "Rival":
        if not self.model_fields_set:
            raise ValueError("give at least one key in which the rival differs")
        return self


class Claim(Frozen):
    """One claim of a study. The bounds are in the claim's unit."""

    id: Name = Field(description="unique in the file")
    text: str = Field(min_length=1, description="the claim in one sentence")
    where: str = Field(min_length=1, description="place in the study, such as 'Table 1'")
    published: str = Field(default="", description="the study's numbers, in words")
    unit: Unit = Field(description="points and percent: a share of 0.01 counts as 1")
    measured: Measured = Field(description="the quantity and the settings")
    difference_from: Rival | None = Field(default=None, description="subtract this, seed by seed")
    ratio_to: Rival | None = Field(default=None, description="divide by this, seed by seed")
    at_least: float | None = Field(default=None, description="lower bound, included")
    at_most: float | None = Field(default=None, description="upper bound, included")
    printed: float | None = Field(
        default=None, description="size that the study printed, judged beside the direction, which the bound is"
    )
    in_at_least: PositiveInt | None = Field(
        default=None, description="settings in which the claim has to hold; all of them if not given"
    )
    by_construction: bool = Field(
        default=False, description="follows from the architecture: substitute data and a single seed decide it too"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Claim":
        if self.difference_from and self.ratio_to:
            raise ValueError("give at most one of 'difference_from' and 'ratio_to'")
        if self.at_least is None and self.at_most is None:
            raise ValueError("give 'at_least', 'at_most' or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("'at_least' is greater than 'at_most'")
        if self.printed is not None:
            self._check_printed(self.printed)
        return self

    def _check_printed(self, printed: float) -> None:
        """Raise a ValueError unless the printed size is that of a single comparison with one bound."""
        if self.by_construction:
            raise ValueError("'printed' is for findings; leave it out of what holds by construction")
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("'printed' needs one bound, 'at_least' or 'at_most', as the direction")
        if not (self.at_least is None or printed >= self.at_least) or not (
            self.at_most is None or printed <= self.at_most
        ):
            raise ValueError("'printed' lies outside the bound")
        measured, rivals = self.measured, (self.rival.models if self.rival else None) or ("",)
        axes = (measured.datasets, measured.encodings, measured.train_fractions, measured.conditions, measured.items)
        several = [axis for axis in axes if axis == "each" or (isinstance(axis, tuple) and len(axis) > 1)]
        if len(measured.all_models) > 1 or len(rivals) > 1 or several:
            raise ValueError("'printed' is for a single model, rival and setting; split the claim")

    @property
    def kind(self) -> str:
        """One of :data:`phasebench.claims.marks.KINDS`."""
        return KINDS[self.by_construction]

    @property
    def rival(self) -> Rival | None:
        """Quantity that is subtracted or divided by."""
        return self.difference_from or self.ratio_to

    @property
    def bounds(self) -> tuple[float, float]:
        """Both bounds as the tables have values, accuracies from 0 to 1; infinite where none is given."""
        return (
            -math.inf if self.at_least is None else self.at_least * self.scale,
            math.inf if self.at_most is None else self.at_most * self.scale,
        )

    @property
    def direction_bounds(self) -> tuple[float, float]:
        """The bounds without their size: a lead of at least 4 points is one of at least 0, half as much is less."""
        low, high = self.bounds
        change = self.rival is not None or self.measured.change_from is not None
        if not change or (math.isfinite(low) and math.isfinite(high)):
            return low, high
        even = 1.0 if self.ratio_to else 0.0
        return min(low, even), max(high, even)

    @property
    def scale(self) -> float:
        """Number that turns the claim's unit into that of the tables."""
        return 0.01 if self.unit in HUNDREDFOLD else 1.0

    @property
    def size(self) -> str:
        """The printed size in words, such as '8.4 points'; '' if there is none."""
        return "" if self.printed is None else _number(self.printed) + _UNIT_WORDS.get(self.unit, "")

    @property
    def threshold(self) -> str:
        """The bounds in words, such as 'at least 8.4 points'."""
        lower, upper = (None if bound is None else _number(bound) for bound in (self.at_least, self.at_most))
        if lower is None or upper is None:
            words = f"at most {upper}" if lower is None else f"at least {lower}"
        else:
            words = f"exactly {lower}" if lower == upper else f"from {lower} to {upper}"
        words += _UNIT_WORDS.get(self.unit, "")
        return words if self.in_at_least is None else f"{words}, in at least {self.in_at_least}"


class StudyClaims(Frozen):
    """The claims of one study: ``workflow/claims/<suite>.yaml``."""

    suite: Name = Field(description="the file's name")
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)] = Field(description="in the order of the report")

    @model_validator(mode="after")
    def _unique(self) -> "StudyClaims":
        name, count = Counter(claim.id for claim in self.claims).most_common(1)[0]
        if count > 1:
            raise ValueError(f"claim '{name}' is given twice")
        return self


def _number(value: float) -> str:
    return f"{value:.9g}".replace("-", "\N{MINUS SIGN}")
