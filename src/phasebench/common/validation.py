"""Validation by pydantic, with the first fault as one line: the key, what was wrong, what is known."""

import reprlib
import types
import typing
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Tag, ValidationError

from phasebench.common.errors import PhasebenchError

Model = TypeVar("Model", bound=BaseModel)
_LONGEST_VALUE = 60
# Neither XML nor a line of text can hold them.
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
_NO_CHARACTERS = "\ufffe\uffff"
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _LONGEST_VALUE
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict = 3, 10, 5


def as_model(model: type[Model], value: object, shown: str, remedy: str = "") -> Model:
    """Validate a value as a pydantic model.

    Parameters
    ----------
    model
        The pydantic model.
    value
        Nested dicts and lists.
    shown
        Name of the file in messages.
    remedy
        What to do about a fault, for the message.

    Raises
    ------
    PhasebenchError
        The value does not fit the model; the message tells of the first fault.
    """
    if not isinstance(value, Mapping):
        raise PhasebenchError(f"{shown}: must hold keys and values; it holds {_short(value)}" + _ending(remedy))
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise PhasebenchError(f"{shown}: {first_fault(model, error)}" + _ending(remedy)) from error
    except RecursionError as error:
        raise PhasebenchError(f"{shown}: nested too deeply" + _ending(remedy)) from error


def read_json_model(model: type[Model], path: Path, remedy: str) -> Model:
    """Read and validate a JSON file.

    Parameters
    ----------
    model
        The pydantic model.
    path
        The file.
    remedy
        What to do about a fault, for the message.

    Raises
    ------
    PhasebenchError
        The file is missing or cut, or does not fit the model.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise PhasebenchError(f"{path}: cannot be read: {error.strerror}" + _ending(remedy)) from error
    except ValidationError as error:
        raise PhasebenchError(f"{path}: {first_fault(model, error)}" + _ending(remedy)) from error


def first_fault(model: type[BaseModel], error: ValidationError, *place: str) -> str:
    """The first fault of a validation as ``key: message``; ``place`` are keys around the model."""
    return _explain(model, _first(error), place)


def fault_location(error: ValidationError) -> tuple[str | int, ...]:
    """Keys that lead to the first fault of a validation."""
    return tuple(part for part in _first(error)["loc"] if part != "[key]" and not _is_tag(part))


def _first(error: ValidationError) -> Mapping[str, Any]:
    # An unknown key comes first: it is often the misspelt form of one that is missing.
    return min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")


def is_line(text: str) -> bool:
    """True if a text is one line of characters that can be shown."""
    # The quick way first: almost all texts are plain.
    return text.isprintable() or not any(
        unicodedata.category(letter) in _NO_TEXT or letter in _NO_CHARACTERS for letter in text
    )


def is_plain_text(text: str) -> bool:
    """True if each line of a text is a line as of :func:`is_line`; tabs are allowed."""
    return is_line(text.replace("\n", "").replace("\t", ""))


def as_plain_text(text: str) -> str:
    """A text with a replacement character for each that :func:`is_plain_text` refuses."""
    if is_plain_text(text):
        return text
    return "".join(letter if is_plain_text(letter) else "\N{REPLACEMENT CHARACTER}" for letter in text)


def joined(names: typing.Iterable[str]) -> str:
    """Names for a message, sorted."""
    return ", ".join(sorted(names)) or "none"


def require(names: typing.Iterable[object], known: typing.Collection[object], place: str, complaint: str) -> None:
    """Raise a PhasebenchError for the first of some names that is not known; ``complaint`` follows the name."""
    for name in names:
        if name not in known:
            raise PhasebenchError(f"{place}: '{name}' {complaint}; known: {joined(map(str, known))}")


def _explain(model: type[BaseModel], error: Mapping[str, Any], place: Sequence[str]) -> str:
    if error["type"] == "json_invalid":
        return "content: not complete JSON"
    tagged = tuple(part for part in error["loc"] if part != "[key]")
    location = (*place, *(part for part in tagged if not _is_tag(part))) or tuple(error["loc"])
    if error["type"] in ("extra_forbidden", "missing"):
        *parents, key = location
        where = _dotted(parents)
        if error["type"] == "missing":
            return f"{where}key '{key}' is missing"
        return f"{where}key '{key}' is not known; known keys: {joined(_known_keys(model, tagged[:-1]))}"
    message = error["msg"].removeprefix("Value error, ")
    message = (message[:1].lower() + message[1:]).replace("tuple", "list")
    return f"{_dotted(location)}{message}; found {_short(error['input'])}"


def _is_tag(part: int | str) -> bool:
    """True if a part of a location is no key, but the tag of a union's member."""
    return isinstance(part, str) and part.startswith("[")


def _dotted(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location) + ": " if location else ""


def _short(value: object) -> str:
    # Without repr(), which a nested value may keep busy for ever, and without characters that end a line.
    text = _SHORT.repr(value)
    text = text if is_line(text) else ascii(text)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _known_keys(annotation: Any, location: Sequence[int | str]) -> list[str]:
    """The keys of the model that stands at a location inside a model; the location has its tags."""
    if location and _is_tag(location[0]):
        is_annotated = typing.get_origin(annotation) is typing.Annotated
        members = typing.get_args(typing.get_args(annotation)[0] if is_annotated else annotation)
        member = next(member for member in members if Tag(str(location[0])) in member.__metadata__)
        return _known_keys(member, location[1:])
    annotation = _container(annotation)
    if not location:
        return list(annotation.model_fields)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _known_keys(annotation.model_fields[str(location[0])].annotation, location[1:])
    # A dict's values come last among its arguments, a tuple's items first.
    arguments = typing.get_args(annotation)
    inner = arguments[1] if typing.get_origin(annotation) is dict else arguments[0]
    return _known_keys(inner, location[1:])


def _container(annotation: Any) -> Any:
    """The annotation without ``Annotated`` and ``| None``."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _container(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _container(next(part for part in typing.get_args(annotation) if part is not type(None)))
    return annotation


def _ending(remedy: str) -> str:
    return f"; {remedy}" if remedy else ""
