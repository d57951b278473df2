"""Spec files of everything in a plan: identities of data sets, runs and stages, written where they change."""

from collections.abc import Sequence
from copy import copy
from dataclasses import asdict
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from phasebench.claims.files import read_claims
from phasebench.claims.published import read_published
from phasebench.codehash.closure import SourceTree
from phasebench.common.files import canonical_json, read_json_if_whole, sha256_of_file, sha256_of_text, write_plan
from phasebench.models.registry import REGISTRY
from phasebench.plan.datasets import DatasetSpec
from phasebench.plan.external import external_rows
from phasebench.plan.missing import check_missing, find_missing
from phasebench.plan.plan import BenchmarkPlan, ImportedRun, load_plan
from phasebench.plan.stages import PlannedAnalysis, PlannedBaselines, PlannedOverhead, PlannedProperties
from phasebench.properties.peers import PEERS_LAW, peer_versions
from phasebench.provenance.environments import read_pins
from phasebench.provenance.external_code import external_targets, external_versions
from phasebench.provenance.imports import CurrentDigests, find_imported
from phasebench.provenance.network_checks import check_networks
from phasebench.provenance.raw_inputs import RawListings
from phasebench.provenance.stage_code import (
    aggregation_code,
    analysis_code,
    baselines_code,
    dataset_code,
    evaluation_code,
    function_targets,
    overhead_code,
    properties_code,
    report_code,
    run_code,
    source_tree,
)
from phasebench.specs.paths import (
    ANALYSIS_ENVIRONMENT,
    PACKAGE_FOLDER,
    TEMPLATES_FOLDER,
    TRAIN_ENVIRONMENT,
    Prepared,
    Results,
    SpecKind,
    prepared_of,
)
from phasebench.specs.run import RunIdentity, RunSpec
from phasebench.specs.stage import DatasetIdentity, StageIdentity


