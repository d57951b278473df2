"""YAML files as typed models; a fault is reported in one line that names file and key."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from phasebench.common.errors import PhasebenchError
from phasebench.common.validation import Model, as_model


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


def read_model(model: type[Model], path: Path, shown: str) -> Model:
    """Read and validate a YAML file; raises as :func:`read_yaml` and :func:`as_model` do."""
    return as_model(model, read_yaml(path, shown), shown)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML loader that refuses equal keys, of which PyYAML would silently keep the last."""

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
