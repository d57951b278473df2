"""Hashes of exactly the first-party definitions that a computation reaches.

From root symbols such as ``package.module:Class`` the names that each definition uses are followed through
functions, classes, constants and imports, inside the package only. What a module does when it is imported counts for
every module that the reached definitions import, directly or not. Nothing is executed.

A registry maps names to such symbols as strings: it is whatever a module binds, at its top level, to a call of one of
the classes that the caller names. Whoever asks for a closure says which entries of which registries are meant; of a
registry that is reached and of which nothing was said, every entry is followed, so that none can be forgotten.
Subclasses that register themselves through ``__init_subclass__`` or a metaclass are not seen, nor are names computed at
run time.
"""

import json
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from phasebench.codehash.cache import HashCache
from phasebench.codehash.modules import Module, Statement, parse_module
from phasebench.codehash.registries import registry_class, string_table
from phasebench.codehash.scoping import Import
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_file, sha256_of_text

# With one of these a definition can use any name of its module.
_WHOLE_MODULE_NAMES = frozenset({("globals",), ("exec",), ("eval",), ("sys", "modules")})


@dataclass(frozen=True, eq=False)
class Closure:
    """The definitions that a set of roots reaches, and their hashes.

    Attributes
    ----------
    reached
        Module to the global names reached in it; modules of which nothing counts are left out.
    hashes
        Module to the SHA-256 of what counts in it.
    executed
        Modules that are imported on the way, those included of which nothing counts.
    third_party
        Top-level names of the packages outside, standard library included, that have to be importable.
    registries
        The registries reached, as ``module:name``.
    """

    reached: dict[str, frozenset[str]]
    hashes: dict[str, str]
    executed: frozenset[str]
    third_party: frozenset[str]
    registries: frozenset[str]


