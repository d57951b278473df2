"""The options of a data source, as its pydantic model types them."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from phasebench.common.errors import PhasebenchError
from phasebench.common.validation import first_fault
from phasebench.specs.run import Frozen, Scalar

Options = TypeVar("Options", bound=Frozen)


class NoOptions(Frozen):
    """Options of a source that has none."""


def listed_names(text: str) -> list[str]:
    """The names in an option that lists some, separated by commas; none for ''."""
    return [name.strip() for name in text.split(",")] if text else []


def parse_options(source: str, model: type[Options], options: Mapping[str, Scalar]) -> Options:
    """Check a source's options.

    Raises
    ------
    PhasebenchError
        An option is unknown, missing, of another type or out of range.
    """
    try:
        return model.model_validate(dict(options), strict=True)
    except ValidationError as error:
        fault = first_fault(model, error, "options")
        raise PhasebenchError(f"data source {source}: {fault}") from error
