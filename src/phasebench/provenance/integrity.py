"""Integrity of results: a file that is no longer what its job wrote is set aside, so that it is made again.

``run.json`` and ``evaluated.json`` hold the checksums of the files beside them; any other table has its checksum in a
file of its own, which ``sha256sum --check`` reads too. A file is read again only where its size or one of its times has
changed since it was last found whole.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json, read_json_if_whole, sha256_of_file, write_plan
from phasebench.plan.plan import BenchmarkPlan
from phasebench.provenance.seals import is_sealed_as_is
from phasebench.specs.evaluated import EVALUATED, read_index
from phasebench.specs.paths import Results
from phasebench.specs.run_folder import RECORD, RUN_FILES, evaluation_file, file_fault, read_record

SUFFIX = ".damaged"
"""Ends the name of a file that was set aside."""
_NOT_READABLE = "is damaged"
_MOST_NAMED = 10


def set_aside_damaged(plan: BenchmarkPlan, results: Results) -> list[str]:
    """Rename each damaged result of a plan, so that Snakemake misses it and makes it again.

    Parameters
    ----------
    plan : BenchmarkPlan
        What the page is to show.
    results : Results
        Of the plan's scale.

    Returns
    -------
    list of str
        A line for people about each damaged file; of many, the first and a count.
    """
    known = KnownFiles(results)
    lines = []
    for path, fault in damaged_results(plan, results, known):
        try:
            path.rename(path.with_name(path.name + SUFFIX))
        except FileNotFoundError:
            continue
        except OSError as error:
            lines.append(f"{path}: {fault}, and cannot be set aside: {error.strerror}; remove it")
        else:
            if path.parent.name == Path(evaluation_file("")).parent.name:
                # Snakemake knows the index alone; its job keeps the tables that are whole.
                with contextlib.suppress(OSError):
                    (path.parent.parent / EVALUATED).unlink(missing_ok=True)
            lines.append(f"{path}: {fault}; set aside as {path.name}{SUFFIX} and made again")
    known.save()
    more = len(lines) - _MOST_NAMED
    return [*lines[:_MOST_NAMED], *([f"and {more} more damaged files"] if more > 0 else [])]


def damaged_results(plan: BenchmarkPlan, results: Results, known: "KnownFiles") -> list[tuple[Path, str]]:
    """Every damaged file among the results of a plan, with what is wrong."""
    found: list[tuple[Path, str]] = []
    for run_id, planned in plan.runs.items():
        found += known.damaged_in_run(results.run(run_id))
        if planned.evaluations:
            found += known.damaged_evaluations(results.run(run_id))
    tables = [
        *map(results.analysis, plan.analyses),
        *map(results.overhead, plan.overheads),
        *map(results.baselines, plan.baselines),
        *map(results.properties, plan.properties),
        *sorted(results.table("*").parent.glob(results.table("*").name)),
    ]
    found += known.damaged_tables(tables)
    return found


class KnownFiles:
    """Files that were found whole, by their size and times.

    Parameters
    ----------
    results : Results
        Of a scale.
    """

    def __init__(self, results: Results) -> None:
        self._path = results.whole_files
        self._folder = results.folder
        self._whole: dict[str, str] = read_json_if_whole(self._path)
        self._changed = False

    def save(self) -> None:
        """Keep what is known, so that unchanged files are not read again."""
        if self._changed:
            # Somebody else's folder may be looked at all the same.
            with contextlib.suppress(PhasebenchError):
                write_plan(self._path, canonical_json(self._whole))

    def learn(self, path: Path) -> None:
        """Take a file as it is for whole."""
        signature = _signature(path)
        if signature is not None:
            self._whole[self._key(path)] = signature
            self._changed = True

    def damaged_in_run(self, folder: Path) -> list[tuple[Path, str]]:
        """The damaged files of a run, if it is finished."""
        record = folder / RECORD
        paths = [folder / file for file in RUN_FILES.values()]
        if not record.is_file() or all(map(self._is_known, paths)):
            return []
        try:
            content = read_record(folder)
        except PhasebenchError:
            return [(record, _NOT_READABLE)]
        faults = {path: file_fault(folder, content, path.name) for path in paths if path != record and path.is_file()}
        if not any(faults.values()):
            self.learn(record)
        return self._damaged(faults)

    def damaged_evaluations(self, folder: Path) -> list[tuple[Path, str]]:
        """The damaged evaluations of a run, if all are finished; or their index."""
        index = folder / EVALUATED
        tables = list(index.parent.glob(evaluation_file("*")))
        if not index.is_file() or all(map(self._is_known, [index, *tables])):
            return []
        try:
            entries = read_index(folder).evaluations
        except PhasebenchError:
            return [(index, _NOT_READABLE)]
        faults = {
            path: None
            if path.stem not in entries or sha256_of_file(path) == entries[path.stem].sha256
            else f"has another checksum than in {EVALUATED}"
            for path in tables
        }
        if not any(faults.values()):
            self.learn(index)
        return self._damaged(faults)

    def damaged_tables(self, paths: Iterable[Path]) -> list[tuple[Path, str]]:
        """Those of the Parquet files that cannot be read as a whole."""
        unknown = [path for path in paths if path.is_file() and not self._is_known(path)]
        return self._damaged({path: None if _is_whole(path) else _NOT_READABLE for path in unknown})

    def _damaged(self, faults: dict[Path, str | None]) -> list[tuple[Path, str]]:
        for path, fault in faults.items():
            if fault is None:
                self.learn(path)
        return [(path, fault) for path, fault in faults.items() if fault is not None]

    def _is_known(self, path: Path) -> bool:
        """True if the file was found whole and has not changed since; also if it is gone, which Snakemake sees."""
        signature = _signature(path)
        return signature is None or self._whole.get(self._key(path)) == signature

    def _key(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()


def _signature(path: Path) -> str | None:
    """Size, time of the last change of the content and of the file; None where there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _is_whole(path: Path) -> bool:
    sealed = is_sealed_as_is(path)
    if sealed is not None:
        return sealed
    # Here, since every job on a cluster reads the Snakefile and none of them looks at tables there.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for _ in pq.ParquetFile(path, page_checksum_verification=True).iter_batches():
            pass
    except (OSError, ValueError, pa.ArrowException):
        return False
    return True
