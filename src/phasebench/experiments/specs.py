"""Builds the identity of everything in a plan and writes the spec files."""

from pathlib import Path
from typing import Any, Literal

from phasebench.data.encoding_registry import ENCODINGS
from phasebench.data.source_registry import SOURCES
from phasebench.experiments.fingerprint import SourceTree
from phasebench.experiments.identity import DatasetIdentity, StageIdentity
from phasebench.experiments.pins import read_pins
from phasebench.experiments.reference import read_published
from phasebench.experiments.table import EVALUATIONS_TABLE, BenchmarkPlan, DatasetSpec, load_plan
from phasebench.files import canonical_json, sha256_of_file, sha256_of_text, write_if_different
from phasebench.models.registry import REGISTRY
from phasebench.spec import RunIdentity, RunSpec

TRAIN_ENVIRONMENT = "envs/train.yaml"
ANALYSIS_ENVIRONMENT = "envs/analysis.yaml"
TEMPLATES_FOLDER = "reporting/templates"
_TRAIN = "phasebench.training.run:train_run"
_PREPARE = "phasebench.data.prepare:prepare_dataset"
_EVALUATE = "phasebench.evaluation.run:evaluate_run"
_AGGREGATE = "phasebench.experiments.aggregate:aggregate_results"
_REPORT = "phasebench.reporting.build:build_report"


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
    """

    def __init__(self, plan: BenchmarkPlan, root: Path, tree: SourceTree) -> None:
        self._plan = plan
        self._root = root
        self._tree = tree
        self._train_pins = read_pins(root / TRAIN_ENVIRONMENT, TRAIN_ENVIRONMENT)
        self._analysis_pins = read_pins(root / ANALYSIS_ENVIRONMENT, ANALYSIS_ENVIRONMENT)

    def run(self, spec: RunSpec) -> RunIdentity:
        """Identity of a training run."""
        return RunIdentity(run=spec, code=self._run_code(spec), environment=self._train_pins)

    def dataset(self, spec: DatasetSpec) -> DatasetIdentity:
        """Identity of a prepared data set."""
        return DatasetIdentity(
            dataset=spec.name,
            source=spec.source,
            options=spec.options,
            code=self._tree.closure([_PREPARE, SOURCES[spec.source]]).hashes,
            environment=self._train_pins,
        )

    def evaluation(self, name: str) -> StageIdentity:
        """Identity of an evaluation, the same for all runs."""
        target = self._tree.string_table(EVALUATIONS_TABLE)[name]
        return StageIdentity(
            stage="evaluate",
            settings={"evaluation": name},
            code=self._tree.closure([_EVALUATE, target]).hashes,
            environment=self._train_pins,
        )

    def aggregation(self) -> StageIdentity:
        """Identity of the aggregation; its settings are all that it needs beside the results."""
        scale = self._plan.scale
        settings = {
            "scale": scale.name,
            "label": scale.label,
            "description": scale.description,
            "suites": [suite.name for suite in self._plan.suites],
            "runs": {run_id: list(planned.evaluations) for run_id, planned in self._plan.runs.items()},
            "models": {
                name: {"label": entry.label, "study": entry.study, "published_parameters": entry.published_parameters}
                for name, entry in REGISTRY.items()
            },
            "published": [value.as_row() for value in read_published(self._root)],
        }
        return self._analysis("aggregate", settings, _AGGREGATE)

    def report(self) -> StageIdentity:
        """Identity of the report: its code and the templates, scripts and styles beside it."""
        folder = self._tree.folder / TEMPLATES_FOLDER
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        templates = {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in files}
        return self._analysis("report", {"templates": templates}, _REPORT)

    def write(self, folder: Path) -> None:
        """Write every spec file whose bytes change.

        Parameters
        ----------
        folder
            ``results/<scale>/specs``.
        """
        for run_id, planned in self._plan.runs.items():
            write_if_different(folder / "runs" / f"{run_id}.json", self.run(planned.spec).to_json())
        for dataset in self._plan.datasets.values():
            write_if_different(folder / "datasets" / f"{dataset.name}.json", self.dataset(dataset).to_json())
        for name in self._plan.evaluation_names:
            write_if_different(folder / "evaluations" / f"{name}.json", self.evaluation(name).to_json())
        write_if_different(folder / "aggregate.json", self.aggregation().to_json())
        write_if_different(folder / "report.json", self.report().to_json())

    def _analysis(self, stage: Literal["aggregate", "report"], settings: dict[str, Any], root: str) -> StageIdentity:
        code = self._tree.closure([root]).hashes
        return StageIdentity(stage=stage, settings=settings, code=code, environment=self._analysis_pins)

    def _run_code(self, spec: RunSpec) -> dict[str, str]:
        """The hashes of the modules, and one of what the table of models says of the run's model."""
        entry = REGISTRY[spec.model]
        code = self._tree.closure([_TRAIN, entry.target, ENCODINGS[spec.encoding]]).hashes
        # The entry's other fields are for people; these two decide what is built.
        row = canonical_json({"target": entry.target, "real": entry.real})
        return {**code, f"phasebench.models.registry:REGISTRY[{spec.model}]": sha256_of_text(row)}


def plan_benchmark(settings: object, root: Path, results: Path, write: bool) -> BenchmarkPlan:
    """Resolve the configuration and bring the spec files up to date.

    Parameters
    ----------
    settings : object
        The content of ``config.yaml``.
    root : Path
        The repository.
    results : Path
        The folder that holds one folder per scale.
    write : bool
        Whether to write the spec files; only one process at a time may.

    Raises
    ------
    PhasebenchError
        The configuration, a suite, the scale, a reference table or an environment file is not right.
    """
    tree = SourceTree(root / "src" / "phasebench")
    plan = load_plan(settings, root, tree)
    if write:
        Identities(plan, root, tree).write(results / plan.scale.name / "specs")
    return plan
