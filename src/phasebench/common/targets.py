"""Definitions outside the package that a configuration names: ``package.module:Name`` or ``/path/file.py:Name``."""

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_text

_SUFFIX = ".py"


@dataclass(frozen=True)
class Target:
    """A definition and the place of its module.

    Attributes
    ----------
    text
        As it was written.
    module
        Dotted name of the module, as its neighbours import it.
    name
        Name of the definition in it; dots lead to attributes.
    folder
        Where the module's topmost package lies, or the module itself if it is in none.
    file
        The file, if one was named; None for a module that is installed.
    """

    text: str
    module: str
    name: str
    folder: Path
    file: Path | None

    @property
    def top(self) -> str:
        """Name of the topmost package."""
        return self.module.partition(".")[0]


def find_target(text: str) -> Target:
    """Find the module that a target names, without importing it.

    Parameters
    ----------
    text
        ``package.module:Name``, or ``file.py:Name``, the file relative to the working folder.

    Raises
    ------
    PhasebenchError
        The text is no target, or there is no such file or package.
    """
    place, colon, name = text.rpartition(":")
    if not colon or not place or not all(part.isidentifier() for part in name.split(".")):
        raise PhasebenchError(f"'{text}' is no target; write package.module:Name or /path/file.py:Name")
    if not place.endswith(_SUFFIX):
        return _installed(text, place, name)
    file = Path(place).absolute()
    if not file.is_file():
        raise PhasebenchError(f"there is no file {file}; correct the path, which starts at the working folder")
    folder, parts = file.parent, [file.stem]
    while (folder / "__init__.py").is_file():
        folder, parts = folder.parent, [folder.name, *parts]
    return Target(text, ".".join(parts), name, folder, file)


def load_target(text: str) -> Any:
    """Import the definition that a target names.

    Raises
    ------
    PhasebenchError
        The module cannot be imported, or has no such definition.
    """
    target = find_target(text)
    # The author's code may raise anything.
    try:
        found: Any = importlib.import_module(target.module) if target.file is None else _load_file(target, target.file)
    except Exception as error:
        raise PhasebenchError(
            f"'{text}' cannot be imported ({in_one_line(error)}); mend it, or name another"
        ) from error
    for part in target.name.split("."):
        if not hasattr(found, part):
            raise PhasebenchError(f"'{text}': {target.module} has no '{target.name}'; correct the name")
        found = getattr(found, part)
    return found


def in_one_line(error: BaseException) -> str:
    """Type and first line of an error."""
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _installed(text: str, module: str, name: str) -> Target:
    top = module.partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    places = [*(spec.submodule_search_locations or ())] if spec else []
    if spec and not places and spec.origin:
        places = [spec.origin]
    if not places or not Path(places[0]).exists():
        raise PhasebenchError(f"'{text}': there is no package '{top}' here; install it where the workflow runs")
    return Target(text, module, name, Path(places[0]).parent, None)


def _load_file(target: Target, file: Path) -> ModuleType:
    if str(target.folder) not in sys.path:
        sys.path.insert(0, str(target.folder))
    if "." in target.module:
        module = importlib.import_module(target.module)
        if Path(module.__file__ or "").absolute() != file:
            raise ImportError(f"another package '{target.top}' is imported, from {module.__file__}")
        return module
    # A file may have the name of a module that is installed.
    name = f"_{target.module}_{sha256_of_text(str(file))[:12]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
