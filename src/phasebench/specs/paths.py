"""Paths of the repository, of a scale's results, of prepared data and of logs: each stands here and nowhere else.

The rules of the workflow use the same classes, with wildcards for names and ``<results>`` and the like for folders.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from phasebench.specs.evaluated import EVALUATED
from phasebench.specs.run_folder import EVALUATION_FOLDER

REPOSITORY = Path(__file__).resolve().parents[3]
"""Checkout that this package belongs to; only that of an editable install, or on the search path, has ``workflow/``."""
CONFIG_FILE = "config.yaml"
SUITES_FOLDER = "workflow/suites"
SCALES_FOLDER = "workflow/scales"
PUBLISHED_FOLDER = "workflow/published"
CLAIMS_FOLDER = "workflow/claims"
SCHEMAS_FOLDER = "workflow/schemas"
STUDY_SUITE = "suite.yaml"
"""In a study's own folder, as in workflow/suites; the next two as in workflow/claims and workflow/published."""
STUDY_CLAIMS = "claims.yaml"
STUDY_PUBLISHED = "published*.csv"
STUDY_SCALES = "scales.yaml"
"""In a study's own folder: under the name of a scale, the same as under ``suites`` in a file of workflow/scales."""
TRAIN_ENVIRONMENT = "envs/train.yaml"
ANALYSIS_ENVIRONMENT = "envs/analysis.yaml"
PACKAGE_FOLDER = "src/phasebench"
TEMPLATES_FOLDER = "reporting/templates"
"""Of the report, below the package's folder."""
RESULTS_FOLDER = "results"
PREPARED_FOLDER = "data/prepared"
LOGS_FOLDER = "logs"

SHARD_PLAN = "plan.json"
"""In the folder of a data set in shards: the names of its shards."""
SHARD_LISTINGS = "listings"
SHARD_LOCATIONS = "locations"
PLANNED_FROM = "prepared_from.json"
"""In the folder of a data set in shards: the spec file that it was planned from."""

SpecKind = Literal[
    "runs", "datasets", "evaluations", "analyses", "overheads", "baselines", "properties", "aggregate", "report"
]
"""Folder of the spec files of a stage; the last two have one file each."""


@dataclass(frozen=True)
class Results:
    """The results of one scale.

    Attributes
    ----------
    folder
        ``results/<scale>``.
    """

    folder: Path

    def spec(self, kind: SpecKind, name: str = "") -> Path:
        """Spec file of a run, a data set or a stage by its id; the aggregation and the report have no id."""
        return self.folder / "specs" / (f"{kind}/{name}.json" if name else f"{kind}.json")

    def run(self, run_id: str) -> Path:
        """Folder of a run, whose files :mod:`phasebench.specs.run_folder` names."""
        return self.folder / "runs" / run_id

    def evaluation(self, run_id: str, name: str) -> Path:
        """Table of an evaluation of a run."""
        return self.run(run_id) / EVALUATION_FOLDER / f"{name}.parquet"

    def evaluated(self, run_id: str) -> Path:
        """Index of the evaluations of a run, written when all of them are finished."""
        return self.run(run_id) / EVALUATED

    def analysis(self, analysis_id: str) -> Path:
        """Table of an analysis."""
        return self.folder / "analyses" / f"{analysis_id}.parquet"

    def overhead(self, overhead_id: str) -> Path:
        """Table of the timed networks of an experiment."""
        return self.folder / "overheads" / f"{overhead_id}.parquet"

    def baselines(self, suite: str) -> Path:
        """Table of the baselines of a study."""
        return self.folder / "baselines" / f"{suite}.parquet"

    def properties(self, suite: str) -> Path:
        """Table of the properties of a study's layers and untrained networks."""
        return self.folder / "properties" / f"{suite}.parquet"

    def table(self, name: str) -> Path:
        """Aggregated table."""
        return self.folder / "tables" / f"{name}.parquet"

    @property
    def preview(self) -> Path:
        """Folder of the aggregated tables of a preview."""
        return self.folder / "preview"

    def checkpoint(self, digest: str) -> Path:
        """Checkpoint of an unfinished run, by the SHA-256 of its spec file: a changed spec begins anew."""
        return self.folder / "checkpoints" / f"{digest}.pt"

    def benchmark(self, rule: str, name: str = "") -> Path:
        """Snakemake's measurements of a job: of a rule and what its wildcards say, joined by slashes."""
        return self.folder / "benchmarks" / f"{_job(rule, name)}.tsv"

    @property
    def missing_data(self) -> Path:
        """Data sets that were missing when the spec files were written, and why; read by jobs."""
        return self.folder / "missing_data.json"

    @property
    def checked_networks(self) -> Path:
        """Checks that external networks have passed, by what they depend on."""
        return self.folder / "checked_networks.json"

    @property
    def imported(self) -> Path:
        """Runs that were imported when the spec files were written, and from where; read by jobs."""
        return self.folder / "imported.json"

    @property
    def whole_files(self) -> Path:
        """Results that were found whole, by size and times of change."""
        return self.folder / "whole_files.json"

    @property
    def raw_checksums(self) -> Path:
        """Known checksums of raw files, by size and time of change."""
        return self.folder / "raw_files.json"