class SourceTree:
    """The modules of one package, parsed when first needed.

    Parameters
    ----------
    folder : Path
        The package's folder; its name is the package's.
    registry_classes : collection of str
        The classes, as ``module:name``, a call of which makes a registry. The last argument of the call is its table.
    beside : Path, optional
        Folder of modules outside the package that are followed as well.
    only : str, optional
        The one of these that is followed; all of them if not given.
    """

    def __init__(
        self,
        folder: Path,
        registry_classes: Collection[str] = (),
        *,
        beside: Path | None = None,
        only: str | None = None,
    ) -> None:
        self.folder = folder
        self._registry_classes = frozenset(registry_classes)
        self._beside, self._only = beside, only
        self._extended: dict[tuple[Path, str | None], SourceTree] = {}
        self._modules: dict[str, Module | None] = {}
        self._closures: dict[tuple[frozenset[str], frozenset[str]], Closure] = {}
        self._whole_files: dict[Path, str] = {}

    def extended(self, beside: Path, only: str | None = None) -> "SourceTree":
        """The package together with modules in another folder, or with the one of a name; made once for each."""
        key = (beside, only)
        if key not in self._extended:
            self._extended[key] = SourceTree(self.folder, self._registry_classes, beside=beside, only=only)
        return self._extended[key]

    def module(self, name: str) -> Module | None:
        """The parsed module, or None if the package has none of that name."""
        if name not in self._modules:
            path = self.path(name)
            self._modules[name] = None if path is None else parse_module(name, path)
        return self._modules[name]

    def closure(self, roots: Iterable[str], chosen: Mapping[str, Iterable[str]] = MappingProxyType({})) -> Closure:
        """Follow the roots.

        Parameters
        ----------
        roots : iterable of str
            Each ``module:name``, or ``module:`` for all that it binds.
        chosen : mapping
            Registry, as ``module:name``, to the targets of the entries that are meant. They are roots too; the rest of
            the registry is neither followed nor hashed.

        Raises
        ------
        PhasebenchError
            A root does not exist, a reached module is not Python, or a reached registry of which nothing was chosen is
            not written out as strings.
        """
        all_roots = frozenset(roots).union(*chosen.values())
        key = (all_roots, frozenset(chosen))
        if key not in self._closures:
            self._closures[key] = _Walk(self, key[1]).run(sorted(all_roots))
        return self._closures[key]

    def hashes(
        self, roots: Iterable[str], chosen: Mapping[str, Iterable[str]] = MappingProxyType({})
    ) -> dict[str, str]:
        """The hashes of a :meth:`closure`, from the cache if no source has changed since they were computed there."""
        if self._beside is not None:
            return dict(self.closure(roots, chosen).hashes)
        listed, entries = sorted(roots), {registry: sorted(targets) for registry, targets in chosen.items()}
        key = json.dumps([sorted(self._registry_classes), listed, entries], sort_keys=True)
        found = self._cache.find(key)
        if found is None:
            found = self.closure(listed, entries).hashes
            self._cache.add(key, found)
        return dict(found)

    def save_hashes(self) -> None:
        """Keep the hashes that were computed, for other processes with the same sources."""
        self._cache.save()

    @cached_property
    def _cache(self) -> HashCache:
        return HashCache(self.folder)

    def string_table(self, symbol: str) -> dict[str, str]:
        """A table of strings, ``module:name``, read from the source: a dictionary, or that of a registry.

        Raises
        ------
        PhasebenchError
            There is no such table, or it is not written out as strings.
        """
        module_name, _, name = symbol.partition(":")
        module = self.module(module_name)
        table = None if module is None else string_table(module, name)
        if table is not None:
            return table
        raise PhasebenchError(f"{symbol}: there is no such table of strings below {self.folder}")

    def registries(self) -> frozenset[str]:
        """Every registry of the package, reached or not, as ``module:name``."""
        paths = [path.relative_to(self.folder.parent).with_suffix("") for path in self.folder.rglob("*.py")]
        modules = [self.module(".".join(part for part in path.parts if part != "__init__")) for path in paths]
        return frozenset(
            f"{module.name}:{name}"
            for module in filter(None, modules)
            for name in module.definitions
            if self.registry_class(module, name)
        )

    def registry_class(self, module: Module, name: str) -> tuple[str, ...]:
        """The dotted name by which a module calls the class of a registry; empty if ``name`` is no registry of it."""
        return registry_class(module, name, self._registry_classes, self.module)

    def path(self, name: str) -> Path | None:
        """File of a module; None if the package has none of that name."""
        first, *rest = name.split(".")
        top = self._top(first)
        if top is None:
            return None
        base = top.joinpath(*rest)
        for path in (base / "__init__.py", base.with_name(base.name + ".py")):
            if path.is_file():
                return path
        return None

    def whole_file(self, name: str) -> str | None:
        """SHA-256 of all bytes of a module's file, as first read; None if the package has none of that name."""
        path = self.path(name)
        if path is not None and path not in self._whole_files:
            self._whole_files[path] = sha256_of_file(path)
        return None if path is None else self._whole_files[path]

    def has(self, top: str) -> bool:
        """True for the name of the package, or of a module beside it that is followed."""
        return self._top(top) is not None

    def is_bare(self, top: str) -> bool:
        """True for a folder beside the package that is none itself: a package elsewhere goes before it."""
        return top != self.folder.name and self.path(top) is None

    def _top(self, name: str) -> Path | None:
        """Folder of a topmost package, or the path of a module without its suffix; None for one of others."""
        if name == self.folder.name:
            return self.folder
        if self._beside is None or self._only not in (None, name) or name in sys.stdlib_module_names:
            return None
        base = self._beside / name
        return base if base.is_dir() or base.with_name(f"{name}.py").is_file() else None


