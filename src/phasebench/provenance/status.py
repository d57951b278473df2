"""Status of data sets and runs (done, missing, interrupted or stale, and why) and of claims. Only files are read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from phasebench.claims.marks import MARKS, count_marks
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_text
from phasebench.common.logs import logged_failure
from phasebench.plan.missing import find_missing
from phasebench.plan.plan import BenchmarkPlan, load_plan
from phasebench.plan.settings import Settings, read_settings
from phasebench.provenance.imports import current_evaluations
from phasebench.provenance.integrity import KnownFiles
from phasebench.provenance.spec_files import Identities
from phasebench.provenance.stage_code import source_tree
from phasebench.provenance.staleness import Change, PreparedData, run_changes
from phasebench.specs.paths import (
    PACKAGE_FOLDER,
    REPOSITORY,
    RESULTS_FOLDER,
    Results,
    logs_of,
    prepared_of,
    results_of,
)
from phasebench.specs.run_folder import RECORD, read_record, recorded_number

State = Literal["done", "stale", "damaged", "failed", "interrupted", "missing"]
STATES: tuple[State, ...] = get_args(State)
_MOST_NAMED = 3
_AGGREGATE_AGAIN = "run snakemake again"


@dataclass(frozen=True)
class DatasetStatus:
    """A data set of the plan, and whether it lies prepared."""

    dataset: str
    """Its name."""
    state: State
    """Never ``interrupted``, ``damaged`` or ``failed``."""
    changes: tuple[Change, ...] = ()
    """Reasons why it is stale."""


@dataclass(frozen=True)
class RunStatus:
    """A planned run and what is there of it."""

    run_id: str
    """As in the plan."""
    state: State
    """``interrupted``: there is a checkpoint to go on from. ``failed``: the last attempt ended with an error."""
    changes: tuple[Change, ...] = ()
    """Reasons why it is stale."""
    seconds: float | None = None
    """Wall time of its training, also that of a stale result."""
    reason: str = ""
    """The damage, the last line of the log of a failed attempt, or the origin of an imported run."""


class Checkout:
    """The plan of a configuration, and where its results are.

    Parameters
    ----------
    root : Path
        The working folder, with the results: the repository, or a folder that a workflow of it runs in.
    settings : Settings, optional
        The configuration; that of the folder's ``config.yaml`` if not given.
    with_missing_data : bool
        Whether to keep what needs a data set that is not there in the plan.

    Raises
    ------
    PhasebenchError
        There is no configuration, or it is not right.
    """

    def __init__(self, root: Path, settings: Settings | None = None, *, with_missing_data: bool = False) -> None:
        settings = settings or read_settings(root)
        repository = root if (root / PACKAGE_FOLDER).is_dir() else REPOSITORY
        tree = source_tree(repository / PACKAGE_FOLDER)
        self.root, self.repository = root, repository
        plan = load_plan(settings, repository, tree, root)
        self._asked_for = plan.runs
        identities = Identities(plan, repository, tree, root / RESULTS_FOLDER, root)
        plan = identities.with_imported()
        self.plan: BenchmarkPlan = plan if with_missing_data else plan.without(find_missing(plan, root))
        self._identities = identities.for_plan(self.plan)
        self._results = results_of(self.plan.scale.name, root)
        self._logs = logs_of(self.plan.scale.name, root)
        self._whole_files = KnownFiles(self._results)
        self._prepared = prepared_of(self.plan.scale.name, root)
        self._data = {
            name: PreparedData(name, dataset.is_sharded, self._prepared, self._identities.dataset(dataset).to_json())
            for name, dataset in self.plan.datasets.items()
        }

    def datasets(self) -> list[DatasetStatus]:
        """The status of every data set of the plan.

        Raises
        ------
        PhasebenchError
            A prepared file is damaged.
        """
        return [self.dataset(name) for name in self._data]

    def dataset(self, name: str) -> DatasetStatus:
        """The status of one data set of the plan.

        Raises
        ------
        PhasebenchError
            The prepared file is damaged.
        """
        data = self._data[name]
        if not data.is_there:
            return DatasetStatus(name, "missing")
        return DatasetStatus(name, "stale" if data.changes else "done", data.changes)

    def status(self) -> list[RunStatus]:
        """The status of every planned run, in the order of the plan."""
        return [self.status_of(run_id) for run_id in self.plan.runs]

    def status_of(self, run_id: str) -> RunStatus:
        """The status of one run.

        Raises
        ------
        PhasebenchError
            There is no such run.
        """
        if run_id not in self.plan.runs:
            raise PhasebenchError(
                f"run '{run_id}' is not planned at scale '{self.plan.scale.name}'; see phasebench status"
            )
        run = self.plan.run(run_id)
        folder = self.folder(run_id)
        if run_id in self.plan.imported:
            seconds = recorded_number(folder, read_record(folder), "wall_seconds")
            return RunStatus(run_id, "done", seconds=seconds, reason=f"imported from {self.plan.imported[run_id]}")
        spec = self._identities.run(run).to_json()
        if not (folder / RECORD).is_file():
            failure = logged_failure(self._logs.log("train", run_id))
            checkpoint = self._results.checkpoint(sha256_of_text(spec))
            state: State = "failed" if failure else "interrupted" if checkpoint.is_file() else "missing"
            return RunStatus(run_id, state, reason=failure)
        damaged = [f"{path.name} {fault}" for path, fault in self._whole_files.damaged_in_run(folder)]
        if damaged:
            return RunStatus(run_id, "damaged", reason=", ".join(damaged))
        try:
            record = read_record(folder)
            changes = tuple(run_changes(spec, folder, record, self._data_of(run.dataset)))
            seconds = recorded_number(folder, record, "wall_seconds")
        except PhasebenchError as error:
            return RunStatus(run_id, "damaged", reason=str(error))
        return RunStatus(run_id, "stale" if changes else "done", changes, seconds)

    def changes_of(self, run_id: str, folder: Path) -> list[Change]:
        """Reasons why a run in some folder is not what is planned here; empty where it is.

        Raises
        ------
        PhasebenchError
            A file is damaged.
        """
        run = self.plan.run(run_id)
        spec = self._identities.run(run).to_json()
        return run_changes(spec, folder, read_record(folder), self._data_of(run.dataset))

    def _data_of(self, name: str) -> PreparedData:
        # Of an imported run the data need not be here.
        return self._data.get(name) or PreparedData(name, False, self._prepared, "")

    def lacking_evaluations(self, run_id: str, folder: Path) -> tuple[str, ...]:
        """Evaluations of a planned run that are asked for, and in some folder are missing or not current."""
        planned = self._asked_for[run_id]
        current = current_evaluations(planned, folder, self._identities.digests)
        return tuple(name for name in planned.evaluations if name not in current)

    def claim_marks(self) -> dict[str, int]:
        """Number of claims of each mark by the last aggregation; empty before it.

        Raises
        ------
        PhasebenchError
            The table of claims is damaged or holds an unknown mark.
        """
        path = self._results.table("claims")
        if not path.is_file():
            return {}
        # Without pandas, which takes longer to import than all else here.
        import pyarrow as pa
        from pyarrow import parquet

        try:
            marks = parquet.read_table(path, columns=["mark"])["mark"].to_pylist()
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise PhasebenchError(f"{path}: mark: cannot be read; {_AGGREGATE_AGAIN}") from error
        if unknown := sorted({str(mark) for mark in marks} - MARKS.keys()):
            raise PhasebenchError(f"{path}: mark: '{unknown[0]}' is unknown; {_AGGREGATE_AGAIN}")
        return count_marks(marks)

    def commit_of(self, run_id: str) -> str:
        """The commit that a finished run was made with."""
        return str(read_record(self.folder(run_id)).get("git_commit"))

    def folder(self, run_id: str) -> Path:
        """Folder of the run's files."""
        return self._results.run(run_id)

    @property
    def results(self) -> Results:
        """The results of the scale."""
        return self._results

    @property
    def identities(self) -> Identities:
        """The identities of everything in the plan."""
        return self._identities


def as_line(found: RunStatus | DatasetStatus) -> str:
    """A line for people: state, cost, name and the first reasons."""
    name, seconds = (found.run_id, found.seconds) if isinstance(found, RunStatus) else (f"data {found.dataset}", None)
    cost = "" if seconds is None else f"{seconds:,.0f} s"
    reasons = ", ".join(map(str, found.changes[:_MOST_NAMED])) or getattr(found, "reason", "")
    more = len(found.changes) - _MOST_NAMED
    return (
        f"{found.state:<11} {cost:>9}  {name}"
        + (f": {reasons}" if reasons else "")
        + (f" and {more} more" if more > 0 else "")
    )


def as_marks(counts: Mapping[str, int]) -> str:
    """Number of claims of each mark as one line."""
    return f"{sum(counts.values())} claims: {', '.join(f'{count} {mark}' for mark, count in counts.items())}"


def as_total(runs: Sequence[RunStatus]) -> str:
    """Number of runs in each state, and their cost, as one line."""
    counts = Counter(run.state for run in runs)
    hours = sum(run.seconds or 0.0 for run in runs) / 3600
    states = ", ".join(f"{counts[state]} {state}" for state in STATES)
    return f"{len(runs)} runs: {states}; {hours:.2f} hours of training"
