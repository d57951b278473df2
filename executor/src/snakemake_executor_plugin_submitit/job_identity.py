"""Identity of a Snakemake job: a key of its outputs and a fingerprint of its inputs, for re-attaching to jobs."""

import hashlib
import json
from pathlib import Path
from typing import Any

from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

# Snakemake itself compares checksums up to this size, and time stamps beyond.
_LARGEST_CHECKSUMMED_BYTES = 1_000_000


def describe_job(job: JobExecutorInterface) -> str:
    """Rule and wildcards, in one line."""
    targets = [
        " ".join([target.rulename, *(f"{name}={value}" for name, value in sorted(target.wildcards_dict.items()))])
        for target in job.get_target_spec()
    ]
    return " + ".join(targets)


def job_key(job: JobExecutorInterface) -> str:
    """Key of a job: a hash of its rules, wildcards and output files."""
    return _digest([describe_job(job), sorted(map(str, job.output))])


def job_fingerprint(job: JobExecutorInterface) -> str:
    """Fingerprint of a job: a hash of its commands and of the content of its input files.

    A running job whose fingerprint differs computes something out of date. Files marked ``ancient`` count by name.
    """
    parts = getattr(job, "jobs", None) or [job]
    commands = sorted(str(getattr(part, "shellcmd", None)) for part in parts)
    inputs = {str(path): _content(path) for part in parts for path in part.input}
    return _digest([commands, sorted(inputs.items())])


def _content(path: Any) -> str:
    if getattr(path, "is_ancient", False):
        return "ancient"
    try:
        status = Path(path).stat()
        if Path(path).is_file() and status.st_size <= _LARGEST_CHECKSUMMED_BYTES:
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        # Made by another job of the same group, or kept in remote storage.
        return "absent"
    return f"{status.st_size} bytes of {status.st_mtime_ns}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