class Identities:
    """The identities of everything in a plan.

    Parameters
    ----------
    plan : BenchmarkPlan
        What is to be run.
    root : Path
        The repository.
    tree : SourceTree
        The package's sources.
    results : Path
        The folder that holds one folder per scale.
    base : Path, optional
        The working folder, where relative paths of data start; the repository if not given.
    """

    def __init__(
        self, plan: BenchmarkPlan, root: Path, tree: SourceTree, results: Path, base: Path | None = None
    ) -> None:
        self._plan = plan
        self._root = root
        self._tree = tree
        scale = plan.scale.name
        self._results = Results(results / scale)
        self._prepared = _prepared(plan, root, results, base)
        base = root if base is None else base
        self._raw = RawListings(self._results, self._prepared, base / plan.config.data_root)
        self._environments: dict[tuple[str, ...], dict[str, str]] = {}
        self._train_pins = read_pins(root / TRAIN_ENVIRONMENT, TRAIN_ENVIRONMENT)
        self._published = read_published(root, plan.studies)
        self._analysis_pins = read_pins(root / ANALYSIS_ENVIRONMENT, ANALYSIS_ENVIRONMENT)

    def run(self, spec: RunSpec) -> RunIdentity:
        """Identity of a training run; with an external network, the versions of what it imports are part of it."""
        targets = [spec.external.target] if spec.external else []
        return RunIdentity(run=spec, code=run_code(self._tree, spec), environment=self._environment(targets))

    def dataset(self, spec: DatasetSpec) -> DatasetIdentity:
        """Identity of a prepared data set."""
        return DatasetIdentity(
            dataset=spec.name,
            source=spec.source,
            options=spec.options,
            code=dataset_code(self._tree, spec.source, spec.options),
            environment=self._environment(function_targets(spec.source, spec.options)),
            raw=self._raw.of(spec.name, spec.source, spec.options),
        )

    def for_plan(self, plan: BenchmarkPlan) -> "Identities":
        """The same for another plan of the configuration; what was read is not read again."""
        other = copy(self)
        other._plan = plan
        return other

    def with_imported(self) -> BenchmarkPlan:
        """The plan, with those runs taken from elsewhere that were imported and are current."""
        return self._plan.with_imported(find_imported(self._plan, self._results, self._prepared, self.digests))

    @cached_property
    def digests(self) -> CurrentDigests:
        """Digests of the spec files that these identities would give."""
        return CurrentDigests(
            run=lambda spec: self.run(spec).digest,
            evaluation=cache(lambda name, samples: sha256_of_text(self.evaluation(name, samples).to_json())),
        )

    def evaluation(self, name: str, samples: int | None = None) -> StageIdentity:
        """Identity of an evaluation of so many test samples, the same for all runs."""
        return StageIdentity(
            stage="evaluate",
            settings={"evaluation": name} if samples is None else {"evaluation": name, "samples": samples},
            code=evaluation_code(self._tree, name),
            environment=self._train_pins,
        )

    def overhead(self, planned: PlannedOverhead) -> StageIdentity:
        """Identity of the timing of an experiment's networks; it depends on no run."""
        models = [name for network in planned.networks for name in (network["model"], network["baseline"]["model"])]
        return StageIdentity(
            stage="overhead",
            settings={"networks": list(planned.networks)},
            code=overhead_code(self._tree, models),
            environment=self._train_pins,
        )

    def baselines(self, planned: PlannedBaselines) -> StageIdentity:
        """Identity of a study's baselines; it depends on no network."""
        return StageIdentity(
            stage="baselines",
            settings={"inputs": list(planned.inputs)},
            code=baselines_code(self._tree, planned.inputs),
            environment=self._train_pins,
        )

    def properties(self, planned: PlannedProperties) -> StageIdentity:
        """Identity of a study's properties; it depends on no data and no run, but on libraries that it compares."""
        peers = peer_versions() if PEERS_LAW in planned.laws else {}
        return StageIdentity(
            stage="properties",
            settings={"suite": planned.suite, "laws": list(planned.laws), "networks": list(planned.networks)},
            code=properties_code(self._tree, planned.laws, planned.networks),
            environment={**peers, **self._environment(external_targets(planned.networks))},
        )

    def analysis(self, planned: PlannedAnalysis) -> StageIdentity:
        """Identity of an analysis: its runs and those of the study's own numbers that it reads."""
        of_experiment = (planned.suite, planned.experiment)
        published = [
            value.as_row()
            for value in self._published
            if (value.suite, value.experiment) == of_experiment and value.metric in planned.published
        ]
        settings = {"analysis": planned.name, "runs": list(planned.runs), "published": published}
        return self._analysis("analyse", settings, analysis_code(self._tree, planned.name))

    def aggregation(self) -> StageIdentity:
        """Identity of the aggregation; its settings are all that it needs beside the results."""
        scale = self._plan.scale
        settings = {
            "scale": scale.name,
            "label": scale.label,
            "description": scale.description,
            "suites": [suite.name for suite in self._plan.suites],
            "studies": {
                suite.name: {"title": suite.title, "citation": suite.citation, "question": suite.question}
                for suite in self._plan.suites
            },
            "display_names": self._plan.display_names,
            "experiments": [
                {
                    "suite": suite.name,
                    "experiment": name,
                    "title": experiment.title,
                    "answers": dict(experiment.answers),
                    "reported": dict(experiment.reported),
                    "sorted_by": experiment.sorted_by,
                    "author_seed": suite.author_seed,
                }
                for suite in self._plan.suites
                for name, experiment in suite.experiments.items()
            ],
            "runs": {run_id: planned.evaluation_specs for run_id, planned in self._plan.runs.items()},
            "imported": dict(self._plan.imported),
            "left_out": [asdict(row) for row in self._plan.left_out],
            "models": {
                name: {"label": entry.label, "study": entry.study, "published_parameters": entry.published_parameters}
                for name, entry in REGISTRY.items()
            }
            | external_rows(self._plan.config),
            "shortened": sorted(run_id for run_id, planned in self._plan.runs.items() if planned.shortened),
            "analyses": {
                analysis_id: {"suite": planned.suite, "experiment": planned.experiment, "analysis": planned.name}
                for analysis_id, planned in self._plan.analyses.items()
            },
            "overheads": {
                overhead_id: {"suite": planned.suite, "experiment": planned.experiment, "analysis": "overhead"}
                for overhead_id, planned in self._plan.overheads.items()
            },
            "baselines": {suite: {"suite": suite, "analysis": "baselines"} for suite in self._plan.baselines},
            "properties": list(self._plan.properties),
            "published": [value.as_row() for value in self._published],
            "claims": [
                study.model_dump(mode="json", exclude_none=True)
                for study in read_claims(self._root, self._plan.suites, self._plan.studies)
            ],
        }
        return self._analysis("aggregate", settings, aggregation_code(self._tree))

    def report(self) -> StageIdentity:
        """Identity of the report: its code and the templates, scripts and styles beside it."""
        folder = self._tree.folder / TEMPLATES_FOLDER
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        templates = {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in files}
        return self._analysis("report", {"templates": templates}, report_code(self._tree))

    def write(self) -> None:
        """Write every spec file whose bytes change."""
        plan = self._plan
        for run_id, planned in plan.runs.items():
            self._write(self.run(planned.spec), "runs", run_id)
        for dataset in plan.datasets.values():
            self._write(self.dataset(dataset), "datasets", dataset.name)
        self._raw.save()
        for key, (name, samples) in plan.evaluation_specs.items():
            self._write(self.evaluation(name, samples), "evaluations", key)
        for analysis_id, planned_analysis in plan.analyses.items():
            self._write(self.analysis(planned_analysis), "analyses", analysis_id)
        for overhead_id, planned_overhead in plan.overheads.items():
            self._write(self.overhead(planned_overhead), "overheads", overhead_id)
        for suite, planned_baselines in plan.baselines.items():
            self._write(self.baselines(planned_baselines), "baselines", suite)
        for suite, planned_properties in plan.properties.items():
            self._write(self.properties(planned_properties), "properties", suite)
        self._write(self.aggregation(), "aggregate")
        self._write(self.report(), "report")

    def _write(self, identity: RunIdentity | DatasetIdentity | StageIdentity, kind: SpecKind, name: str = "") -> None:
        write_plan(self._results.spec(kind, name), identity.to_json())

    def _environment(self, targets: Sequence[str]) -> dict[str, str]:
        """The pins of training, and the versions of what external networks or functions import beside these."""
        key = tuple(targets)
        if key not in self._environments:
            own = external_versions(self._tree, targets) if targets else {}
            self._environments[key] = {**own, **self._train_pins}
        return self._environments[key]

    def _analysis(
        self, stage: Literal["analyse", "aggregate", "report"], settings: dict[str, Any], code: dict[str, str]
    ) -> StageIdentity:
        return StageIdentity(stage=stage, settings=settings, code=code, environment=self._analysis_pins)


