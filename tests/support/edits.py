"""Edits of a checkout's files that quote none of their lines, so that no rewording of the code breaks a test."""

import ast
import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

# An edit of one file.
EditFile = Callable[[Path], None]


def changed(name: str) -> EditFile:
    """Change a definition: a function, method or class gets one more statement, a constant another value.

    Parameters
    ----------
    name : str
        Dotted, as in ``Sliding.encode``.
    """

    def edit(path: Path) -> None:
        lines = _read(path).splitlines(keepends=True)
        node = _find(ast.parse("".join(lines)), name, path)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            assert node.value is not None
            _insert(lines, node.value, " if __name__ else None")
        else:
            last = node.body[-1]
            lines.insert(last.end_lineno or 0, f"\n{' ' * node.body[0].col_offset}edited = True\n")
        _write(path, "".join(lines))

    return edit


def decorated(name: str) -> EditFile:
    """Put a decorator of unknown effect on a top-level function or class: it counts wherever the module is imported."""

    def edit(path: Path) -> None:
        lines = _read(path).splitlines(keepends=True)
        node = _find(ast.parse("".join(lines)), name, path)
        assert isinstance(node, ast.FunctionDef | ast.ClassDef)
        first = min(part.lineno for part in (node, *node.decorator_list))
        lines.insert(first - 1, "@edited\n")
        _write(path, "".join(lines))

    return edit


def added(path: Path) -> None:
    """Add a constant that nothing uses."""
    _write(path, _read(path) + "\n\nUNUSED = 1\n")


def reworded(path: Path) -> None:
    """Change words alone: those of the module's docstring, and comments."""
    text = _read(path)
    assert text.startswith('"""')
    _write(path, text.replace('"""', '"""Other words. ', 1) + "\n# A comment.\n")


def reworded_error(path: Path) -> None:
    """Change the words of the first error that the module raises with a text written out."""
    text, found = re.subn(r'(raise \w+\(f?")', r"\1Other words: ", _read(path), count=1)
    assert found, f"{path} raises nothing"
    _write(path, text)


def with_key(*keys: str | int, value: Any) -> EditFile:
    """Set a value of a YAML file; a list grows by the value if the last key is its length."""

    def edit(path: Path) -> None:
        content = inner = yaml.safe_load(_read(path))
        for key in keys[:-1]:
            inner = inner[key]
        if isinstance(inner, list) and keys[-1] == len(inner):
            inner.append(value)
        else:
            inner[keys[-1]] = value
        _write(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))

    return edit


def with_entry(table: str, key: str, value: str) -> EditFile:
    """Add an entry to a table of strings that a module writes out."""

    def edit(path: Path) -> None:
        lines = _read(path).splitlines(keepends=True)
        node = _find(ast.parse("".join(lines)), table, path)
        first = next(inner for inner in ast.walk(node) if isinstance(inner, ast.Dict))
        line = lines[first.lineno - 1].encode()
        at = first.col_offset + 1
        lines[first.lineno - 1] = (line[:at] + f'"{key}": "{value}", '.encode() + line[at:]).decode()
        _write(path, "".join(lines))

    return edit


def with_value(column: str, value: str) -> EditFile:
    """Set a value of the first row of a CSV file."""

    def edit(path: Path) -> None:
        header, *rows = csv.reader(_read(path).splitlines())
        rows[0][header.index(column)] = value
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])

    return edit


def with_text(text: str) -> EditFile:
    """Replace the whole content."""
    return lambda path: _write(path, text)


def pinned_anew(package: str) -> EditFile:
    """Pin another version of a package in an environment file."""

    def edit(path: Path) -> None:
        text, found = re.subn(rf"\b{package}==", f"{package}==9", _read(path), count=1)
        assert found, f"{path} does not pin {package}"
        _write(path, text)

    return edit


def _find(tree: ast.Module, name: str, path: Path) -> ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign:
    body = tree.body
    for part in name.split("."):
        (node,) = (node for node in body if part in _names(node))
        assert isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign), f"{path}: {name}"
        body = getattr(node, "body", [])
    return node


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _insert(lines: list[str], node: ast.expr, text: str) -> None:
    """Insert after an expression; columns are counted in bytes."""
    number = (node.end_lineno or 0) - 1
    line = lines[number].encode()
    lines[number] = (line[: node.end_col_offset] + text.encode() + line[node.end_col_offset :]).decode()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
