"""Difference between a result and the present code, settings and data, down to the lines of code."""

import subprocess
from pathlib import Path

from phasebench.provenance.record import UNKNOWN
from phasebench.provenance.status import Checkout

_TITLES = {
    "spec": "Settings",
    "code": "Code that it reaches",
    "environment": "Pinned packages",
    "raw": "Raw files",
    "data": "Prepared data",
}


def difference(checkout: Checkout, name: str) -> str:
    """All changes since a run was made or a data set was prepared, as text.

    Of changed modules of a run the difference to the commit that it was made with follows, where git still has that
    commit. It shows whole modules, of which the run may reach a part only.

    Parameters
    ----------
    checkout
        Where to look.
    name
        Id of a run, or name of a data set.

    Raises
    ------
    PhasebenchError
        There is no such run or data set, or a file of it is damaged.
    """
    is_run = name not in checkout.plan.datasets
    status = checkout.status_of(name) if is_run else checkout.dataset(name)
    if status.state not in ("done", "stale"):
        return f"{name} is {status.state}: there is no result to compare with"
    if not status.changes:
        return f"{name}: nothing has changed"
    lines = [name]
    for subject, title in _TITLES.items():
        changes = [change for change in status.changes if change.subject == subject]
        if changes:
            lines += ["", title, *(f"  {change.with_values}" for change in changes)]
    modules = [change.name for change in status.changes if change.subject == "code"]
    code = _code_difference(checkout.repository, checkout.commit_of(name), modules) if is_run else []
    return "\n".join([*lines, *code])


def _code_difference(root: Path, commit: str, modules: list[str]) -> list[str]:
    base, _, dirty = commit.partition("-")
    files = sorted({path for module in modules if (path := _file(module)) is not None})
    if not files or base == UNKNOWN:
        return []
    command = ["git", "--no-optional-locks", "diff", base, "--", *files]
    try:
        text = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.rstrip()
    except (OSError, subprocess.CalledProcessError):
        return ["", f"Commit {base}, which the run was made with, is not in this repository."]
    note = f"Since commit {base}" + (", to which the run had uncommitted changes" if dirty else "")
    return ["", note, text] if text else []


def _file(module: str) -> str | None:
    """``src/phasebench/nn/x.py``, or what is left of a package; None for an entry of a table."""
    if ":" in module:
        module = module.partition(":")[0]
    return "src/" + module.replace(".", "/") + "*.py" if module.startswith("phasebench") else None
