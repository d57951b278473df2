"""The table of everything to run: suites, restricted by a scale and repeated with its seeds, as resolved run specs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from phasebench.codehash.closure import SourceTree
from phasebench.common.errors import PhasebenchError
from phasebench.common.validation import joined
from phasebench.plan.checks import (
    check_config,
    check_display_names,
    check_evaluated_data,
    check_only,
    check_scale,
    check_suite,
)
from phasebench.plan.config import Config, Resources, Scale, Suite
from phasebench.plan.datasets import DatasetChoices, DatasetSpec
from phasebench.plan.external import check_networks
from phasebench.plan.registries import ANALYSES_TABLE, EVALUATIONS_TABLE
from phasebench.plan.runs import PlannedRun, expand
from phasebench.plan.settings import Settings
from phasebench.plan.stages import (
    PlannedAnalysis,
    PlannedBaselines,
    PlannedOverhead,
    PlannedProperties,
    plan_analyses,
    plan_baselines,
    plan_overheads,
    plan_properties,
)
from phasebench.plan.studies import StudyFiles, find_studies
from phasebench.plan.yaml_files import read_model
from phasebench.specs.paths import CONFIG_FILE, SCALES_FOLDER
from phasebench.specs.run import RunSpec

Planned = TypeVar("Planned")


@dataclass(frozen=True)
class LeftOut:
    """Runs of an experiment that are left out because their data set is not there."""

    suite: str
    experiment: str
    dataset: str
    stands_in_for: str | None
    runs: int
    """Number of the runs."""
    is_whole: bool
    """True if nothing is left of the experiment."""
    reason: str


@dataclass(frozen=True)
class ImportedRun:
    """A run that was made elsewhere."""

    origin: str
    """Name under which the page lists where."""
    evaluations: tuple[str, ...]
    """Those of its evaluations that came along and are current; the others cannot be made here."""


@dataclass(frozen=True)
class BenchmarkPlan:
    """Everything that a configuration asks for.

    Attributes
    ----------
    config, scale, suites
        What was read.
    runs
        Run id to run, in the order of the suites.
    datasets
        The data sets of these runs by name.
    left_out
        Runs without data, which are none of these; by experiment and data set.
    studies
        Files of the suites, in their order.
    imported
        Those of the runs that were made elsewhere, and where. Their data sets need not be here.
    """

    config: Config
    scale: Scale
    suites: tuple[Suite, ...]
    runs: dict[str, PlannedRun]
    datasets: dict[str, DatasetSpec]
    left_out: tuple[LeftOut, ...] = ()
    studies: tuple[StudyFiles, ...] = ()
    imported: Mapping[str, str] = field(default_factory=dict)
    settings: Settings = field(default=Settings({}), compare=False)
    """Places of the configuration, for messages."""

    def with_imported(self, imported: Mapping[str, ImportedRun]) -> "BenchmarkPlan":
        """Take runs from elsewhere: neither they nor their data sets are made here.

        Parameters
        ----------
        imported
            Run id -> where it was made, and what came along.
        """
        if not imported:
            return self
        runs = {
            run_id: replace(planned, evaluations=imported[run_id].evaluations) if run_id in imported else planned
            for run_id, planned in self.runs.items()
        }
        needed = {planned.spec.dataset for run_id, planned in runs.items() if run_id not in imported}
        datasets = {name: dataset for name, dataset in self.datasets.items() if name in needed}
        origins = {run_id: imported[run_id].origin for run_id in runs if run_id in imported}
        return replace(self, runs=runs, datasets=datasets, imported=origins)

    def without(self, missing: Mapping[str, str]) -> "BenchmarkPlan":
        """Leave out everything that needs a missing data set.

        Parameters
        ----------
        missing
            Data set -> why it is missing.
        """
        runs = {
            run_id: planned
            for run_id, planned in self.runs.items()
            if planned.spec.dataset not in missing or run_id in self.imported
        }
        kept = {(planned.spec.suite, planned.spec.experiment) for planned in runs.values()}
        lost = Counter(
            (planned.spec.suite, planned.spec.experiment, planned.spec.dataset, planned.spec.stands_in_for)
            for run_id, planned in self.runs.items()
            if run_id not in runs
        )
        left_out = tuple(
            LeftOut(suite, experiment, dataset, meant, count, (suite, experiment) not in kept, missing[dataset])
            for (suite, experiment, dataset, meant), count in lost.items()
        )
        datasets = {name: dataset for name, dataset in self.datasets.items() if name not in missing}
        return replace(self, runs=runs, datasets=datasets, left_out=(*self.left_out, *left_out))

    def planned(self, run_id: str) -> PlannedRun:
        """A run with what it needs.

        Raises
        ------
        PhasebenchError
            There is no such run; somebody asked Snakemake for its files by name.
        """
        try:
            return self.runs[run_id]
        except KeyError as error:
            suites = ", ".join(suite.name for suite in self.suites)
            raise PhasebenchError(
                f"'{run_id}' is no run of {suites} at scale '{self.scale.name}'; 'phasebench status' lists them"
            ) from error

    def run(self, run_id: str) -> RunSpec:
        """The run's spec."""
        return self.planned(run_id).spec

    def dataset_of(self, run_id: str) -> str:
        """Name of the run's data set."""
        return self.planned(run_id).spec.dataset

    def resources_of(self, run_id: str) -> Resources:
        """Resources of the run's training."""
        return self.planned(run_id).resources

    def datasets_in_shards(self, sharded: bool) -> tuple[str, ...]:
        """Names of the data sets that are prepared as shards, or of the others."""
        return tuple(name for name, dataset in self.datasets.items() if dataset.is_sharded == sharded)

    @property
    def runs_made_here(self) -> tuple[str, ...]:
        """Ids of the runs that are not imported."""
        return tuple(run_id for run_id in self.runs if run_id not in self.imported)

    @cached_property
    def analyses(self) -> dict[str, PlannedAnalysis]:
        """Every analysis of an experiment that has runs, by its id."""
        return plan_analyses(self.suites, self.runs)

    @cached_property
    def overheads(self) -> dict[str, PlannedOverhead]:
        """Timings of training steps, by ``<suite>/<experiment>``."""
        return plan_overheads(self.suites, self.runs)

    @cached_property
    def baselines(self) -> dict[str, PlannedBaselines]:
        """Baselines beside which the networks' accuracies are read, by suite."""
        return plan_baselines(planned.spec for planned in self.runs.values() if planned.spec.dataset in self.datasets)

    @cached_property
    def properties(self) -> dict[str, PlannedProperties]:
        """Properties of layers and of untrained networks, by suite."""
        return plan_properties(self.suites, self.scale, self.config.models)

    @cached_property
    def display_names(self) -> dict[str, str]:
        """Names, and words of names, as the scale and the studies want them written."""
        parts = [*(suite.display_names for suite in self.suites), self.scale.display_names]
        return {name: text for part in parts for name, text in part.items()}

    @cached_property
    def evaluations(self) -> tuple[tuple[str, str], ...]:
        """Every pair of run id and evaluation."""
        return tuple((run_id, name) for run_id, planned in self.runs.items() for name in planned.evaluations)

    @cached_property
    def evaluated_runs(self) -> tuple[str, ...]:
        """Id of every run with at least one evaluation."""
        return tuple(run_id for run_id, planned in self.runs.items() if planned.evaluations)

    @cached_property
    def evaluation_specs(self) -> dict[str, tuple[str, int | None]]:
        """Name of each spec file of an evaluation -> the evaluation and the number of test samples."""
        return {
            key: (name, planned.samples.get(name))
            for planned in self.runs.values()
            for name, key in planned.evaluation_specs.items()
        }