class _Walk:
    """One traversal. A list of what is left to follow, since chains of definitions are longer than the call stack."""

    def __init__(self, tree: SourceTree, chosen: frozenset[str]) -> None:
        self.tree = tree
        self.chosen = chosen
        self.reached: dict[str, set[str]] = {}
        self.executed: set[str] = set()
        self.third_party: set[str] = set()
        self.registries: set[str] = set()
        self._pending: list[tuple[str, tuple[str, ...]]] = []
        self._seen: set[tuple[str, tuple[str, ...]]] = set()

    def run(self, roots: list[str]) -> Closure:
        for root in roots:
            self._reach_symbol(root)
        while self._pending:
            self._follow(*self._pending.pop())
        texts = {name: self._text(name) for name in sorted(self.executed)}
        hashes = {name: sha256_of_text(text) for name, text in texts.items() if text}
        reached = {name: frozenset(self.reached.get(name, ())) for name in hashes}
        return Closure(
            reached, hashes, frozenset(self.executed), frozenset(self.third_party), frozenset(self.registries)
        )

    def _reach_symbol(self, symbol: str) -> None:
        module, colon, name = symbol.partition(":")
        found = self.tree.module(module)
        if found is not None and colon and not name:
            self._reach(module, ())
            return
        if found is None or name not in found.names:
            raise PhasebenchError(f"{symbol}: there is no such definition below {self.tree.folder}")
        self._reach(module, (name,))

    def _reach(self, module: str, attributes: tuple[str, ...]) -> None:
        """Ask for ``module.attribute...``; without attributes, for everything in the module."""
        request = (module, attributes)
        if request not in self._seen:
            self._seen.add(request)
            self._pending.append(request)

    def _follow(self, module_name: str, attributes: tuple[str, ...]) -> None:
        self._execute(module_name)
        module = self.tree.module(module_name)
        if module is None:
            return
        if not attributes:
            for name in module.names:
                self._reach(module_name, (name,))
            return
        name, rest = attributes[0], attributes[1:]
        provider = self._provider(module, name)
        if provider is not None:
            self._bind(provider, name, rest)
        elif self.tree.module(f"{module_name}.{name}") is not None:
            self._reach(f"{module_name}.{name}", rest)
        elif "__getattr__" in module.names:
            self._reach(module_name, ())

    def _provider(self, module: Module, name: str, passed: frozenset[str] = frozenset()) -> Module | None:
        """The module that binds the name: this one, or one that it imports with a star."""
        if name in module.names:
            return module
        for star in module.stars:
            source = None if star in passed else self.tree.module(star)
            found = None if source is None else self._provider(source, name, passed | {star})
            if found is not None:
                return found
        return None

    def _bind(self, module: Module, name: str, rest: tuple[str, ...]) -> None:
        registry_class = self.tree.registry_class(module, name)
        if registry_class:
            symbol = f"{module.name}:{name}"
            self.registries.add(symbol)
            if symbol in self.chosen:
                self._use_global(module, registry_class)
                return
            for target in self.tree.string_table(symbol).values():
                self._reach_symbol(target)
        self.reached.setdefault(module.name, set()).add(name)
        for statement in module.definitions.get(name, ()):
            self._use(module, statement)
        for origin in module.imports.get(name, ()):
            self._follow_import(module, origin, rest)

    def _use(self, module: Module, statement: Statement) -> None:
        references = statement.references
        for names in references.names:
            self._use_global(module, names)
        for origin, attributes in references.imported:
            self._follow_import(module, origin, attributes)
        for name in references.executed:
            self._execute(name)

    def _use_global(self, module: Module, names: tuple[str, ...]) -> None:
        if names[:1] in _WHOLE_MODULE_NAMES or names[:2] in _WHOLE_MODULE_NAMES:
            self._reach(module.name, ())
        # A package's own code sees its submodules as globals; any other unknown name is a builtin.
        if self._provider(module, names[0]) or self.tree.module(f"{module.name}.{names[0]}"):
            self._reach(module.name, names)

    def _follow_import(self, module: Module, origin: Import, attributes: tuple[str, ...]) -> None:
        submodule = f"{origin.module}.{origin.name}"
        if origin.name is None:
            self._reach(origin.module, attributes)
        elif origin.module == module.name and self.tree.module(submodule) is not None:
            # `from . import part` in a package's own __init__ would lead back to itself.
            self._reach(submodule, attributes)
        else:
            self._reach(origin.module, (origin.name, *attributes))

    def _execute(self, name: str) -> None:
        """Follow an import, which executes the module's parents, itself and what these import."""
        parts = name.split(".")
        if not self.tree.has(parts[0]) or self.tree.is_bare(parts[0]):
            self.third_party.add(parts[0])
        if not self.tree.has(parts[0]):
            return
        for length in range(1, len(parts) + 1):
            module = self.tree.module(".".join(parts[:length]))
            if module is not None and module.name not in self.executed:
                self.executed.add(module.name)
                for statement in module.effects:
                    self._use(module, statement)
                for imported in sorted(module.executed):
                    self._execute(imported)

    def _text(self, name: str) -> str:
        """Text of a module that counts: reached definitions by name, then effects in order; empty if there are none."""
        module = self.tree.module(name)
        assert module is not None
        lines = []
        for reached in sorted(self.reached.get(name, ())):
            lines += [f"{reached} = {statement.text}" for statement in module.definitions.get(reached, ())]
            lines += [f"{reached} from {origin.origin}" for origin in module.imports.get(reached, ())]
        lines += [statement.text for statement in module.effects]
        lines += [f"* from {star}" for star in module.stars if lines]
        return "\n".join(lines)
