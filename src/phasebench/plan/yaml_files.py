"""YAML files as typed models; what is wrong with one is said in a line that names file and key."""

import types
import typing
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from phasebench.common.errors import PhasebenchError

Model = TypeVar("Model", bound=BaseModel)
_LONGEST_VALUE = 60


def read_yaml(path: Path, shown: str) -> Any:
    """Read a YAML file.

    Parameters
    ----------
    path
        The file.
    shown
        Its name in messages.

    Raises
    ------
    PhasebenchError
        The file is missing or no YAML, or gives a key twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except FileNotFoundError as error:
        raise PhasebenchError(f"{shown}: there is no such file") from error
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise PhasebenchError(f"{shown}: {line}not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PhasebenchError(f"{shown}: not valid YAML: {' '.join(str(error).split())}") from error


def as_model(model: type[Model], value: object, shown: str) -> Model:
    """Validate what was read.

    Parameters
    ----------
    model
        The pydantic model.
    value
        Nested dicts and lists.
    shown
        Name of the file in messages.

    Raises
    ------
    PhasebenchError
        The value does not fit the model; the message tells of the first fault.
    """
    if not isinstance(value, Mapping):
        raise PhasebenchError(f"{shown}: must hold keys and values; it holds {_short(value)}")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        # An unknown key comes first: it is often the misspelt form of one that is missing.
        first = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        raise PhasebenchError(f"{shown}: {_explain(model, first)}") from error


def read_model(model: type[Model], path: Path, shown: str) -> Model:
    """Read and validate a YAML file; raises as :func:`read_yaml` and :func:`as_model` do."""
    return as_model(model, read_yaml(path, shown), shown)


def joined(names: typing.Iterable[str]) -> str:
    """Names for a message, sorted."""
    return ", ".join(sorted(names)) or "none"


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML forbids equal keys; PyYAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.MarkedYAMLError(problem=f"key '{key}' is given twice", problem_mark=key_node.start_mark)
                seen.add(key)
        return super().construct_mapping(node, deep)


def _explain(model: type[BaseModel], error: ErrorDetails) -> str:
    tagged = tuple(part for part in error["loc"] if part != "[key]")
    location = tuple(part for part in tagged if not _is_tag(part))
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
    """Whether a part of a location is no key, but the tag of a union's member."""
    return isinstance(part, str) and part.startswith("[")


def _dotted(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location) + ": " if location else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _known_keys(annotation: Any, location: Sequence[int | str]) -> list[str]:
    """The keys of the model that stands at a location inside a model; the location has its tags."""
    if location and _is_tag(location[0]):
        members = typing.get_args(typing.get_args(annotation)[0])
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
