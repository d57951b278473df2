"""Identity of a Snakemake job: keys of its outputs and fingerprints of its inputs and code, for re-attaching to jobs.

A group is known by its members, each with a key and a fingerprint of its own: the next Snakemake may ask for fewer of
them, or for others together.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

# Snakemake itself compares checksums up to this size, and time stamps beyond.
_LARGEST_CHECKSUMMED_BYTES = 1_000_000
# Values whose text says all that they are; that of an object has its address.
_PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, range)


@dataclass(frozen=True)
class Member:
    """A job by itself, or as part of a group."""

    key: str
    """Hash of rule, wildcards and output files."""
    fingerprint: str
    """Hash of command, code, parameters and the content of the input files."""
    internal: tuple[str, ...] = ()
    """Input files that other members of the group make, and that the fingerprint leaves out."""


def describe_job(job: JobExecutorInterface) -> str:
    """Rule and wildcards, in one line."""
    targets = [
        " ".join([target.rulename, *(f"{name}={value}" for name, value in sorted(target.wildcards_dict.items()))])
        for target in job.get_target_spec()
    ]
    return " + ".join(targets)


def parts_of(job: JobExecutorInterface) -> list[JobExecutorInterface]:
    """The members of a group, or the job itself."""
    return list(getattr(job, "jobs", None) or [job])


def job_members(job: JobExecutorInterface) -> tuple[Member, ...]:
    """Keys and fingerprints of a job, or of all members of a group."""
    parts = parts_of(job)
    made = {str(path) for part in parts for path in part.output}
    found = []
    for part in parts:
        internal = tuple(sorted({str(path) for path in part.input} & made))
        found.append(Member(job_key(part), job_fingerprint(part, internal), internal))
    return tuple(found)


def job_key(job: JobExecutorInterface) -> str:
    """Key of a job: a hash of its rules, wildcards and output files."""
    return _digest([describe_job(job), sorted(map(str, job.output))])


def job_fingerprint(job: JobExecutorInterface, left_out: Collection[str] = ()) -> str:
    """Fingerprint of a job: a hash of its commands, code and parameters, and of the content of its input files.

    A running job whose fingerprint differs computes something out of date. Files marked ``ancient`` count by name.

    Parameters
    ----------
    job : JobExecutorInterface
        A job, not a group.
    left_out : collection of str
        Input files that count by name alone.
    """
    inputs = {str(path): "internal" if str(path) in left_out else _content(path) for path in job.input}
    return _digest([str(getattr(job, "shellcmd", None)), _code(job), _params(job), sorted(inputs.items())])


def covers(members: Iterable[Member], wanted: Mapping[str, JobExecutorInterface]) -> bool:
    """True if jobs with such members make all that is wanted (jobs by their keys), from what is there now."""
    known = {member.key: member for member in members}
    return all(
        key in known and job_fingerprint(part, known[key].internal) == known[key].fingerprint
        for key, part in wanted.items()
    )


def _code(job: JobExecutorInterface) -> list[str]:
    """Code of a rule without a shell command: text of ``run``, content of a script or notebook, name of a wrapper."""
    rule = getattr(job, "rule", None)
    found = [str(getattr(rule, "run_func_src", None)), str(getattr(rule, "wrapper", None))]
    for kind in ("script", "notebook"):
        path = getattr(rule, kind, None)
        if path is not None:
            found += [kind, str(path), _content(_source(job, path))]
    return found


def _source(job: Any, path: Any) -> str:
    """Place of a script, whose name may hold wildcards and is relative to the file that has the rule."""
    try:
        return str(job._path_to_source_file(path).get_path_or_uri(secret_free=True))
    except Exception:  # no public interface; the name counts then
        return str(path)


def _params(job: JobExecutorInterface) -> list[str]:
    """The parameters that do not follow from files or resources, which the fingerprint has already."""
    try:
        values = list(job.non_derived_params)
    except Exception:  # not every kind of job has them
        return []
    return sorted(text for value in values if (text := _text(value)) is not None)


def _text(value: Any) -> str | None:
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, dict):
        items = [(_text(key), _text(content)) for key, content in value.items()]
        return repr(sorted(items, key=repr))
    if isinstance(value, set | frozenset):
        return repr(sorted((_text(item) for item in value), key=repr))
    if isinstance(value, list | tuple):
        return repr([_text(item) for item in value])
    return None


def _content(path: Any) -> str:
    if getattr(path, "is_ancient", False):
        return "ancient"
    try:
        status = Path(path).stat()
        if Path(path).is_file() and status.st_size <= _LARGEST_CHECKSUMMED_BYTES:
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        # Kept in remote storage, or gone.
        return "absent"
    return f"{status.st_size} bytes of {status.st_mtime_ns}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
