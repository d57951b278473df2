"""Time stamps of current results, renewed where they are older than an input, as in a copy of a folder.

Where Snakemake has no records of its own, in a copy or after its folder was lost, it goes by time stamps alone and
repeats whatever is older than an input. A result that says what it was made from needs no such guess: where that is
what it would be made from now, it gets a new time stamp, and Snakemake leaves it alone. The index of a run's
evaluations is removed where it lacks one that is asked for, or names a table that is gone, so that its job runs again.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from os import utime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from phasebench.common.errors import PhasebenchError
from phasebench.plan.plan import BenchmarkPlan
from phasebench.provenance.record import ORIGIN, origin
from phasebench.provenance.staleness import PreparedData, run_changes
from phasebench.specs.evaluated import EvaluatedTable, read_index
from phasebench.specs.paths import Prepared, Results
from phasebench.specs.run_folder import HISTORY, PREDICTIONS, RECORD, RUN_FILES, WEIGHTS, read_record


def adopt_results(plan: BenchmarkPlan, results: Results, prepared: Prepared) -> int:
    """Renew the time stamps of results that are older than an input and yet made from what is there now.

    Parameters
    ----------
    plan : BenchmarkPlan
        Its spec files are up to date.
    results : Results
        Of the plan's scale.
    prepared : Prepared
        The prepared data sets of the scale.

    Returns
    -------
    int
        How many results were renewed.
    """
    adoption = _Adoption(results, prepared)
    data = {}
    for name, dataset in plan.datasets.items():
        spec = results.spec("datasets", name).read_text(encoding="utf-8")
        data[name] = PreparedData(name, dataset.is_sharded, prepared, spec)
        if not dataset.is_sharded:
            adoption.dataset(data[name])
    # No job makes an imported run again, however old it is.
    for run_id in plan.runs_made_here:
        adoption.run(run_id, data[plan.dataset_of(run_id)], plan.runs[run_id].evaluation_specs)
    for analysis_id, analysis in plan.analyses.items():
        datasets = dict.fromkeys(plan.dataset_of(run_id) for run_id in analysis.runs)
        adoption.analysis(analysis_id, analysis.runs, datasets)
    for overhead_id in plan.overheads:
        adoption.overhead(overhead_id)
    for suite, baselines in plan.baselines.items():
        adoption.baselines(suite, baselines.datasets)
    for suite in plan.properties:
        adoption.properties(suite)
    return adoption.count


class _Adoption:
    def __init__(self, results: Results, prepared: Prepared) -> None:
        self.results, self.prepared = results, prepared
        self.count = 0
        # Never falls, so that no result is older than what it was made from, also where a file server's clock is ahead.
        self._now = time.time_ns()

    def dataset(self, data: PreparedData) -> None:
        """A prepared data set."""
        spec = self.results.spec("datasets", data.name)
        self._renew("prepare", data.name, [data.data, data.manifest], [spec], lambda: not data.changes)

    def run(self, run_id: str, data: PreparedData, evaluations: Mapping[str, str]) -> None:
        """A run and then its evaluations, each with the name of its spec file."""
        folder, spec = self.results.run(run_id), self.results.spec("runs", run_id)

        def is_current() -> bool:
            return not run_changes(spec.read_text(encoding="utf-8"), folder, read_record(folder), data)

        outputs = [folder / name for name in RUN_FILES.values()]
        self._renew("train", run_id, outputs, [spec, data.manifest], is_current)
        self._evaluations(run_id, folder, evaluations)

    def analysis(self, analysis_id: str, runs: Iterable[str], datasets: Iterable[str]) -> None:
        """An analysis of finished runs."""
        folders = [self.results.run(run_id) for run_id in runs]
        others = [folder / name for folder in folders for name in (HISTORY, PREDICTIONS)]
        others += [self.prepared.manifest(dataset) for dataset in datasets]
        table, stage = self.results.analysis(analysis_id), self.results.spec("analyses", analysis_id)
        self._renew_table("analyse", analysis_id, table, stage, [folder / RECORD for folder in folders], others)

    def overhead(self, overhead_id: str) -> None:
        """The timings of an experiment, which depend on no run."""
        table, stage = self.results.overhead(overhead_id), self.results.spec("overheads", overhead_id)
        self._renew_table("overhead", overhead_id, table, stage, [], [])

    def baselines(self, suite: str, datasets: Iterable[str]) -> None:
        """The baselines of a study, which depend on its data alone."""
        table, stage = self.results.baselines(suite), self.results.spec("baselines", suite)
        manifests = [self.prepared.manifest(dataset) for dataset in datasets]
        self._renew_table("baselines", suite, table, stage, manifests, [])

    def properties(self, suite: str) -> None:
        """The properties of a study, which depend on no data."""
        table, stage = self.results.properties(suite), self.results.spec("properties", suite)
        self._renew_table("properties", suite, table, stage, [], [])

    def _evaluations(self, run_id: str, folder: Path, names: Mapping[str, str]) -> None:
        index = self.results.evaluated(run_id)
        found = _read_if_whole(folder)
        if not names or found is None:
            return
        if any(name not in found or not self.results.evaluation(run_id, name).is_file() for name in names):
            # Snakemake knows the index alone: without it, the job computes what is missing and keeps the rest.
            with contextlib.suppress(OSError):
                index.unlink(missing_ok=True)
            return
        specs = {name: self.results.spec("evaluations", key) for name, key in names.items()}

        def is_current() -> bool:
            return all(found[name].origin == origin(spec, [folder / RECORD]) for name, spec in specs.items())

        self._renew("evaluate", run_id, [index], [*specs.values(), folder / RECORD, folder / WEIGHTS], is_current)

    def _renew_table(
        self, rule: str, name: str, table: Path, stage: Path, records: list[Path], others: list[Path]
    ) -> None:
        def is_current() -> bool:
            return recorded_origin(table) == origin(stage, records)

        self._renew(rule, name, [table], [stage, *records, *others], is_current)

    def _renew(
        self, rule: str, name: str, outputs: list[Path], inputs: list[Path], is_current: Callable[[], bool]
    ) -> None:
        # Snakemake counts the job's benchmark among its outputs, if it is there.
        benchmark = self.results.benchmark(rule, name)
        outputs = [*outputs, *([benchmark] if benchmark.is_file() else [])]
        made = [path.stat().st_mtime_ns for path in outputs if path.is_file()]
        needed = [path.stat().st_mtime_ns for path in inputs if path.is_file()]
        if len(made) < len(outputs) or max(needed, default=0) <= min(made) or not _holds(is_current):
            return
        self._now = max(self._now, *needed, *made)
        try:
            for path in outputs:
                utime(path, ns=(self._now, self._now))
        except OSError:
            # Somebody else's file: Snakemake says what it would repeat, and may go on with the rest.
            return
        self.count += 1


def _holds(is_current: Callable[[], bool]) -> bool:
    """True if the check holds; a file that is missing or cannot be read is left to the stage that needs it."""
    try:
        return is_current()
    except (OSError, ValueError, PhasebenchError, pa.ArrowException):
        return False


def _read_if_whole(folder: Path) -> Mapping[str, EvaluatedTable] | None:
    """Evaluations that the index of a run names; None where it is missing or damaged."""
    try:
        return read_index(folder).evaluations
    except PhasebenchError:
        return None


def recorded_origin(table: Path) -> object:
    """Provenance that a table of results states: its :func:`phasebench.provenance.record.origin`, None for none."""
    attributes = (pq.read_schema(table).metadata or {}).get(b"PANDAS_ATTRS", b"{}")
    return json.loads(attributes).get(ORIGIN)
