"""What has been run, what is missing, and what an edit has made stale, and why. Only files are read."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from phasebench.errors import PhasebenchError
from phasebench.experiments.datasets import CONFIG_FILE
from phasebench.experiments.fingerprint import SourceTree
from phasebench.experiments.loading import read_yaml
from phasebench.experiments.specs import Identities
from phasebench.experiments.table import BenchmarkPlan, load_plan
from phasebench.files import sha256_of_file, sha256_of_text

State = Literal["done", "stale", "interrupted", "missing"]
STATES: tuple[State, ...] = get_args(State)
_ABSENT = "nothing"
_MOST_NAMED = 3


@dataclass(frozen=True)
class Change:
    """One difference between what a run was made from and what it would be made from now."""

    subject: Literal["spec", "code", "environment", "data"]
    """Where it is."""
    name: str
    """Key of the spec, module, package or data set."""
    before: str
    """The old value; of code and data the hash."""
    after: str
    """The new value."""

    def __str__(self) -> str:
        if self.subject in ("code", "data"):
            return f"{self.subject} {self.name}"
        return f"{self.name} {self.before} -> {self.after}"


@dataclass(frozen=True)
class RunStatus:
    """A planned run and what is there of it."""

    run_id: str
    """As in the plan."""
    state: State
    """``interrupted``: there is a checkpoint to go on from."""
    changes: tuple[Change, ...] = ()
    """Why it is stale."""
    seconds: float | None = None
    """Wall time of its training, also that of a stale result."""


class Checkout:
    """The plan of a repository's ``config.yaml``, and where its results are.

    Parameters
    ----------
    root : Path
        The repository.
    scale : str, optional
        Another scale than that of ``config.yaml``.

    Raises
    ------
    PhasebenchError
        There is no configuration, or it is not right.
    """

    def __init__(self, root: Path, scale: str | None = None) -> None:
        settings = read_yaml(root / CONFIG_FILE, CONFIG_FILE)
        if scale is not None and isinstance(settings, dict):
            settings["scale"] = scale
        tree = SourceTree(root / "src" / "phasebench")
        self.root = root
        self.plan: BenchmarkPlan = load_plan(settings, root, tree)
        self._identities = Identities(self.plan, root, tree)
        self._results = root / "results" / self.plan.scale.name
        prepared = root / "data" / "prepared" / self.plan.scale.name
        self._manifests = {name: _digest_if_there(prepared / f"{name}.json") for name in self.plan.datasets}

    def status(self) -> list[RunStatus]:
        """The status of every planned run, in the order of the plan.

        Raises
        ------
        PhasebenchError
            A file of a run is damaged.
        """
        return [self.status_of(run_id) for run_id in self.plan.runs]

    def status_of(self, run_id: str) -> RunStatus:
        """The status of one run.

        Raises
        ------
        PhasebenchError
            There is no such run, or a file of it is damaged.
        """
        if run_id not in self.plan.runs:
            raise PhasebenchError(
                f"run '{run_id}' is not planned at scale '{self.plan.scale.name}'; see phasebench status"
            )
        run = self.plan.run(run_id)
        spec = self._identities.run(run).to_json()
        folder = self.folder(run_id)
        if not (folder / "run.json").is_file():
            checkpoint = self._results / "checkpoints" / f"{sha256_of_text(spec)}.pt"
            return RunStatus(run_id, "interrupted" if checkpoint.is_file() else "missing")
        record = _read_json(folder / "run.json")
        changes = _spec_changes(spec, folder / "spec.json")
        recorded, manifest = record.get("data_manifest"), self._manifests[run.dataset]
        # Data that are not prepared make no run stale.
        if None not in (recorded, manifest) and recorded != manifest:
            changes.append(Change("data", run.dataset, str(recorded), str(manifest)))
        return RunStatus(run_id, "stale" if changes else "done", tuple(changes), float(record["wall_seconds"]))

    def commit_of(self, run_id: str) -> str:
        """The commit that a finished run was made with."""
        return str(_read_json(self.folder(run_id) / "run.json").get("git_commit"))

    def folder(self, run_id: str) -> Path:
        """Where the run's files are."""
        return self._results / "runs" / run_id


def as_line(run: RunStatus) -> str:
    """A line for people: state, cost, id and the first reasons."""
    cost = "" if run.seconds is None else f"{run.seconds:,.0f} s"
    reasons = ", ".join(map(str, run.changes[:_MOST_NAMED]))
    more = len(run.changes) - _MOST_NAMED
    return (
        f"{run.state:<11} {cost:>9}  {run.run_id}"
        + (f": {reasons}" if reasons else "")
        + (f" and {more} more" if more > 0 else "")
    )


def as_total(runs: Sequence[RunStatus]) -> str:
    """How many runs are in each state, and what they have cost."""
    counts = Counter(run.state for run in runs)
    hours = sum(run.seconds or 0.0 for run in runs) / 3600
    states = ", ".join(f"{counts[state]} {state}" for state in STATES)
    return f"{len(runs)} runs: {states}; {hours:.2f} hours of training"


def _spec_changes(spec: str, stored: Path) -> list[Change]:
    """How the spec file that a run was made from differs from the current one's text."""
    if stored.is_file() and stored.read_text(encoding="utf-8") == spec:
        return []
    before, current = _read_json(stored), json.loads(spec)
    return [
        *_compared("spec", _flat(before.get("run", {})), _flat(current["run"])),
        *_compared("code", before.get("code", {}), current["code"]),
        *_compared("environment", before.get("environment", {}), current["environment"]),
    ]


def _digest_if_there(path: Path) -> str | None:
    return sha256_of_file(path) if path.is_file() else None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise PhasebenchError(f"{path}: not a complete JSON file; delete the folder and run snakemake again") from error


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested keys joined by dots, values as JSON."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = json.dumps(value)
    return found


def _compared(
    subject: Literal["spec", "code", "environment"], before: dict[str, str], after: dict[str, str]
) -> list[Change]:
    return [
        Change(subject, name, before.get(name, _ABSENT), after.get(name, _ABSENT))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
