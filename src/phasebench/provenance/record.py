"""Provenance of a result: spec, data, commit, installed packages, interpreter. Nothing that names the machine."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import read_json, sha256_of_file, sha256_of_text
from phasebench.common.scheduler import gpu_share, scheduler_job, scheduler_restarts

UNKNOWN = "unknown"
ORIGIN = "origin"
"""Attribute of a table of results under which its :func:`origin` is kept."""
# Distributions whose versions can show in a result.
PACKAGES = (
    "h5py",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "safetensors",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "torch",
    "torchvision",
)


def collect_provenance() -> dict[str, Any]:
    """``git_commit`` of this code, ``packages`` with their versions, and the version of ``python``.

    In a SLURM job also ``slurm_job_id`` and ``slurm_restarts``; ``shared_gpu``, the number of jobs on the card where
    there were several.
    """
    provenance: dict[str, Any] = {
        "git_commit": git_commit(Path(__file__).parent),
        "packages": package_versions(PACKAGES),
        "python": platform.python_version(),
    }
    if job := scheduler_job():
        provenance |= {"slurm_job_id": job, "slurm_restarts": scheduler_restarts()}
    if (share := gpu_share()) > 1:
        provenance["shared_gpu"] = share
    return provenance


def describe_data(manifest: Path | None) -> dict[str, Any]:
    """Data that a run was trained on: ``data_manifest``, the manifest's checksum, and its single values as ``data``.

    Raises
    ------
    PhasebenchError
        The manifest is missing or cut.
    """
    if manifest is None:
        return {"data_manifest": None}
    facts = manifest_facts(manifest)
    return {"data_manifest": sha256_of_file(manifest), "data": facts}


def manifest_facts(manifest: Path) -> dict[str, Any]:
    """Single values of a manifest: counts and checksums.

    Raises
    ------
    PhasebenchError
        It is missing or cut.
    """
    return {
        key: value
        for key, value in read_json(manifest, "prepare the data set again").items()
        if not isinstance(value, dict | list)
    }


def origin(spec: Path, records: Iterable[Path]) -> dict[str, str]:
    """Provenance of a table of results, by content: its spec file and the ``run.json`` of its runs.

    Raises
    ------
    PhasebenchError
        A file is missing.
    """
    try:
        return origin_of(sha256_of_file(spec), records)
    except OSError as error:
        raise PhasebenchError(f"{error.filename}: cannot be read: {error.strerror}") from error


def origin_of(digest: str, records: Iterable[Path]) -> dict[str, str]:
    """:func:`origin` from the SHA-256 of a spec file, which need not lie on disk; a missing record is an OSError."""
    return {"spec": digest, "records": sha256_of_text(" ".join(sha256_of_file(record) for record in records))}


def git_commit(folder: Path) -> str:
    """The commit checked out in a folder, with ``-dirty`` if tracked files differ from it.

    Returns
    -------
    str
        40 hexadecimal digits, or ``unknown`` where there is no git, no repository or no commit.
    """
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return commit + ("-dirty" if changes else "")


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of these distributions; those that are not installed are left out."""
    found = {}
    for name in sorted(set(names)):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *arguments: str) -> str:
    # Without the optional lock, `status` can run beside a git command of the user's.
    command = ["git", "--no-optional-locks", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
