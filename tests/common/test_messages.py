"""Log messages: who may print, and what is shown."""

import ast
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.checkout import ROOT

from phasebench.common.errors import PhasebenchError
from phasebench.common.messages import show_messages

PACKAGE = ROOT / "src" / "phasebench"
MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.fixture
def quiet_afterwards() -> Iterator[None]:
    """The package's logger as it was."""
    logger = logging.getLogger("phasebench")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers = handlers


def ways_to_speak(source: str) -> set[str]:
    """How a module says something: ``print``, ``warnings.warn``, or logging past a logger of its own."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in ("print", "sys.stderr.write", "sys.stdout.write", "warnings.warn", "typer.echo"):
            found.add(called)
        if called.startswith("logging.") and called.removeprefix("logging.") in (
            *("debug", "info", "warning", "error", "critical", "exception", "log", "basicConfig"),
        ):
            found.add(called)
        if called == "logging.getLogger" and [ast.unparse(argument) for argument in node.args] != ["__name__"]:
            found.add(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_modules_log_and_only_the_command_line_prints(path: Path) -> None:
    allowed = {"print"} if path.is_relative_to(PACKAGE / "cli") else set()
    if path == PACKAGE / "common" / "messages.py":
        allowed = {"sys.stderr.write", "logging.getLogger('phasebench')"}
    assert ways_to_speak(path.read_text(encoding="utf-8")) <= allowed


def test_every_other_way_is_seen() -> None:
    source = "print(1)\nlogging.warning('x')\nlogging.getLogger()\nimport sys\ndef f():\n    sys.stderr.write('x')\n"
    assert ways_to_speak(source) == {"print", "logging.warning", "logging.getLogger()", "sys.stderr.write"}
    assert not ways_to_speak("_LOGGER = logging.getLogger(__name__)\n_LOGGER.info('x')\n")


@pytest.mark.usefixtures("quiet_afterwards")
def test_messages_go_to_standard_error_once_and_warnings_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    show_messages()
    show_messages()
    logger = logging.getLogger("phasebench.training.any")
    logger.info("step %d", 3)
    logger.warning("%s: cannot be read", "a.wav")
    logger.debug("unseen")
    assert capsys.readouterr() == ("", "step 3\nwarning: a.wav: cannot be read\n")


def test_whoever_only_imports_the_package_hears_warnings_alone() -> None:
    code = "import logging, phasebench; l = logging.getLogger('phasebench.x'); l.info('unseen'); l.warning('seen')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("", "seen\n")


def test_an_error_is_one_line_whatever_name_it_quotes() -> None:
    assert str(PhasebenchError("key 'a\nb\u2028c\x1b\udc80ü' is not known")) == (
        "key 'a\\nb\\u2028c\\x1b\\udc80ü' is not known"
    )
