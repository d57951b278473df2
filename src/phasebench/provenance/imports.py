"""Imported runs of a plan: those that are whole and current are used as they are, all others are made here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import sha256_of_file
from phasebench.plan.plan import BenchmarkPlan, ImportedRun
from phasebench.plan.runs import PlannedRun
from phasebench.provenance.integrity import KnownFiles
from phasebench.provenance.record import origin_of
from phasebench.specs.evaluated import EVALUATED, Evaluated, read_index
from phasebench.specs.imported import read_mark
from phasebench.specs.paths import Prepared, Results
from phasebench.specs.run import RunSpec
from phasebench.specs.run_folder import NEEDED_FILES, RECORD, SPEC, evaluation_file, read_record


@dataclass(frozen=True)
class CurrentDigests:
    """SHA-256 of the spec files as they would be written now.

    Attributes
    ----------
    run
        Of a run, from its spec.
    evaluation
        Of an evaluation, from its name and the number of its test samples.
    """

    run: Callable[[RunSpec], str]
    evaluation: Callable[[str, int | None], str]


def find_imported(
    plan: BenchmarkPlan, results: Results, prepared: Prepared, digests: CurrentDigests
) -> dict[str, ImportedRun]:
    """Find the runs of a plan that need not be made here.

    Parameters
    ----------
    plan : BenchmarkPlan
        With all its runs.
    results : Results
        Of the plan's scale.
    prepared : Prepared
        The prepared data sets of the scale. A run on other data than these is stale.
    digests : CurrentDigests
        What results have to be made from.

    Returns
    -------
    dict
        Run id -> its origin, and those of its evaluations that are current.
    """
    marks = {run_id: mark for run_id in plan.runs if (mark := read_mark(results.run(run_id))) is not None}
    if not marks:
        return {}
    known = KnownFiles(results)
    found = {}
    for run_id, mark in marks.items():
        planned, folder = plan.runs[run_id], results.run(run_id)
        if not all((folder / file).is_file() for file in NEEDED_FILES):
            continue
        if known.damaged_in_run(folder) or not _is_current(planned.spec, folder, prepared, digests):
            continue
        found[run_id] = ImportedRun(mark.origin, current_evaluations(planned, folder, digests))
    known.save()
    return found


def _is_current(spec: RunSpec, folder: Path, prepared: Prepared, digests: CurrentDigests) -> bool:
    if sha256_of_file(folder / SPEC) != digests.run(spec):
        return False
    manifest = prepared.manifest(spec.dataset)
    return not manifest.is_file() or read_record(folder).get("data_manifest") == sha256_of_file(manifest)


def current_evaluations(planned: PlannedRun, folder: Path, digests: CurrentDigests) -> tuple[str, ...]:
    """Names of the evaluations that were made from what they would be made from now, as the index tells.

    Parameters
    ----------
    planned : PlannedRun
        The run, with all evaluations that are asked for.
    folder : Path
        Its files.
    digests : CurrentDigests
        What results have to be made from.
    """
    index = Evaluated(evaluations={})
    if planned.evaluations and (folder / EVALUATED).is_file():
        try:
            index = read_index(folder)
        except PhasebenchError:
            return ()
    return tuple(
        name
        for name in planned.evaluations
        if name in index.evaluations
        and (folder / evaluation_file(name)).is_file()
        and sha256_of_file(folder / evaluation_file(name)) == index.evaluations[name].sha256
        and index.evaluations[name].origin
        == origin_of(digests.evaluation(name, planned.samples.get(name)), [folder / RECORD])
    )
