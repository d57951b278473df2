"""Paths as people write them: ``~`` and variables of the environment, expanded once, where a configuration is read."""

import os
import re
from pathlib import Path

from phasebench.common.validation import is_line

_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})")
_LONGEST_PATH, _LONGEST_PART = 4095, 255


def expand_path(text: str) -> str:
    """Expand ``~``, ``~user``, ``$NAME`` and ``${NAME}`` in a path.

    Raises
    ------
    ValueError
        A variable is not set, there is no such user, or no file system takes such a path.
    """
    path = Path(_VARIABLE.sub(_value, text))
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"the home folder of '{path.parts[0]}' is not known; write the path out") from error
    if not text or not is_line(str(path)):
        raise ValueError("must be a path: not empty, and without control characters")
    encoded = [os.fsencode(part) for part in (str(path), *path.parts)]
    if len(encoded[0]) > _LONGEST_PATH or any(len(part) > _LONGEST_PART for part in encoded[1:]):
        raise ValueError(f"is longer than a path can be: {_LONGEST_PATH} bytes, {_LONGEST_PART} in each part")
    return str(path)


def _value(variable: re.Match[str]) -> str:
    name = variable[1] or variable[2]
    value = os.environ.get(name)
    if not value:
        raise ValueError(f"variable '{name}' of the environment is not set; set it, or write the path out")
    return value