def load_plan(settings: object, root: Path, tree: SourceTree, folder: Path | None = None) -> BenchmarkPlan:
    """Resolve a configuration.

    Parameters
    ----------
    settings
        The configuration: settings with their places, or their values alone.
    root
        The repository, where ``workflow/`` is.
    tree
        The package's sources.
    folder
        Folder that the paths of other studies are relative to; the repository if not given.

    Raises
    ------
    PhasebenchError
        The configuration, a suite or the scale has an unknown key, an unknown name or a wrong value; or two different
        runs or data sets would have the same name.
    """
    settings = settings if isinstance(settings, Settings) else Settings(settings)
    config = settings.config()
    scale_file = _scale_file(root, config.scale, settings.place("scale"))
    scale = read_model(Scale, root / scale_file, scale_file)
    studies = find_studies(config.suites, root, root if folder is None else folder, settings.place("suites"))
    suites, files = [], {study.name: study.suite.shown for study in studies}
    for study in studies:
        suite = read_model(Suite, study.suite.path, study.suite.shown)
        check_suite(suite, study.suite.shown, tree.string_table(EVALUATIONS_TABLE), tree.string_table(ANALYSES_TABLE))
        scale = study.scaled(scale)
        check_scale(scale, suite, scale_file, study.scales.shown if study.scales else None)
        suites.append(suite)
    check_config(config, suites, scale, settings)
    check_networks(config, suites, scale, settings)
    check_display_names(suites, files, scale, scale_file)
    choices = DatasetChoices(config, settings, scale, scale_file)
    planned = [run for suite in suites for run in expand(suite, scale, scale_file, choices, config.models, config.only)]
    check_only(config, (run.spec for run in planned), scale, settings)
    runs = _by_name(((run.spec.id, run) for run in planned), f"{scale_file}: datasets: two different runs have the id")
    # Thousands of runs share a few data sets, whose files are looked for.
    distinct: dict[tuple[str | None, ...], RunSpec] = {}
    for spec in (run.spec for run in planned):
        distinct.setdefault((spec.suite, spec.experiment, spec.dataset, spec.stands_in_for), spec)
    datasets = _by_name(
        ((spec.dataset, choices.spec(spec)) for spec in distinct.values()),
        f"{scale_file}: datasets: two data sets have the name",
    )
    for run in planned:
        check_evaluated_data(run.spec, files[run.spec.suite], run.evaluations, datasets[run.spec.dataset])
    return BenchmarkPlan(config, scale, tuple(suites), runs, datasets, studies=tuple(studies), settings=settings)


def _scale_file(root: Path, name: str, place: str) -> str:
    """Path of a scale's file relative to the repository."""
    file = f"{SCALES_FOLDER}/{name}.yaml"
    if not (root / file).is_file():
        known = joined(path.stem for path in (root / SCALES_FOLDER).glob("*.yaml"))
        raise PhasebenchError(f"{place}: scale: there is no {file}; known: {known}")
    return file


def _by_name(pairs: Iterable[tuple[str, Planned]], clash: str) -> dict[str, Planned]:
    found: dict[str, Planned] = {}
    for name, item in pairs:
        if found.setdefault(name, item) != item:
            raise PhasebenchError(f"{clash} '{name}'; give each a different name, here or in {CONFIG_FILE}")
    return found