def _prepared(plan: BenchmarkPlan, root: Path, results: Path, base: Path | None) -> Prepared:
    """The prepared data sets: beside the results, which a module may have below a prefix in the working folder."""
    return prepared_of(plan.scale.name, root if base is None else results.parent)


def _read_imported(results: Results) -> dict[str, ImportedRun]:
    return {
        run_id: ImportedRun(origin, tuple(evaluations))
        for run_id, (origin, *evaluations) in read_json_if_whole(results.imported).items()
    }


def plan_benchmark(settings: object, root: Path, results: Path, write: bool, base: Path | None = None) -> BenchmarkPlan:
    """Resolve the configuration, leave out what has no data, and bring the spec files up to date.

    Parameters
    ----------
    settings : object
        The configuration: settings with their places, or their values alone.
    root : Path
        The repository.
    results : Path
        The folder that holds one folder per scale; prepared data lie beside it where ``base`` is given.
    write : bool
        Whether to write the spec files; only one process at a time may.
    base : Path, optional
        The working folder, where relative paths of data start; the repository if not given.

    Raises
    ------
    PhasebenchError
        The configuration, a suite, the scale, a reference table or an environment file is not right; or data are
        missing that must not be.
    """
    tree = source_tree(root / PACKAGE_FOLDER)
    plan = load_plan(settings, root, tree, base)
    found = Results(results / plan.scale.name)
    record = found.missing_data
    if not write:
        # As the main process saw it: another machine may have no raw data, and more may have come since.
        return plan.with_imported(_read_imported(found)).without(read_json_if_whole(record))
    identities = Identities(plan, root, tree, results, base)
    plan = identities.with_imported()
    if plan.imported or found.imported.is_file():
        told = {run_id: [origin, *plan.runs[run_id].evaluations] for run_id, origin in plan.imported.items()}
        write_plan(found.imported, canonical_json(told))
    missing = find_missing(plan, root if base is None else base, _prepared(plan, root, results, base))
    check_missing(plan, missing)
    plan = plan.without(missing)
    check_networks(plan, tree, results)
    if missing or record.is_file():
        write_plan(record, canonical_json(missing))
    identities.for_plan(plan).write()
    # Every job compares the code that it runs with its spec file.
    tree.save_hashes()
    return plan
