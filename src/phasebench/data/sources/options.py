"""The options of a data source, as its pydantic model types them."""

from collections.abc import Mapping, Sequence
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


def chosen_classes(wanted: str, known: Sequence[str], place: str) -> list[str]:
    """The classes that an option names, separated by commas; all of them for ''.

    Raises
    ------
    PhasebenchError
        One is not known, is named twice, or there are fewer than two.
    """
    names = listed_names(wanted) or list(known)
    for name in names:
        if name not in known:
            raise PhasebenchError(f"{place}: options.classes: there is no class '{name}'; there are {', '.join(known)}")
    if len(set(names)) < max(len(names), 2):
        raise PhasebenchError(f"{place}: options.classes: must name at least two classes, and none twice")
    return names


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
