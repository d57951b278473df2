"""What has changed since a run was made, down to the lines of code."""

import subprocess
from pathlib import Path

from phasebench.experiments.provenance import UNKNOWN
from phasebench.experiments.status import Change, Checkout

_TITLES = {
    "spec": "Settings",
    "code": "Code that the run reaches",
    "environment": "Pinned packages",
    "data": "Prepared data",
}


def difference_of_run(checkout: Checkout, run_id: str) -> str:
    """All changes since a run was made, as text.

    Of changed modules the difference to the commit that the run was made with follows, where git still has that commit.
    It shows whole modules, of which the run may reach a part only.

    Raises
    ------
    PhasebenchError
        There is no such run, or a file of it is damaged.
    """
    status = checkout.status_of(run_id)
    if status.seconds is None:
        return f"{run_id} is {status.state}: there is no result to compare with"
    if not status.changes:
        return f"{run_id}: nothing has changed"
    lines = [run_id]
    for subject, title in _TITLES.items():
        changes = [change for change in status.changes if change.subject == subject]
        if changes:
            lines += ["", title, *(f"  {_with_values(change)}" for change in changes)]
    modules = [change.name for change in status.changes if change.subject == "code"]
    return "\n".join([*lines, *_code_difference(checkout.root, checkout.commit_of(run_id), modules)])


def _with_values(change: Change) -> str:
    if change.subject in ("code", "data"):
        return f"{change.name}: {change.before[:12]} -> {change.after[:12]}"
    return f"{change.name}: {change.before} -> {change.after}"


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
