"""Tests that pages of the documentation name."""

import re

from support.checkout import ROOT


def unknown_tests(text: str) -> set[str]:
    """Names of tests in a text, between backquotes, that no file defines."""
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    return set(re.findall(r"`(test_\w+)`", text)) - defined
