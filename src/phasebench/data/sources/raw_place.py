"""Place of the raw files of a data source, as its module declares it."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.specs.run import Scalar


@dataclass(frozen=True)
class RawPlace:
    """Place of the raw files of a source.

    Attributes
    ----------
    folder
        Below ``data_root``; None if the option has to name it.
    option
        The source's option that names another place, a folder or a file.
    names
        Regular expression of the names of the files that are read, in whichever case.
    deep
        Whether the folders inside are read too.
    files
        Function, as ``module:name``, that lists the files of a folder that are read with given options, where names do
        not tell.
    absent
        Beginning of the message where nothing is there; the place follows.
    downloads
        Whether the source can fetch what is missing.
    """

    folder: str | None = None
    option: str | None = None
    names: str = ".*"
    deep: bool = False
    files: str | None = None
    absent: str = "no files below"
    downloads: bool = False

    def within(self, data_root: Path, options: Mapping[str, Scalar]) -> Path | None:
        """Folder or file that is read with these options; None if the option that has to name it is missing."""
        named = options.get(self.option, self.folder) if self.option else self.folder
        return None if named is None else data_root / str(named)


def raw_place(source: str, target: str) -> RawPlace | None:
    """The raw files of a source, as the constant ``RAW_<SOURCE>`` of its module declares them.

    The constant is read from the text of the module, which would load what a preparation needs if it were imported.

    Parameters
    ----------
    source : str
        Name of the source.
    target : str
        Its loader, ``module:function``.

    Returns
    -------
    RawPlace or None
        None for a source that reads no files.

    Raises
    ------
    PhasebenchError
        The module has no such constant, or it is not a call of :class:`RawPlace` with literals, or None.
    """
    module = target.partition(":")[0]
    declared = _constants(module).get(f"RAW_{source.upper()}")
    try:
        if isinstance(declared, ast.Call) and isinstance(declared.func, ast.Name) and declared.func.id == "RawPlace":
            named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in declared.keywords}
            return RawPlace(*map(ast.literal_eval, declared.args), **named)
        if declared is not None and ast.literal_eval(declared) is None:
            return None
    except (TypeError, ValueError):
        pass
    raise PhasebenchError(
        f"{module}: RAW_{source.upper()}: missing or not written out; say there which raw files the data source "
        f"'{source}' reads, RawPlace(...) with literals, or None"
    )


@cache
def _constants(module: str) -> Mapping[str, ast.expr]:
    """Names that a module binds at its top level, each to one expression; the module is not executed."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise PhasebenchError(f"{module}: no such module; correct the registry of data sources")
    body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    assigned = [node for node in body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    return {node.targets[0].id: node.value for node in assigned if isinstance(node.targets[0], ast.Name)}
