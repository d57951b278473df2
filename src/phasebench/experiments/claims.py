"""What the studies claim, as data: one YAML file per study in ``workflow/reference/claims``.

A claim compares a measured quantity with a bound. The quantity is a value, a difference of two values or their ratio,
and the claim may have to hold in many settings. :mod:`phasebench.experiments.verdicts` judges claims.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from phasebench.errors import PhasebenchError
from phasebench.experiments.config import Fractions, Names, Suite
from phasebench.experiments.loading import joined, read_model
from phasebench.spec import Fraction, Frozen, Name

FOLDER = "workflow/reference/claims"
Each = Literal["each"]
Conditions = Annotated[tuple[float, ...], Field(min_length=1)]
Items = Annotated[tuple[str, ...], Field(min_length=1)]
Unit = Literal["points", "percent", "ratio", "count", "number"]

HUNDREDFOLD: frozenset[Unit] = frozenset(("points", "percent"))
"""Units in which a share of 0.01 is printed as 1."""


class Measured(Frozen):
    """What is measured, and the settings in which the claim has to hold: all combinations of the lists."""

    metric: Name = Field(description="as in the tables of results; 'parameters' counts a network's")
    experiment: Name = Field(description="one of the suite's experiments")
    datasets: Names | None = Field(default=None, description="the study's data sets")
    encodings: Names | None = Field(default=None, description="how a sample becomes complex")
    train_fractions: Fractions | None = Field(default=None, description="shares of the training pool")
    conditions: Conditions | Each | None = Field(
        default=None, description="conditions of the metric, such as degrees; each: whatever was measured"
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
    """What the measured quantity is compared with: the same but for the keys given here."""

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
        return self

    @property
    def rival(self) -> Rival | None:
        """What is subtracted or divided by."""
        return self.difference_from or self.ratio_to

    @property
    def scale(self) -> float:
        """Factor from the tables' values to the claim's unit; none for ratios of values."""
        return 100.0 if self.unit in HUNDREDFOLD else 1.0

    @property
    def threshold(self) -> str:
        """The bounds in words."""
        if self.at_least is not None and self.at_most is not None:
            both = f"from {self.at_least:.9g} to {self.at_most:.9g}"
            return both if self.at_least < self.at_most else f"exactly {self.at_least:.9g}"
        return f"at least {self.at_least:.9g}" if self.at_least is not None else f"at most {self.at_most:.9g}"


class StudyClaims(Frozen):
    """The claims of one study: ``workflow/reference/claims/<suite>.yaml``."""

    suite: Name = Field(description="the file's name")
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)] = Field(description="in the order of the report")

    @model_validator(mode="after")
    def _unique(self) -> "StudyClaims":
        name, count = Counter(claim.id for claim in self.claims).most_common(1)[0]
        if count > 1:
            raise ValueError(f"claim '{name}' is given twice")
        return self


def read_claims(root: Path, suites: Sequence[Suite]) -> list[StudyClaims]:
    """The claims of the given studies; a study without a file has none.

    Parameters
    ----------
    root
        The repository.
    suites
        The studies.

    Raises
    ------
    PhasebenchError
        A file is no YAML or does not fit the model, or names what the suite does not have.
    """
    studies = []
    for suite in suites:
        shown = f"{FOLDER}/{suite.name}.yaml"
        if (root / shown).is_file():
            study = read_model(StudyClaims, root / shown, shown)
            check_claims(study, suite, shown)
            studies.append(study)
    return studies


def check_claims(study: StudyClaims, suite: Suite, file: str) -> None:
    """Raise a PhasebenchError unless the experiments that the claims name exist and have what the claims name."""
    if study.suite != suite.name:
        raise PhasebenchError(f"{file}: suite: '{study.suite}' is not the file's name")
    for claim in study.claims:
        place = f"{file}: {claim.id}"
        measured = claim.measured
        _require([measured.experiment], suite.experiments, f"{place}.measured.experiment")
        grid = suite.experiments[measured.experiment].grid
        for axis in ("datasets", "encodings", "train_fractions"):
            _require(getattr(measured, axis) or (), getattr(grid, axis), f"{place}.measured.{axis}")
        _require(measured.all_models, grid.models, f"{place}.measured.{'models' if measured.models else 'one_of'}")
        if claim.rival:
            _check_rival(claim.rival, measured, suite, f"{place}.{'ratio_to' if claim.ratio_to else 'difference_from'}")


def _check_rival(rival: Rival, measured: Measured, suite: Suite, place: str) -> None:
    experiment = rival.experiment or measured.experiment
    _require([experiment], suite.experiments, f"{place}.experiment")
    grid = suite.experiments[experiment].grid
    _require([rival.dataset] if rival.dataset else (), grid.datasets, f"{place}.dataset")
    _require([rival.encoding] if rival.encoding else (), grid.encodings, f"{place}.encoding")
    fractions = [rival.train_fraction] if rival.train_fraction else ()
    _require(fractions, grid.train_fractions, f"{place}.train_fraction")
    _require(rival.models or (), grid.models, f"{place}.models")


def _require(names: Iterable[object], known: Collection[object], place: str) -> None:
    for name in names:
        if name not in known:
            raise PhasebenchError(f"{place}: '{name}' is not in the suite; known: {joined(map(str, known))}")
