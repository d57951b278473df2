"""Registries in the source of a package: found by the call that makes them, and read as tables of strings."""

import ast
from collections.abc import Callable, Collection

from phasebench.codehash.canonical import dotted_name
from phasebench.codehash.modules import Module

FindModule = Callable[[str], Module | None]


def registry_class(module: Module, name: str, classes: Collection[str], find: FindModule) -> tuple[str, ...]:
    """Find the class of a registry.

    Parameters
    ----------
    module : Module
        Where the registry may be.
    name : str
        A global name of it.
    classes : collection of str
        The classes, as ``module:name``, a call of which makes a registry.
    find : callable
        Dotted name to module, or to None.

    Returns
    -------
    tuple of str
        The dotted name by which the module calls the class; empty if ``name`` is no registry.
    """
    for statement in module.definitions.get(name, ()):
        call = statement.node.value if isinstance(statement.node, ast.Assign) else None
        if isinstance(call, ast.Call):
            called = dotted_name(call.func.value if isinstance(call.func, ast.Subscript) else call.func)
            if called and _is_one_of(classes, module, called, find):
                return called
    return ()


def string_table(module: Module, name: str) -> dict[str, str] | None:
    """The strings of a dictionary, or of that in a registry; None if there is none that is written out."""
    for statement in module.definitions.get(name, ()):
        value = statement.node.value if isinstance(statement.node, ast.Assign) else None
        if isinstance(value, ast.Call) and value.args:
            value = value.args[-1]
        if isinstance(value, ast.Dict):
            try:
                return {str(key): str(target) for key, target in ast.literal_eval(value).items()}
            except ValueError:
                break
    return None


def _is_one_of(classes: Collection[str], module: Module, called: tuple[str, ...], find: FindModule) -> bool:
    """Return True for a dotted name of one of the classes, through whichever modules it was imported."""
    pending, passed = [(module, called)], set[tuple[str, tuple[str, ...]]]()
    while pending:
        place, names = pending.pop()
        if (place.name, names) in passed:
            continue
        passed.add((place.name, names))
        first, *rest = names
        if not rest and f"{place.name}:{first}" in classes:
            return True
        for origin in place.imports.get(first, ()):
            path = [*origin.module.split("."), *filter(None, [origin.name]), *rest]
            # The longest beginning that is a module; what follows is a name in it.
            for length in range(len(path) - 1, 0, -1):
                source = find(".".join(path[:length]))
                if source is not None:
                    pending.append((source, tuple(path[length:])))
                    break
    return False