@dataclass(frozen=True)
class Prepared:
    """The prepared data sets of one scale.

    Attributes
    ----------
    folder
        ``data/prepared/<scale>``.
    """

    folder: Path

    def data(self, dataset: str) -> Path:
        """The HDF5 file of a data set; of one in shards, their index."""
        return self.folder / f"{dataset}.h5"

    def manifest(self, dataset: str) -> Path:
        """The manifest of a data set, which identifies its content."""
        return self.folder / f"{dataset}.json"

    def shard_plan(self, dataset: str) -> Path:
        """The list of a data set's shards."""
        return self.folder / dataset / SHARD_PLAN

    def shard_spec(self, dataset: str) -> Path:
        """The spec file that the shards were planned from."""
        return self.folder / dataset / PLANNED_FROM

    def listing(self, dataset: str, shard: str) -> Path:
        """The listing of a shard: the images that it is to hold."""
        return self.folder / dataset / SHARD_LISTINGS / f"{shard}.json"

    def locations(self, dataset: str, shard: str) -> Path:
        """The locations of the images of a shard."""
        return self.folder / dataset / SHARD_LOCATIONS / f"{shard}.json"

    def shards(self, dataset: str) -> Path:
        """Folder of the shards of a data set."""
        return self.folder / dataset / "shards"

    def shard(self, dataset: str, shard: str) -> Path:
        """The HDF5 file of a shard."""
        return self.shards(dataset) / f"{shard}.h5"


@dataclass(frozen=True)
class Logs:
    """The logs of one scale.

    Attributes
    ----------
    folder
        ``logs/<scale>``.
    """

    folder: Path

    def log(self, rule: str, name: str = "") -> Path:
        """Log of a job: of a rule and what its wildcards say, joined by slashes."""
        return self.folder / f"{_job(rule, name)}.log"


def schema_address(kind: str, folder: Path) -> str:
    """Address of a JSON schema as files in a folder name it."""
    return os.path.relpath(REPOSITORY / SCHEMAS_FOLDER / f"{kind}.schema.json", folder)


def results_of(scale: str, root: Path = Path()) -> Results:
    """The results of a scale in a repository."""
    return Results(root / RESULTS_FOLDER / scale)


def prepared_of(scale: str, root: Path = Path()) -> Prepared:
    """The prepared data sets of a scale in a repository."""
    return Prepared(root / PREPARED_FOLDER / scale)


def logs_of(scale: str, root: Path = Path()) -> Logs:
    """The logs of a scale in a repository."""
    return Logs(root / LOGS_FOLDER / scale)


def raw_record(prepared_file: Path) -> Path:
    """Record of the raw files that came with a preparation, beside its HDF5 file."""
    return prepared_file.with_suffix(".raw.json")


def _job(rule: str, name: str) -> str:
    return f"{rule}/{name}" if name else rule
