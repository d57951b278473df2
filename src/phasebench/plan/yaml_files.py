"""YAML files as typed models; a fault is reported in one line that names file and key."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from phasebench.common.errors import PhasebenchError
from phasebench.common.validation import Model, as_model, is_plain_text

_LONGEST_FILE = 1 << 20
_MOST_NODES = 100_000
"""Values of a file with all its aliases written out, of which a few lines can make billions."""
_DEEPEST = 50
_LONGEST_INTEGER_BITS = 63
# Of the constructors of PyYAML, on values that do not have the form that their tag says.
_VALUE_ERRORS = (ValueError, KeyError, AttributeError, TypeError, OverflowError)


def read_yaml(path: Path, shown: str) -> Any:
    """Read a YAML file. What looks like a date is a text.

    Parameters
    ----------
    path
        The file.
    shown
        Its name in messages.

    Raises
    ------
    PhasebenchError
        The file is missing or cannot be read, is no YAML, gives a key twice, or becomes too large or too deep.
    """
    try:
        size = path.stat().st_size
        if size > _LONGEST_FILE:
            raise PhasebenchError(f"{shown}: has {size:,} bytes, and may have {_LONGEST_FILE:,}; shorten it")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise PhasebenchError(f"{shown}: there is no such file") from error
    except OSError as error:
        raise PhasebenchError(f"{shown}: cannot be read: {error.strerror}") from error
    return parse_yaml(content, shown)


def parse_yaml(content: bytes | str, shown: str) -> Any:
    """Parse YAML; raises as :func:`read_yaml` does.

    Parameters
    ----------
    content
        The text, or its bytes as UTF-8.
    shown
        Its name in messages.
    """
    try:
        return yaml.load(content.decode() if isinstance(content, bytes) else content, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise PhasebenchError(f"{shown}: {line}not valid YAML: {_one_line(error.problem)}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise PhasebenchError(f"{shown}: not valid YAML: {_one_line(error)}") from error
    except _VALUE_ERRORS as error:
        raise PhasebenchError(f"{shown}: not valid YAML: a value is not of the type that its tag says") from error
    except RecursionError as error:
        raise PhasebenchError(f"{shown}: not valid YAML: nested deeper than {_DEEPEST} levels") from error


def read_model(model: type[Model], path: Path, shown: str) -> Model:
    """Read and validate a YAML file; raises as :func:`read_yaml` and :func:`as_model` do."""
    return as_model(model, read_yaml(path, shown), shown)


class _Loader(yaml.SafeLoader):
    """YAML loader that refuses what PyYAML silently changes, cannot construct or makes huge.

    Of equal keys PyYAML would keep the last.
    """

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # Here, since thousands of levels take PyYAML long to read and longer to give up.
        if self._depth > _DEEPEST:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {_DEEPEST} levels", problem_mark=mark)
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _count(node, {}, [])
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except _VALUE_ERRORS as error:
            kind = node.tag.rpartition(":")[2]
            raise _refusal(node, f"{str(node.value)[:40]!a} is not of the type {kind}") from error
        if isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER_BITS:
            raise _refusal(node, f"a number of more than {_LONGEST_INTEGER_BITS} bits")
        if isinstance(value, str) and not is_plain_text(value):
            raise _refusal(node, f"{value[:40]!a} has a control character; remove it")
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise _refusal(key_node, f"key '{key}' is given twice")
                seen.add(key)
        return super().construct_mapping(node, deep)


# A name such as 2024-01-13 is no day of the calendar.
_Loader.yaml_implicit_resolvers = {
    letter: [pair for pair in resolvers if pair[0] != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _count(node: yaml.Node, known: dict[int, int], inside: list[yaml.Node]) -> int:
    """Number of values that a node becomes; a node that is too large or too deep, or holds itself, is refused."""
    if id(node) in known:
        return known[id(node)]
    if any(node is parent for parent in inside):
        raise _refusal(node, "a value that contains itself")
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in node.value for part in pair]
    else:
        parts = node.value if isinstance(node, yaml.SequenceNode) else []
    total = 1 + sum(_count(part, known, [*inside, node]) for part in parts)
    if total > _MOST_NODES:
        raise _refusal(node, f"becomes more than {_MOST_NODES:,} values when its aliases are written out")
    known[id(node)] = total
    return total


def _refusal(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
