"""Cost of a planned training: seconds, cards or cores and disk, from finished trainings or from timed steps."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import read_json_if_whole
from phasebench.common.wording import counted
from phasebench.data.sizes import DatasetSize, manifest_size, size_of
from phasebench.models.listing import COUNTS_FILE
from phasebench.plan.runs import PlannedRun
from phasebench.provenance.finished_costs import (
    FinishedRun,
    FinishedRuns,
    Unit,
    cell_key,
    most_frequent_device,
)
from phasebench.provenance.measured_costs import StepTimer
from phasebench.provenance.status import Checkout
from phasebench.specs.paths import prepared_of
from phasebench.specs.run import Recipe, RunSpec

UNKNOWN = "unknown"
NOT_TIMED = "unknown: --measure times it"


@dataclass(frozen=True)
class Basis:
    """Cost of a whole run: cards or cores that it holds, seconds to start up and to train."""

    unit: Unit
    width: int
    start_up: float
    training: float
    text: str


class TrainingCosts:
    """Costs of the planned trainings of a checkout.

    Parameters
    ----------
    checkout : Checkout
        The plan, and what is there of it.
    timer : StepTimer, optional
        Times steps of networks that no finished run tells of; such costs are unknown without it.
    """

    def __init__(self, checkout: Checkout, timer: StepTimer | None) -> None:
        self._timer = timer
        self._plan, self._root = checkout.plan, checkout.root
        self._prepared = prepared_of(checkout.plan.scale.name, checkout.root)
        self.finished = FinishedRuns(checkout.root)
        self._bases: dict[str, Basis | str] = {}
        self._sizes: dict[str, DatasetSize | None] = {}

    def basis(self, planned: PlannedRun) -> Basis | str:
        """Cost of a run; the reason where it is unknown."""
        key = cell_key(planned.spec)
        if key not in self._bases:
            self._bases[key] = self._find_basis(planned)
        return self._bases[key]

    def _find_basis(self, planned: PlannedRun) -> Basis | str:
        spec, wanted = planned.spec, self.wanted(planned)
        runs, key = self.finished.of_network(spec), cell_key(spec)
        equal = [run for run in runs if run.cell == key]
        alike = [run for run in runs if _data(run.spec) == _data(spec)]
        here = [run for run in runs if run.spec.scale == spec.scale]
        units: tuple[Unit, ...] = (wanted,) if self._timer else (wanted, "core" if wanted == "card" else "card")
        for unit in units:
            if same := on_unit(unit, equal):
                return _mean_basis(same)
            for others in (alike, here, runs):
                if (scaled := self._scaled(spec, on_unit(unit, others))) is not None:
                    return scaled
        return self._measured(planned) if self._timer else self._why_unknown(spec) or NOT_TIMED

    def _scaled(self, spec: RunSpec, runs: Sequence[FinishedRun]) -> Basis | None:
        n_steps, n_samples = self.n_steps(spec), self._samples_of_step(spec)
        if not runs or n_steps is None or n_samples is None:
            return None
        work = n_steps * n_samples
        training = fmean(run.wall_seconds * work / run.work * self._larger(spec, run) for run in runs)
        start_up = fmean(run.start_up_seconds for run in runs)
        text = f"{_from_runs(runs)}, scaled by samples"
        return Basis(runs[0].unit, runs[0].width, start_up, training, text)

    def _larger(self, spec: RunSpec, run: FinishedRun) -> float:
        """Size of the run's samples in those of a finished one, where both are known."""
        own = self.size(spec.dataset)
        other = manifest_size(prepared_of(run.spec.scale, self._root).manifest(run.spec.dataset))
        if own is None or other is None or own.values is None or other.values is None:
            return 1.0
        return own.values / other.values

    def _measured(self, planned: PlannedRun) -> Basis | str:
        spec, timer = planned.spec, self._timer
        n_steps, n_samples, size = self.n_steps(spec), self._samples_of_step(spec), self.size(spec.dataset)
        if timer is None or n_steps is None or n_samples is None:
            return self._why_unknown(spec)
        image_size = size.image_size if size else None
        if isinstance(spec.recipe, Recipe) and self._plan.datasets[spec.dataset].is_sharded:
            image_size = (spec.recipe.image_size, spec.recipe.image_size)
        try:
            cost = timer.time(spec, n_samples, image_size, size.n_classes if size else None)
        except PhasebenchError as error:
            return f"{UNKNOWN}: {error}"
        unit: Unit = "core" if cost.device == "cpu" else "card"
        width = spec.recipe.processes * (cost.threads if unit == "core" else 1)
        training = cost.seconds * n_steps * (1.0 + _validated(spec, self._n_train(spec)))
        return Basis(unit, width, 0.0, training, f"from {counted(cost.n_steps, 'timed step')} on {cost.device}")

    def _why_unknown(self, spec: RunSpec) -> str:
        """Reason why no number of steps or samples is known; '' where they are."""
        known = self.n_steps(spec) is not None and self._samples_of_step(spec) is not None
        return "" if known else f"{UNKNOWN}: the size of '{spec.dataset}' shows when it is prepared"

    def wanted(self, planned: PlannedRun) -> Unit:
        """Kind of hours that a run costs, as far as the plan says."""
        if self._timer:
            return self._timer.unit
        return "card" if planned.resources.gpu and self._plan.config.device != "cpu" else "core"

    def n_steps(self, spec: RunSpec) -> int | None:
        """Steps of a run; None where they are epochs of a data set whose size is not known."""
        recipe = spec.recipe
        if recipe.steps is not None:
            return recipe.steps
        n_train = self._n_train(spec)
        return None if n_train is None else recipe.n_steps(-(-n_train // recipe.batch_size))

    def _samples_of_step(self, spec: RunSpec) -> int | None:
        return spec.recipe.batch_size if isinstance(spec.recipe, Recipe) else self._n_train(spec)

    def _n_train(self, spec: RunSpec) -> int | None:
        size = self.size(spec.dataset)
        return None if size is None else size.trained_on(spec)

    def size(self, dataset: str) -> DatasetSize | None:
        """Size of a data set of the plan; None where it is not known."""
        if dataset not in self._sizes:
            spec = self._plan.datasets[dataset]
            self._sizes[dataset] = size_of(spec.source, spec.options, self._prepared.manifest(dataset))
        return self._sizes[dataset]

    # Disk

    def disk(self, spec: RunSpec) -> tuple[float | None, str]:
        """Bytes of a finished run with its evaluations."""
        key, runs = cell_key(spec), self.finished.of_network(spec)
        if equal := [run for run in runs if run.cell == key]:
            return fmean(run.bytes for run in equal), _from_runs(equal, with_device=False)
        weights = self._weight_bytes(spec)
        return (None, UNKNOWN) if weights is None else (float(weights), "from parameters")

    def _weight_bytes(self, spec: RunSpec) -> int | None:
        count = self._parameters.get(spec.model)
        return None if count is None else count * (4 if isinstance(spec.recipe, Recipe) else 8)

    def checkpoint_bytes(self, spec: RunSpec) -> int:
        """Weights, best weights and the state of the optimiser; twice, since the checkpoint before is kept."""
        weights, recipe = self._weight_bytes(spec) or 0, spec.recipe
        if not isinstance(recipe, Recipe):
            return 2 * 2 * weights
        return 2 * weights * (4 if recipe.optimizer == "adamw" else 3 if recipe.momentum else 2)

    @cached_property
    def _parameters(self) -> dict[str, int]:
        return read_json_if_whole(COUNTS_FILE)


def _data(spec: RunSpec) -> tuple[object, ...]:
    return spec.scale, spec.dataset, spec.encoding


def on_unit(unit: Unit, runs: Iterable[FinishedRun]) -> list[FinishedRun]:
    """Those of the device that most of them ran on, of all devices with this kind of hours."""
    return most_frequent_device(run for run in runs if run.unit == unit)


def _mean_basis(runs: Sequence[FinishedRun]) -> Basis:
    training, start_up = fmean(run.wall_seconds for run in runs), fmean(run.start_up_seconds for run in runs)
    return Basis(runs[0].unit, runs[0].width, start_up, training, _from_runs(runs))


def _from_runs(runs: Sequence[FinishedRun], with_device: bool = True) -> str:
    return f"from {counted(len(runs), 'run')}" + (f" on {runs[0].device}" if with_device else "")


def _validated(spec: RunSpec, n_train: int | None) -> float:
    """Time of the validations as a share of that of the training: a sample costs a third of one that trains."""
    recipe = spec.recipe
    if n_train is None or not isinstance(recipe, Recipe):
        return 0.0
    n_validation = n_train * spec.validation_fraction / (1.0 - spec.validation_fraction)
    interval = recipe.validation_interval(math.ceil(n_train / recipe.batch_size))
    return n_validation / interval / (3.0 * recipe.batch_size)
