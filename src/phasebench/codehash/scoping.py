"""Global names that a piece of code uses, by Python's scoping rules."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from phasebench.codehash.canonical import dotted_name

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NEW_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)


@dataclass(frozen=True)
class Import:
    """A name bound by an import: ``from module import name``, or ``import module`` if ``name`` is None."""

    module: str
    name: str | None = None

    @property
    def origin(self) -> str:
        """Dotted name of what is imported, for people and for hashes."""
        return self.module if self.name is None else f"{self.module}:{self.name}"


@dataclass(frozen=True)
class References:
    """Names that a statement uses from outside.

    Attributes
    ----------
    names
        Dotted names whose first part is global, as tuples.
    imported
        What functions import for themselves and use: the import and the attributes taken from it.
    executed
        Modules that functions import, whether or not they use them.
    """

    names: frozenset[tuple[str, ...]]
    imported: frozenset[tuple[Import, tuple[str, ...]]]
    executed: frozenset[str]


@dataclass
class _Scope:
    is_class: bool
    names: set[str]
    imports: dict[str, Import] = field(default_factory=dict)


def imports_of(statement: ast.Import | ast.ImportFrom, package: str) -> dict[str, Import]:
    """The names an import statement binds; a star is bound as ``*``.

    Parameters
    ----------
    statement
        The import.
    package
        The package that relative imports start from.
    """
    if isinstance(statement, ast.Import):
        return {
            # Without `as`, `import a.b` binds `a`.
            alias.asname or alias.name.partition(".")[0]: Import(
                alias.name if alias.asname else alias.name.partition(".")[0]
            )
            for alias in statement.names
        }
    module = source_of(statement, package)
    return {alias.asname or alias.name: Import(module, alias.name) for alias in statement.names}


def source_of(statement: ast.ImportFrom, package: str) -> str:
    """The absolute name of the module that ``from ... import`` names."""
    if not statement.level:
        return statement.module or ""
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - statement.level + 1], *filter(None, [statement.module])])


def modules_of(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """Every module that the import may execute; ``from a import b`` executes ``a`` and, if there is one, ``a.b``."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    else:
        module = source_of(statement, package)
        yield module
        yield from (f"{module}.{alias.name}" for alias in statement.names)


def references_of(statement: ast.stmt, package: str) -> References:
    """Names that a normalised top-level statement uses."""
    visitor = _Visitor(package)
    visitor.visit(statement)
    return References(frozenset(visitor.names), frozenset(visitor.imported), frozenset(visitor.executed))


def bound_names(body: Iterable[ast.AST]) -> set[str]:
    """Names that these statements bind in their own scope, by assignment, definition, loop, ``except`` or import."""
    found: set[str] = set()
    for node in _own_scope(body):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found.add(node.id)
        elif isinstance(node, _NAMED) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update(imports_of(node, ""))
    return found


def _own_scope(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes but those inside functions and classes; of comprehensions only what ``:=`` binds."""
    for node in body:
        yield node
        if isinstance(node, _COMPREHENSIONS):
            yield from (inner.target for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr))
        elif not isinstance(node, _NEW_SCOPES):
            yield from _own_scope(ast.iter_child_nodes(node))


class _Visitor(ast.NodeVisitor):
    """Visitor of one statement, with a stack of the scopes inside it; the module itself is not on the stack."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.names: set[tuple[str, ...]] = set()
        self.imported: set[tuple[Import, tuple[str, ...]]] = set()
        self.executed: set[str] = set()
        self._scopes: list[_Scope] = []

    def visit_Name(self, node: ast.Name) -> None:
        self._use((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = dotted_name(node)
        if name:
            self._use(name)
        else:
            self.generic_visit(node)

    def _use(self, name: tuple[str, ...]) -> None:
        innermost = True
        for scope in reversed(self._scopes):
            if not scope.is_class or innermost:
                if name[0] in scope.imports:
                    self.imported.add((scope.imports[name[0]], name[1:]))
                    return
                # A class body falls back to the globals for a name it binds only later.
                if name[0] in scope.names and not scope.is_class:
                    return
            innermost = False
        self.names.add(name)

    def visit_Import(self, node: ast.Import) -> None:
        self._import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._import(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.executed.update(modules_of(node, self.package))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._visit_all([*node.decorator_list, *_outside(node.args), *filter(None, [node.returns])])
        self._visit_scope(node.body, bound_names(node.body) | _parameter_names(node.args))

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_all(_outside(node.args))
        self._visit_scope([node.body], bound_names([node.body]) | _parameter_names(node.args))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_all([*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)])
        self._visit_scope(node.body, bound_names(node.body), is_class=True)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        # Field annotations may be quoted.
        for part in ast.walk(node.annotation):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                try:
                    self.visit(ast.parse(part.value, mode="eval"))
                except SyntaxError:
                    continue

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, _COMPREHENSIONS):
            self._comprehension(node)
        else:
            super().generic_visit(node)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        targets = {name.id for part in node.generators for name in ast.walk(part.target) if isinstance(name, ast.Name)}
        self._scopes.append(_Scope(is_class=False, names=targets))
        for index, part in enumerate(node.generators):
            self._visit_all([part.target, *part.ifs, *([part.iter] if index else [])])
        self._visit_all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self._scopes.pop()

    def _visit_scope(self, body: list[ast.stmt] | list[ast.expr], names: set[str], is_class: bool = False) -> None:
        scope = _Scope(is_class, set(names))
        for node in _own_scope(body):
            if isinstance(node, ast.Global | ast.Nonlocal):
                scope.names.difference_update(node.names)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                scope.imports.update(imports_of(node, self.package))
        self._scopes.append(scope)
        self._visit_all(body)
        self._scopes.pop()

    def _visit_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


def _outside(arguments: ast.arguments) -> Iterator[ast.AST]:
    """Defaults and annotations, which are evaluated where the function is defined."""
    yield from arguments.defaults
    yield from filter(None, arguments.kw_defaults)
    yield from (argument.annotation for argument in _parameters(arguments) if argument.annotation is not None)


def _parameters(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    yield from filter(None, (arguments.vararg, arguments.kwarg))


def _parameter_names(arguments: ast.arguments) -> set[str]:
    return {parameter.arg for parameter in _parameters(arguments)}
