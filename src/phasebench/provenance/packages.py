"""Packages of results, by which two clusters make one page: runs with their evaluations in one file with checksums.

A package is a ZIP file. Its member ``phasebench.json`` names scale, origin and runs, and gives the SHA-256 of every
other member, ``runs/<run id>/<file>``.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import atomic_file, canonical_json, sha256_of_file, write_bytes
from phasebench.common.validation import as_model, first_fault, read_json_model
from phasebench.provenance.status import Checkout
from phasebench.specs.evaluated import EVALUATED, read_index
from phasebench.specs.imported import DATA_MANIFEST, IMPORTED, read_mark, write_mark
from phasebench.specs.paths import Prepared, Results
from phasebench.specs.run import Frozen, Name, RunIdentity
from phasebench.specs.run_folder import (
    EVALUATION_FOLDER,
    NEEDED_FILES,
    PREDICTIONS,
    RECORD,
    SPEC,
    WEIGHTS,
    check_file,
    evaluation_file,
    file_fault,
    read_record,
    read_run_table,
    recorded_number,
)
from phasebench.training.run_lock import run_lock

INDEX = "phasebench.json"
_RUNS = "runs"
_ZIP_ERRORS = (OSError, KeyError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)
"""Errors that damage and encryption end in."""
_REMEDY = "ask for the package again"
# ZIP files hold times of change; with a fixed one, equal results give equal bytes.
_TIME = (1980, 1, 1, 0, 0, 0)
_TOLERANCE = 1e-9
RunId = Annotated[str, Field(pattern=r"^\w+/\w+/[\w-]+/\w+/seed\d+$")]
PackedFile = Annotated[
    str, Field(pattern=rf"^([a-z]+\.(json|parquet|safetensors)|{EVALUATION_FOLDER}/[a-z0-9_]+\.parquet)$")
]


class PackageIndex(Frozen):
    """Content of a package."""

    format: Literal[1] = 1
    scale: Name
    origin: str = Field(min_length=1, max_length=60, description="name under which the page lists where it was made")
    runs: dict[RunId, dict[PackedFile, str]] = Field(min_length=1, description="run -> file -> SHA-256")


@dataclass(frozen=True)
class Import:
    """Outcome of an import.

    Attributes
    ----------
    origin
        As the package says.
    runs
        Ids of the runs that were imported.
    left_out
        Run id -> why it was not.
    lacking
        Evaluation -> imported runs that came without it, or with one that is not current; it cannot be made here.
    """

    origin: str
    runs: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, list[str]] = field(default_factory=dict)


def pack_results(
    results: Results,
    prepared: Prepared,
    names: Sequence[str],
    output: Path,
    *,
    scale: str,
    origin: str,
    with_weights: bool = False,
) -> tuple[str, ...]:
    """Pack finished runs.

    Parameters
    ----------
    results, prepared
        Of the scale.
    names
        Run ids, or beginnings of them such as ``<suite>/<experiment>``.
    output
        The file to write.
    scale, origin
        What the package says of itself.
    with_weights
        Whether to add the trained weights, which neither tables nor figures need.

    Returns
    -------
    tuple of str
        Ids of the runs.

    Raises
    ------
    PhasebenchError
        A name has no finished run, a file is missing or damaged, or the file system refuses.
    """
    members: dict[str, dict[str, Path]] = {}
    for name in names:
        found = list(_finished(results, name))
        if not found:
            raise PhasebenchError(f"{results.run(name)}: no finished run there; `phasebench status` lists them")
        members |= {run_id: _files_of(results.run(run_id), prepared, with_weights) for run_id in found}
    checksums = {run: {file: sha256_of_file(path) for file, path in files.items()} for run, files in members.items()}
    index = as_model(PackageIndex, {"scale": scale, "origin": origin, "runs": checksums}, str(output))
    with atomic_file(output) as handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_member(INDEX), canonical_json(index.model_dump(mode="json")))
        for run_id, files in members.items():
            for file, path in files.items():
                archive.writestr(_member(f"{_RUNS}/{run_id}/{file}"), path.read_bytes())
    return tuple(members)


def import_package(package: Path, checkout: Checkout) -> Import:
    """Add the runs of a package to a folder's results, where they are planned and current.

    Parameters
    ----------
    package
        The file.
    checkout
        The plan of the folder, at the package's scale.

    Raises
    ------
    PhasebenchError
        The package is damaged, or its results contradict themselves; then nothing is imported.
    """
    index = read_index_of(package)
    if index.scale != checkout.plan.scale.name:
        raise PhasebenchError(f"{package}: scale '{index.scale}', but '{checkout.plan.scale.name}' is asked for")
    found = Import(index.origin)
    digest = sha256_of_file(package)
    parent = checkout.results.folder
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, prefix=".import-") as name, zipfile.ZipFile(package) as archive:
        unpacked = Results(Path(name))
        for run_id, files in index.runs.items():
            _unpack(package, archive, run_id, files, unpacked.run(run_id))
            _check_run(package, run_id, unpacked.run(run_id))
        for run_id, files in index.runs.items():
            if reason := _refusal(checkout, run_id, unpacked.run(run_id)):
                found.left_out[run_id] = reason
                continue
            for evaluation in checkout.lacking_evaluations(run_id, unpacked.run(run_id)):
                found.lacking.setdefault(evaluation, []).append(run_id)
            _place(unpacked.run(run_id), checkout.folder(run_id), list(files), index.origin, digest)
            found.runs.append(run_id)
    return found


def read_index_of(package: Path) -> PackageIndex:
    """Read what a package says of itself.

    Raises
    ------
    PhasebenchError
        It is missing, no package, or cut.
    """
    try:
        with zipfile.ZipFile(package) as archive:
            text = archive.read(INDEX)
    except FileNotFoundError as error:
        raise PhasebenchError(f"{package}: there is no such file") from error
    except _ZIP_ERRORS as error:
        raise PhasebenchError(f"{package}: not a complete package of results; {_REMEDY}") from error
    try:
        return PackageIndex.model_validate_json(text)
    except ValidationError as error:
        raise PhasebenchError(f"{package}: {INDEX}: {first_fault(PackageIndex, error)}; {_REMEDY}") from error


def _finished(results: Results, name: str) -> Iterator[str]:
    """Ids of the finished runs below a name; those that were imported are left to who made them."""
    if ".." in PurePosixPath(name).parts:
        return
    runs = results.run("")
    for record in sorted(results.run(name.strip("/")).rglob(RECORD)):
        if read_mark(record.parent) is None:
            yield record.parent.relative_to(runs).as_posix()


def _files_of(folder: Path, prepared: Prepared, with_weights: bool) -> dict[str, Path]:
    """Name in the package -> file."""
    record = read_record(folder, "spec", "digest", "data_manifest")
    names = [*NEEDED_FILES, *([WEIGHTS] if with_weights else [])]
    for name in names:
        check_file(folder, record, name)
    found = {name: folder / name for name in names}
    manifest = prepared.manifest(str(record["spec"]["dataset"]))
    if not manifest.is_file() or sha256_of_file(manifest) != record["data_manifest"]:
        raise PhasebenchError(f"{manifest}: not the data set that {folder} was trained on; run snakemake first")
    found[DATA_MANIFEST] = manifest
    if (folder / EVALUATED).is_file():
        found[EVALUATED] = folder / EVALUATED
        for name in read_index(folder).evaluations:
            found[evaluation_file(name)] = folder / evaluation_file(name)
    return found


def _unpack(package: Path, archive: zipfile.ZipFile, run_id: str, files: dict[str, str], folder: Path) -> None:
    for file, checksum in files.items():
        member = f"{_RUNS}/{run_id}/{file}"
        try:
            content = archive.read(member)
        except _ZIP_ERRORS as error:
            raise PhasebenchError(f"{package}: {member}: cannot be read; {_REMEDY}") from error
        if hashlib.sha256(content).hexdigest() != checksum:
            raise PhasebenchError(f"{package}: {member}: has another checksum than in {INDEX}; {_REMEDY}")
        write_bytes(folder / file, content, durable=False)


def _check_run(package: Path, run_id: str, folder: Path) -> None:
    """Refuse a run whose files contradict each other."""

    def refuse(file: str, fault: str) -> PhasebenchError:
        return PhasebenchError(f"{package}: {_RUNS}/{run_id}/{file}: {fault}; {_REMEDY}")

    for file in (*NEEDED_FILES, DATA_MANIFEST):
        if not (folder / file).is_file():
            raise refuse(file, "is missing")
    record = read_record(folder, "digest", "data_manifest", "test_accuracy")
    for file in (*NEEDED_FILES, WEIGHTS):
        if file != RECORD and (folder / file).is_file() and (fault := file_fault(folder, record, file)):
            raise refuse(file, fault)
    if sha256_of_file(folder / SPEC) != record["digest"]:
        raise refuse(SPEC, f"is not what {RECORD} was made from")
    if sha256_of_file(folder / DATA_MANIFEST) != record["data_manifest"]:
        raise refuse(DATA_MANIFEST, f"is not of the data that {RECORD} was made from")
    if read_json_model(RunIdentity, folder / SPEC, _REMEDY).run.id != run_id:
        raise refuse(SPEC, "is of another run")
    predicted = read_run_table(folder, PREDICTIONS, ("label", "prediction"))
    accuracy = float((predicted["label"] == predicted["prediction"]).mean())
    if not abs(accuracy - recorded_number(folder, record, "test_accuracy")) < _TOLERANCE:
        raise refuse(PREDICTIONS, f"give an accuracy of {accuracy:.6f}, {RECORD} says {record['test_accuracy']:.6f}")


def _refusal(checkout: Checkout, run_id: str, folder: Path) -> str:
    """Reason why a run is not wanted here; '' for none."""
    if run_id not in checkout.plan.runs:
        return "is not planned here; choose its suite in config.yaml"
    if checkout.status_of(run_id).state == "done" and run_id not in checkout.plan.imported:
        return "is finished here"
    changes = checkout.changes_of(run_id, folder)
    return f"was made from something else than is planned here: {', '.join(map(str, changes))}" if changes else ""


def _place(source: Path, target: Path, files: list[str], origin: str, digest: str) -> None:
    """Move the files of a run into its folder, ``run.json`` and then the mark last."""
    with run_lock(target):
        (target / IMPORTED).unlink(missing_ok=True)
        (target / RECORD).unlink(missing_ok=True)
        for file in sorted(files, key=lambda file: file == RECORD):
            write_bytes(target / file, (source / file).read_bytes())
        write_mark(target, origin, digest)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _TIME)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member
