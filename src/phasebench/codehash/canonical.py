"""Python code reduced to what it does, and a text of it that every supported Python version writes alike.

Comments, layout, docstrings, the wording of errors and the descriptions of fields are left out, and so are annotations
that nothing reads: those of local variables, and of functions unless a decorator may look at them.
"""

import ast
from collections.abc import Iterator

# Positions and contexts follow from the rest; type comments and the u of u"" mean nothing.
_IGNORED_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})

# Decorators that do not look at the signature of what they decorate.
_BLIND_DECORATORS = frozenset(
    {
        "abstractmethod",
        "cache",
        "cached_property",
        "classmethod",
        "contextmanager",
        "inference_mode",
        "lru_cache",
        "no_grad",
        "once_differentiable",
        "override",
        "property",
        "staticmethod",
    }
)


def normalised_module(source: str, filename: str) -> ast.Module:
    """Parse a module and reduce it.

    Raises
    ------
    SyntaxError
        The source is not Python.
    """
    return _Normaliser().module(ast.parse(source, filename))


def canonical_text(node: ast.AST) -> str:
    """The text of a normalised statement or expression."""
    return "".join(_parts(node))


def _parts(value: object) -> Iterator[str]:
    if isinstance(value, ast.Constant):
        yield f"{type(value.value).__name__}:{value.value!r}"
    elif isinstance(value, ast.AST):
        yield type(value).__name__ + "("
        for name, field in ast.iter_fields(value):
            # Fields that only newer versions have are empty in code that older versions can read.
            if name not in _IGNORED_FIELDS and field is not None and field != []:
                yield name + "="
                yield from _parts(field)
                yield ","
        yield ")"
    elif isinstance(value, list):
        yield "["
        for item in value:
            yield from _parts(item)
            yield ","
        yield "]"
    else:
        yield repr(value)


class _Normaliser(ast.NodeTransformer):
    """Transformer that reduces a tree in place. The result is for reading only: a body may be empty."""

    def __init__(self) -> None:
        self._in_class = False
        self._in_error = False

    def module(self, tree: ast.Module) -> ast.Module:
        self.generic_visit(tree)
        return tree

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        # A decorator may read the annotations; nobody else does.
        if all(_is_blind(decorator) for decorator in node.decorator_list):
            node.returns = None
            arguments = node.args
            named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
            for argument in named:
                if argument is not None:
                    argument.annotation = None
        return self._visit_inside(node, in_class=False)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._visit_inside(node, in_class=True)

    def _visit_inside(self, node: ast.AST, in_class: bool) -> ast.AST:
        outer, self._in_class = self._in_class, in_class
        self.generic_visit(node)
        self._in_class = outer
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        if self._in_class:
            return node
        return None if node.value is None else ast.Assign(targets=[node.target], value=node.value)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if _is_false_at_run_time(node.test) else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if dotted_name(node.func)[-1:] == ("Field",):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
        return self.generic_visit(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.format_spec, ast.JoinedStr) and not node.format_spec.values:
            node.format_spec = None
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self._in_error = True
        self.generic_visit(node)
        self._in_error = False
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if self._in_error and isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        # Where neighbouring constants are cut, and whether empty ones appear, depends on the Python version.
        values: list[ast.expr] = []
        for part in node.values:
            if not isinstance(part, ast.Constant):
                values.append(self.visit(part))
            elif self._in_error or not part.value:
                continue
            elif values and isinstance(values[-1], ast.Constant):
                values[-1] = ast.Constant(str(values[-1].value) + str(part.value))
            else:
                values.append(part)
        node.values = values
        return node


def dotted_name(node: ast.AST) -> tuple[str, ...]:
    """``a.b.c`` as ``("a", "b", "c")``; empty if the expression is anything but names and dots."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else ()


def _is_blind(decorator: ast.expr) -> bool:
    name = dotted_name(decorator.func if isinstance(decorator, ast.Call) else decorator)
    return bool(name) and name[-1] in _BLIND_DECORATORS


def _is_false_at_run_time(test: ast.expr) -> bool:
    """``TYPE_CHECKING``, or ``__name__ == "__main__"`` in a module that is imported."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        sides = [test.left, *test.comparators]
        names = {dotted_name(side) for side in sides}
        return ("__name__",) in names and any(isinstance(s, ast.Constant) and s.value == "__main__" for s in sides)
    return dotted_name(test)[-1:] == ("TYPE_CHECKING",)
