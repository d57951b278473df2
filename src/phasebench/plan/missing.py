"""Missing data: planned data sets that are neither prepared nor there as raw files. Nothing is opened or hashed."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.common.wording import counted
from phasebench.data.shards.registry import SHARDED_SOURCES
from phasebench.data.sources.raw_files import raw_files
from phasebench.data.sources.raw_place import raw_place
from phasebench.data.sources.registry import SOURCES
from phasebench.plan.datasets import DatasetSpec
from phasebench.plan.plan import BenchmarkPlan
from phasebench.specs.paths import Prepared, prepared_of

DATA_PAGE = "docs/quickstart.md"
"""Says where raw data sets are looked for."""


def find_missing(plan: BenchmarkPlan, base: Path, prepared: Prepared | None = None) -> dict[str, str]:
    """Find the data sets of a plan that are not prepared and cannot be.

    Prepared data are usable without their raw files, and so is a source that may download what it lacks.

    Parameters
    ----------
    plan
        With all its runs.
    base
        The working folder, where relative paths of data start.
    prepared
        The prepared data sets of the scale, if they are not in the working folder.

    Returns
    -------
    dict
        Data set -> what is missing where.
    """
    prepared = prepared or prepared_of(plan.scale.name, base)
    missing: dict[str, str] = {}
    for name, dataset in plan.datasets.items():
        if prepared.data(name).is_file() and prepared.manifest(name).is_file():
            continue
        reason = _reason(dataset, base, Path(plan.config.data_root), plan.config.download)
        if reason:
            missing[name] = reason
    return missing


def check_missing(plan: BenchmarkPlan, missing: Mapping[str, str]) -> None:
    """Refuse missing data where the configuration allows none, or nothing is left without them.

    Raises
    ------
    PhasebenchError
        Names them all.
    """
    named = "; ".join(_named(plan, missing))
    place = plan.settings.place
    if missing and plan.config.missing_data == "error":
        raise PhasebenchError(
            f"{place('missing_data')}: missing_data: error: {named}; put the data there ({DATA_PAGE}), or set it to "
            "skip"
        )
    if missing and plan.datasets.keys() == missing.keys():
        raise PhasebenchError(
            f"{place('data_root')}: data_root: no data set of scale '{plan.scale.name}' is there: {named}; put one "
            f"there ({DATA_PAGE}), or choose scale: demo, which needs none"
        )


def left_out_lines(plan: BenchmarkPlan) -> list[str]:
    """A line for each missing data set: what is missing where, and how much is left out for it."""
    rows = sorted(plan.left_out, key=lambda row: row.dataset)
    lines = []
    for name, group in groupby(rows, key=lambda row: row.dataset):
        found = list(group)
        runs = sum(row.runs for row in found)
        whole = len({(row.suite, row.experiment) for row in found if row.is_whole})
        tables = f" and {counted(whole, 'table or figure', 'tables or figures')}" if whole else ""
        lines.append(
            f"{plan.display_names.get(name, name)}: {found[0].reason}: {counted(runs, 'run')}{tables} left "
            f"out; {DATA_PAGE} says where data are looked for"
        )
    return lines


def _reason(dataset: DatasetSpec, base: Path, data_root: Path, download: bool) -> str | None:
    target = (SHARDED_SOURCES if dataset.is_sharded else SOURCES).find(dataset.source)
    place = raw_place(dataset.source, target)
    if place is None or (place.downloads and download):
        return None
    path = place.within(base / data_root, dataset.options)
    # Where an option has to name the place and does not, the preparation says so.
    if path is None or _holds_files(dataset, path, base / data_root):
        return None
    return f"{place.absent} {place.within(data_root, dataset.options)}"


def _holds_files(dataset: DatasetSpec, path: Path, data_root: Path) -> bool:
    if dataset.is_sharded:
        # Without a look at each of a million images.
        return path.is_dir() and any(path.iterdir())
    return path.exists() and bool(raw_files(dataset.source, dataset.options, data_root))


def _named(plan: BenchmarkPlan, missing: Mapping[str, str]) -> Iterator[str]:
    for name, reason in missing.items():
        yield f"{plan.display_names.get(name, name)}: {reason}"
