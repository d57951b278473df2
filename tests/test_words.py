"""Docstrings begin with the subject that a reader searches for, not with a question word."""

import ast
import re
from pathlib import Path

import pytest
from support.checkout import ROOT

SOURCES = sorted(path for folder in ("src", "executor/src") for path in (ROOT / folder).rglob("*.py"))
QUESTION = re.compile(
    r"\s*(?:(?:At|By|For|From|In|Of|On|To|With)\s+)?(?:that|what|when|where|whether|which|who|whom|whose|how|why)\b",
    re.IGNORECASE,
)


def questions(source: str) -> list[str]:
    """First lines of the docstrings, those of attributes included, that begin with a question word."""
    texts = (
        node.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )
    return [text.strip().splitlines()[0] for text in texts if QUESTION.match(text)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_docstring_begins_with_a_question_word(path: Path) -> None:
    assert questions(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("text", ["What is run.", "How it ends.", "By which it is found.", "\n    That it is."])
def test_a_docstring_that_begins_with_a_question_word_is_found(text: str) -> None:
    first = text.strip()
    for source in (
        f'"""{text}"""\n',
        f'class A:\n    """{text}"""\n',
        f'class A:\n    a: int\n    """{text}"""\n',
        f'class A:\n    def f(self):\n        """{text}"""\n',
        f'async def f():\n    """{text}"""\n',
    ):
        assert questions(source) == [first]


@pytest.mark.parametrize("text", ["Paths of a run, which are relative.", "Whatever is left.", "Howitzers."])
def test_other_docstrings_are_left_alone(text: str) -> None:
    assert questions(f'"""{text}"""\nvalue = "What is run."\n') == []
