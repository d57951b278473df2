"""The tests that need a CUDA device: a run of pytest, and the plugin that selects and counts them."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from gpu_parts.session import NEEDS_A_CARD, Session, first_line

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[2]
# The reason that such a test is skipped elsewhere.
REASON = "needs a CUDA device"
_COUNTS_FILE = "PHASEBENCH_CUDA_TEST_COUNTS"
_counts: Counter[str] = Counter()
_broken: dict[str, str] = {}


def measure(session: Session) -> None:
    """One row of counts, one for each test file that cannot be imported and one for each test that failed."""
    files = sorted(test_files(ROOT / "tests"))
    if not session.on_card:
        session.note(f"{len(files)} test files", NEEDS_A_CARD)
        return
    with TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.json"
        options = ["-q", "--continue-on-collection-errors", "-p", "gpu_parts.cuda_tests", "-p", "no:cacheprovider"]
        words = ["-m", "pytest", *options, *map(str, files)]
        environment = {**os.environ, _COUNTS_FILE: str(counts)}
        try:
            run = subprocess.run(
                [sys.executable, *words],
                cwd=ROOT,
                env=environment,
                timeout=session.left(),
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        except subprocess.TimeoutExpired:
            session.note(f"{len(files)} test files", "failed: not finished when the time was up")
            return
        if not counts.exists():
            last = run.stdout.strip().splitlines()[-1:]
            session.note(f"{len(files)} test files", f"failed: pytest did not finish: {first_line(''.join(last))}")
            return
        found = json.loads(counts.read_text(encoding="utf-8"))
    session.note(f"{len(files)} test files", summary(found["counts"]))
    for name, why in found["broken"].items():
        session.note(name, f"failed: {why}")


def summary(counts: dict[str, int]) -> str:
    """Counts in the words of the table."""
    return ", ".join(f"{counts.get(outcome, 0)} {outcome}" for outcome in ("passed", "failed", "skipped"))


def test_files(folder: Path) -> Iterator[Path]:
    """Files of tests that name the reason; the rest of the tests may need packages that are not here."""
    for path in folder.rglob("test_*.py"):
        if f'reason="{REASON}"' in path.read_text(encoding="utf-8"):
            yield path


# pytest shall not take the function above for a test.
test_files.__test__ = False  # type: ignore[attr-defined]


def pytest_collection_modifyitems(config: "pytest.Config", items: "list[pytest.Item]") -> None:
    """Keep the tests that are skipped without a CUDA device."""
    chosen = [item for item in items if _needs_card(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def _needs_card(item: "pytest.Item") -> bool:
    return any(mark.kwargs.get("reason") == REASON for mark in item.iter_markers("skipif"))


def pytest_collectreport(report: Any) -> None:
    """Remember a file that cannot be imported, with the last line of the reason."""
    if report.failed:
        _broken[report.nodeid] = first_line(str(report.longrepr).strip().splitlines()[-1].removeprefix("E "))


def pytest_runtest_logreport(report: Any) -> None:
    """Count a test once: when it is called, or when its preparation fails or skips it."""
    if report.when == "call" or report.outcome != "passed":
        _counts[report.outcome] += 1
        if report.failed:
            _broken[report.nodeid] = first_line(str(getattr(report.longrepr, "reprcrash", report.longrepr)))


def pytest_sessionfinish() -> None:
    """Leave the counts for :func:`measure`."""
    if path := os.environ.get(_COUNTS_FILE):
        Path(path).write_text(json.dumps({"counts": _counts, "broken": _broken}), encoding="utf-8")
