"""Identity of external networks: the code of a file and of what it imports, or files and version of a package.

A file counts as our own modules do, by the definitions that it reaches, ours included. Of an installed package each
file counts that is imported on the way, whole, and its version; of what else is imported, the version.
"""

import importlib.metadata
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from phasebench.codehash.closure import SourceTree
from phasebench.common.targets import Target, find_target
from phasebench.plan.registries import BUILDERS_TABLE, MODELS_TABLE


def external_targets(networks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Targets of the external ones of networks that are described as settings of a stage."""
    return sorted({network["external"]["target"] for network in networks if network.get("external")})


def external_hashes(
    tree: SourceTree, targets: Sequence[str], chosen: Mapping[str, Iterable[str]], roots: Sequence[str] = ()
) -> dict[str, str]:
    """The hashes of the modules that a stage with external networks reaches.

    Parameters
    ----------
    tree : SourceTree
        The package's sources.
    targets : sequence of str
        The networks.
    chosen : mapping
        Entries of the other registries, as of :meth:`SourceTree.closure`.
    roots : sequence of str
        Further definitions, as of :meth:`SourceTree.closure`.

    Raises
    ------
    PhasebenchError
        A target is none, or there is no such file, package or definition.
    """
    found = dict[str, str]()
    for text in targets:
        target = find_target(text)
        extended = _extended(tree, target)
        closure = extended.closure([*roots, _root(target)], chosen)
        # Two networks may reach different definitions of one module.
        own = {f"{name} [{text}]" if len(targets) > 1 else name: value for name, value in closure.hashes.items()}
        if target.file is None:
            own |= _whole_files(extended, target, closure.executed)
        found |= own
    return found


def external_versions(tree: SourceTree, targets: Sequence[str]) -> dict[str, str]:
    """Versions of the installed packages that external networks are part of, or import."""
    tops: set[str] = set()
    for text in targets:
        target = find_target(text)
        tops |= _extended(tree, target).closure([_root(target)], {BUILDERS_TABLE: (), MODELS_TABLE: ()}).third_party
        if target.file is None:
            tops.add(target.top)
    names = {name for top in tops - sys.stdlib_module_names for name in distributions().get(top, ())}
    return {name.lower(): importlib.metadata.version(name) for name in sorted(names)}


def _root(target: Target) -> str:
    # Of a package, anything that its module binds; names may come from a star, or be computed.
    return f"{target.module}:{target.name.partition('.')[0] if target.file else ''}"


def _extended(tree: SourceTree, target: Target) -> SourceTree:
    return tree.extended(target.folder, None if target.file else target.top)


def _whole_files(tree: SourceTree, target: Target, executed: Iterable[str]) -> dict[str, str]:
    own = sorted(name for name in executed if name.partition(".")[0] == target.top)
    return {name: digest for name in own if (digest := tree.whole_file(name)) is not None}


@cache
def distributions() -> Mapping[str, Sequence[str]]:
    """Names of the installed distributions that have a topmost module, by its name."""
    return importlib.metadata.packages_distributions()
