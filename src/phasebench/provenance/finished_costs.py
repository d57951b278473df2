"""Costs of finished runs and jobs: seconds, device and bytes, as a basis for estimates of what is left."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json
from phasebench.specs.paths import RESULTS_FOLDER, Results
from phasebench.specs.run import Recipe, RunSpec, coordinates
from phasebench.specs.run_folder import RECORD, read_record, recorded_spec

Unit = Literal["card", "core"]
# Fields of a spec that do not change what a run costs.
_FREE = {"schema_version", *coordinates("dataset", "encoding", "train_fraction", "model")}
_CPU = "cpu"


@dataclass(frozen=True)
class FinishedRun:
    """A finished run as far as its cost goes, whether it is current or stale.

    Attributes
    ----------
    spec
        What was trained.
    results, folder
        Results of its scale, and its own files.
    wall_seconds
        Time of its training, over all its attempts.
    steps, n_train
        Steps done, and training samples.
    device
        ``cpu``, or the name of the card.
    threads, processes
        Cores of a process on the CPU, and processes.
    """

    spec: RunSpec
    results: Results
    folder: Path
    wall_seconds: float
    steps: int
    n_train: int
    device: str
    threads: int
    processes: int

    @property
    def unit(self) -> Unit:
        """Kind of hours that it cost."""
        return "core" if self.device == _CPU else "card"

    @property
    def width(self) -> int:
        """Cards or cores that it held."""
        return self.processes * (self.threads if self.unit == "core" else 1)

    @cached_property
    def cell(self) -> str:
        """Its :func:`cell_key`."""
        return cell_key(self.spec)

    @cached_property
    def start_up_seconds(self) -> float:
        """Time of its job before and after the training."""
        job = job_seconds(self.results.benchmark("train", self.spec.id))
        return max(0.0, job - self.wall_seconds) if job is not None else 0.0

    @cached_property
    def bytes(self) -> int:
        """Size of its folder."""
        return folder_bytes(self.folder)

    @property
    def work(self) -> float:
        """Samples that its training steps read."""
        recipe = self.spec.recipe
        return float(self.steps * (recipe.batch_size if isinstance(recipe, Recipe) else self.n_train))


def cell_key(spec: RunSpec) -> str:
    """Text that is equal for runs that cost the same: scale, data, network and recipe, without the seed."""
    return canonical_json(spec.model_dump(mode="json", exclude=_FREE))


class FinishedRuns:
    """Finished runs of a repository, each read when it is first asked for.

    Parameters
    ----------
    root : Path
        The repository.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[tuple[str, str], list[FinishedRun]] = {}

    def of_network(self, spec: RunSpec) -> list[FinishedRun]:
        """All finished runs of a run's network, with its options, in its suite at any scale."""
        wanted = (spec.suite, spec.model)
        if wanted not in self._read:
            self._read[wanted] = list(self._of_model(*wanted))
        return [run for run in self._read[wanted] if run.spec.model_options == spec.model_options]

    def _of_model(self, suite: str, model: str) -> Iterator[FinishedRun]:
        for scale in sorted((self._root / RESULTS_FOLDER).glob("*")):
            results = Results(scale)
            for path in sorted(results.run(suite).glob(f"*/*/{model}/*/{RECORD}")):
                found = _read(results, path.parent)
                if found is not None:
                    yield found


def job_seconds(benchmark: Path) -> float | None:
    """Wall time of a job by Snakemake's measurements; None where there are none."""
    try:
        with benchmark.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        return float(rows[-1]["s"])
    except (OSError, IndexError, KeyError, TypeError, ValueError):
        return None


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def most_frequent_device(runs: Iterable[FinishedRun]) -> list[FinishedRun]:
    """The runs on the device that most of them ran on, with its number of threads and processes."""
    by_device: Mapping[tuple[str, int], list[FinishedRun]] = defaultdict(list)
    for run in runs:
        by_device[run.device, run.width].append(run)
    return max(by_device.values(), key=len, default=[])


def _read(results: Results, folder: Path) -> FinishedRun | None:
    """A finished run; None where its record is damaged or of another version, since others serve as well."""
    try:
        record = read_record(folder)
        spec = recorded_spec(folder, record)
        return FinishedRun(spec, results, folder, **_numbers(record), device=str(record["device"]))
    except (PhasebenchError, KeyError, TypeError, ValueError):
        return None


def _numbers(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "wall_seconds": float(record["wall_seconds"]),
        "steps": _count(record["steps"]),
        "n_train": _count(record["n_train"]),
        "threads": _count(record["threads"]),
        # A procedure that knows one process alone does not count them.
        "processes": _count(record.get("processes", 1)),
    }


def _count(value: Any) -> int:
    if not 0 <= (count := int(value)) < 1 << 63:
        raise ValueError(f"{count} is no count")
    return count
