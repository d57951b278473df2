"""The first-party modules as parsed text: what each defines, imports and does when it is imported. None is executed."""

import ast
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from phasebench.codehash.canonical import canonical_text, dotted_name, normalised_module
from phasebench.codehash.scoping import Import, References, bound_names, imports_of, modules_of, references_of
from phasebench.common.errors import PhasebenchError

# Decorators that change what they decorate and nothing else. Any other may register it somewhere.
_HARMLESS_DECORATORS = frozenset(
    {
        "abc.abstractmethod",
        "contextlib.contextmanager",
        "dataclasses.dataclass",
        "enum.unique",
        "functools.cache",
        "functools.lru_cache",
        "functools.singledispatch",
        "functools.total_ordering",
        "functools.wraps",
        "torch.compile",
        "torch.compiler.disable",
        "torch.inference_mode",
        "torch.no_grad",
        "triton.jit",
        "typing.final",
        "typing.overload",
        "typing.runtime_checkable",
    }
)


@dataclass(frozen=True, eq=False)
class Statement:
    """A normalised top-level statement."""

    node: ast.stmt
    package: str

    @cached_property
    def text(self) -> str:
        """Canonical text."""
        return canonical_text(self.node)

    @cached_property
    def references(self) -> References:
        """Names that it uses."""
        return references_of(self.node, self.package)


@dataclass(eq=False)
class Module:
    """A parsed module.

    Attributes
    ----------
    name
        Dotted name.
    package
        Where its relative imports start.
    definitions
        The statements that bind each global name, in order.
    imports
        The imports that bind each global name, in order.
    stars
        Modules that are imported with a star.
    effects
        Statements that act when the module is imported, in order.
    executed
        Modules that its top-level imports may execute; some of these names may be no modules.
    """

    name: str
    package: str
    definitions: dict[str, list[Statement]] = field(default_factory=dict)
    imports: dict[str, list[Import]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    effects: list[Statement] = field(default_factory=list)
    executed: set[str] = field(default_factory=set)

    @property
    def names(self) -> frozenset[str]:
        """Every global name that it binds."""
        return frozenset(self.definitions) | frozenset(self.imports)


def parse_module(name: str, path: Path) -> Module:
    """Parse a module and sort its statements.

    Raises
    ------
    PhasebenchError
        The file is not Python.
    """
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    stub = path.with_suffix(".pyi")
    texts = (path.read_text(encoding="utf-8"), stub.read_text(encoding="utf-8") if stub.is_file() else "")
    try:
        return _parse_text(name, package, *texts)
    except SyntaxError as error:
        file = path.with_suffix(str(error.filename))
        raise PhasebenchError(f"{file}: line {error.lineno}: not valid Python: {error.msg}") from error


# A process that looks at several checkouts, or at one again and again, parses every text once.
@lru_cache(maxsize=1024)
def _parse_text(name: str, package: str, text: str, stub: str) -> Module:
    module = Module(name, package)
    tree = normalised_module(text, ".py")
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            _add_import(module, node)
    # Decorators are recognised through the imports, so these come first.
    for node in tree.body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            _add_statement(module, node)
    _add_lazy_imports(module, stub)
    return module


def _add_lazy_imports(module: Module, stub: str) -> None:
    """Names that ``lazy_loader.attach_stub`` imports when they are first used: followed, but not executed before."""
    if "__getattr__" not in module.names:
        return
    for node in normalised_module(stub, ".pyi").body:
        if isinstance(node, ast.ImportFrom):
            for name, origin in imports_of(node, module.package).items():
                module.imports.setdefault(name, []).append(origin)


def _add_import(module: Module, node: ast.Import | ast.ImportFrom) -> None:
    module.executed.update(modules_of(node, module.package))
    for name, origin in imports_of(node, module.package).items():
        if name == "*":
            module.stars.append(origin.module)
        else:
            module.imports.setdefault(name, []).append(origin)


def _add_statement(module: Module, node: ast.stmt) -> None:
    statement = Statement(node, module.package)
    if _has_effect(module, node):
        module.effects.append(statement)
    inner_imports = _imports_inside(node)
    for inner in inner_imports:
        _add_import(module, inner)
    for name in bound_names([node]):
        if not any(name in imports_of(inner, module.package) for inner in inner_imports):
            module.definitions.setdefault(name, []).append(statement)


def _imports_inside(node: ast.stmt) -> list[ast.Import | ast.ImportFrom]:
    """Imports in a top-level ``if``, ``try``, ``with`` or loop."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return []
    return [inner for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom)]


def _has_effect(module: Module, node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return not all(_is_harmless(module, decorator) for decorator in node.decorator_list)
    if isinstance(node, ast.Assign):
        # A value bound to `_` is wanted for what making it does.
        return any(not _is_plain_target(target) or "_" in bound_names([target]) for target in node.targets)
    return type(node).__name__ != "TypeAlias"


def _is_plain_target(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple | ast.List):
        return all(_is_plain_target(item) for item in target.elts)
    if isinstance(target, ast.Starred):
        return _is_plain_target(target.value)
    return isinstance(target, ast.Name)


def _is_harmless(module: Module, decorator: ast.expr) -> bool:
    name = dotted_name(decorator.func if isinstance(decorator, ast.Call) else decorator)
    if not name:
        return False
    origins = module.imports.get(name[0], [])
    full_names = {".".join([*origin.origin.split(":"), *name[1:]]) for origin in origins}
    return bool(full_names) and full_names <= _HARMLESS_DECORATORS
