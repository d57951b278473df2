"""Estimate of what is still to be done: card or core hours and disk, each with its basis. Only files are read.

A training costs what finished trainings of the same network, data and recipe cost; else what the network cost in its
suite with other data or recipes, scaled by the samples that its steps read; else what a few timed steps say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Literal

import pyarrow as pa

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_text
from phasebench.common.wording import counted
from phasebench.plan.runs import PlannedRun
from phasebench.provenance.checkpoint_steps import steps_done
from phasebench.provenance.finished_costs import Unit, cell_key, folder_bytes, job_seconds, most_frequent_device
from phasebench.provenance.measured_costs import StepTimer
from phasebench.provenance.record import origin_of
from phasebench.provenance.status import Checkout, RunStatus
from phasebench.provenance.timestamps import recorded_origin
from phasebench.provenance.training_costs import UNKNOWN, TrainingCosts, on_unit
from phasebench.specs.evaluated import read_index
from phasebench.specs.paths import prepared_of
from phasebench.specs.run import RunSpec
from phasebench.specs.run_folder import RECORD
from phasebench.specs.stage import StageIdentity

Stage = Literal["prepare", "train", "evaluate", "overhead", "analyse", "baselines", "properties"]
_LAST_JOB = "from its last job"


@dataclass(frozen=True)
class Work:
    """A job that is still to be done.

    Attributes
    ----------
    stage
        The rule.
    name
        The run, the data set or the stage's own name.
    suite, experiment, dataset
        What it belongs to; '' where it belongs to none or to several.
    unit
        Kind of hours that it costs.
    seconds
        Of one card or core; None if unknown.
    time_from
        The basis of that figure.
    disk
        Bytes that are added; None if unknown.
    disk_from
        The basis of that figure.
    checkpoint
        Bytes that a checkpoint takes while the job runs.
    """

    stage: Stage
    name: str
    suite: str
    experiment: str
    dataset: str
    unit: Unit
    seconds: float | None
    time_from: str
    disk: float | None = None
    disk_from: str = UNKNOWN
    checkpoint: int = 0


def estimate(checkout: Checkout, measure: bool = False) -> list[Work]:
    """Every job that is still to be done, in the order of the plan.

    Parameters
    ----------
    checkout
        The plan, and what is there of it.
    measure
        Whether to time steps of networks that no finished run tells of. torch is imported then alone.

    Raises
    ------
    PhasebenchError
        A file of a run is damaged, or the device of ``config.yaml`` is not there.
    """
    timer = StepTimer(checkout.plan.config.device) if measure else None
    return list(_Estimate(checkout, TrainingCosts(checkout, timer)).work())


class _Estimate:
    def __init__(self, checkout: Checkout, costs: TrainingCosts) -> None:
        self._checkout, self._costs = checkout, costs
        self._plan, self._results = checkout.plan, checkout.results
        self._prepared = prepared_of(checkout.plan.scale.name, checkout.root)
        self._digests = checkout.identities.digests
        self._todo: set[str] = set()

    def work(self) -> Iterator[Work]:
        yield from self._preparations()
        states = self._checkout.status()
        self._todo = {found.run_id for found in states if found.state != "done"}
        for found in states:
            yield from self._of_run(self._plan.planned(found.run_id), found)
        yield from self._stages()

    def _preparations(self) -> Iterator[Work]:
        for found in self._checkout.datasets():
            if found.state == "done":
                continue
            name, there = found.dataset, self._prepared.data(found.dataset).is_file()
            size = self._costs.size(name)
            disk, disk_from = None, UNKNOWN
            if there:
                disk, disk_from = 0.0, "replaces the old one"
            elif size is not None and size.values is not None and size.n_test is not None:
                # The samples are stored as bytes, and compressed.
                disk, disk_from = float((size.n_train + size.n_test) * size.values), "at most, from samples"
            seconds, basis = self._last_job("prepare", name)
            yield Work("prepare", name, "", "", name, "core", seconds, basis, disk, disk_from)

    def _of_run(self, planned: PlannedRun, found: RunStatus) -> Iterator[Work]:
        if found.state != "done":
            yield self._training(planned, found)
        if planned.evaluations and (found.state != "done" or not self._is_evaluated(planned)):
            yield self._evaluation(planned)

    def _training(self, planned: PlannedRun, found: RunStatus) -> Work:
        spec, costs = planned.spec, self._costs
        disk, disk_from = costs.disk(spec)
        if disk is not None:
            disk = max(0.0, disk - folder_bytes(self._checkout.folder(spec.id)))
        basis = costs.basis(planned)
        if isinstance(basis, str):
            unit, seconds, time_from = costs.wanted(planned), None, basis
        else:
            left, note = self._left(spec, found)
            unit, time_from = basis.unit, basis.text + note
            seconds = basis.width * (basis.start_up + left * basis.training)
        size = (disk, disk_from, costs.checkpoint_bytes(spec))
        return Work("train", spec.id, spec.suite, spec.experiment, spec.dataset, unit, seconds, time_from, *size)

    def _left(self, spec: RunSpec, found: RunStatus) -> tuple[float, str]:
        """Share of the steps that are left, and a note where that is not all of them."""
        n_steps = self._costs.n_steps(spec)
        # A missing run has no checkpoint, and a stale one begins anew.
        if not n_steps or found.state in ("missing", "stale"):
            return 1.0, ""
        done = steps_done(self._results.checkpoint(self._checkout.identities.run(spec).digest))
        return (max(0.0, 1.0 - done / n_steps), ", without the steps of checkpoints") if done else (1.0, "")

    def _evaluation(self, planned: PlannedRun) -> Work:
        """All evaluations of a run, whose tables are counted with the run's folder."""
        spec, wanted = planned.spec, self._costs.wanted(planned)
        runs = [run for run in self._costs.finished.of_network(spec) if run.spec.scale == spec.scale]
        same = [run for run in runs if self._evaluations_of(run.spec.id) == planned.evaluation_specs]
        equal = [run for run in same if run.cell == cell_key(spec)]
        unit, time, time_from = wanted, None, UNKNOWN
        for candidates in (same, equal):
            chosen = on_unit(wanted, candidates) or most_frequent_device(candidates)
            seconds = [job_seconds(self._results.benchmark("evaluate", run.spec.id)) for run in chosen]
            if known := [one for one in seconds if one is not None]:
                unit, time = chosen[0].unit, fmean(known) * (chosen[0].threads if chosen[0].unit == "core" else 1)
                time_from = f"from {counted(len(known), 'job')} on {chosen[0].device}"
        keys = (spec.id, spec.suite, spec.experiment, spec.dataset)
        return Work("evaluate", *keys, unit, time, time_from, 0.0, "with the run")

    def _is_evaluated(self, planned: PlannedRun) -> bool:
        """True if all evaluations of a finished run are there, made from what they would be made from now."""
        folder, run_id = self._checkout.folder(planned.spec.id), planned.spec.id

        def origin(name: str) -> dict[str, str]:
            return origin_of(self._digests.evaluation(name, planned.samples.get(name)), [folder / RECORD])

        try:
            found = read_index(folder).evaluations
            return all(
                self._results.evaluation(run_id, name).is_file() and found[name].origin == origin(name)
                for name in planned.evaluations
            )
        except (OSError, KeyError, PhasebenchError):
            return False

    def _evaluations_of(self, run_id: str) -> dict[str, str] | None:
        planned = self._plan.runs.get(run_id)
        return planned.evaluation_specs if planned else None

    def _stages(self) -> Iterator[Work]:
        """Timings, analyses, baselines and properties."""
        plan, results, identities = self._plan, self._results, self._checkout.identities
        for overhead_id, timed in plan.overheads.items():
            if not _is_current(results.overhead(overhead_id), identities.overhead(timed), []):
                unit: Unit = "card" if timed.resources.gpu and plan.config.device != "cpu" else "core"
                cost = self._last_job("overhead", overhead_id)
                yield Work("overhead", overhead_id, timed.suite, timed.experiment, "", unit, *cost, *_LITTLE)
        for analysis_id, analysis in plan.analyses.items():
            records = [self._checkout.folder(run_id) / RECORD for run_id in analysis.runs]
            current = self._todo.isdisjoint(analysis.runs) and _is_current(
                results.analysis(analysis_id), identities.analysis(analysis), records
            )
            if not current:
                cost = self._last_job("analyse", analysis_id)
                yield Work("analyse", analysis_id, analysis.suite, analysis.experiment, "", "core", *cost, *_LITTLE)
        for suite, baselines in plan.baselines.items():
            manifests = [self._prepared.manifest(dataset) for dataset in baselines.datasets]
            if not _is_current(results.baselines(suite), identities.baselines(baselines), manifests):
                cost = self._last_job("baselines", suite)
                yield Work("baselines", suite, suite, "", "", "core", *cost, *_LITTLE)
        for suite, properties in plan.properties.items():
            if not _is_current(results.properties(suite), identities.properties(properties), []):
                cost = self._last_job("properties", suite)
                yield Work("properties", suite, suite, "", "", "core", *cost, *_LITTLE)

    def _last_job(self, rule: str, name: str) -> tuple[float | None, str]:
        seconds = job_seconds(self._results.benchmark(rule, name))
        return (None, UNKNOWN) if seconds is None else (seconds, _LAST_JOB)


# Tables of a few kilobytes.
_LITTLE = (0.0, "a small table")


def _is_current(table: Path, identity: StageIdentity, records: Iterable[Path]) -> bool:
    try:
        return recorded_origin(table) == origin_of(sha256_of_text(identity.to_json()), records)
    except (OSError, ValueError, pa.ArrowException):
        return False
