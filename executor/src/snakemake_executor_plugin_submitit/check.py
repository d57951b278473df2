"""Check of a site, for the login node: ``snakemake-submitit check``, or this module with ``python -m``.

It says what a workflow will find: partitions, accounts, accounting, locks, arrays, GPUs; with ``--job PARTITION`` also
how long a file takes to be seen by a node, and what the node has.
"""

import argparse
import errno
import fcntl
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from snakemake_executor_plugin_submitit.cluster import Cluster
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError, call_slurm

_JOB_SECONDS = 600
_GOOD, _WORSE, _BAD = "ok", "note", "problem"

Finding = tuple[str, str, str]
"""Quality, subject, and a sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each finding; 1 if jobs cannot be run here."""
    parser = argparse.ArgumentParser(prog="snakemake-submitit", description="Check what this site offers to workflows.")
    parser.add_argument("command", choices=["check"])
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="folder of the workflow, on shared storage")
    parser.add_argument("--job", metavar="PARTITION", help="also run a job of a minute there")
    options = parser.parse_args(arguments)
    findings = [*check_site(), *check_folder(options.folder)]
    if options.job:
        findings += check_node(options.folder, options.job)
    for how, subject, sentence in findings:
        print(f"{how:8}{subject:12}{sentence}")
    return int(any(how == _BAD for how, _, _ in findings))


def check_site() -> Iterator[Finding]:
    """Look at SLURM: partitions, arrays, accounting, accounts."""
    try:
        version = call_slurm("sinfo", "--version").strip()
        cluster = Cluster()
    except SlurmError as error:
        yield _BAD, "slurm", f"{error}"
        return
    yield _GOOD, "slurm", version
    yield from ((_WORSE, "slurm", warning) for warning in cluster.warnings)
    names = list(dict.fromkeys(kind.partition for kind in cluster.kinds))
    for name in names:
        kinds = [kind for kind in cluster.kinds if kind.partition == name]
        limits = {kind.limit_minutes for kind in kinds}
        limit = "no time limit" if None in limits else f"at most {max(filter(None, limits), default=0)} min"
        gpus = max((sum(kind.gpus.values()) for kind in kinds), default=0)
        models = sorted({model for kind in kinds for model in kind.gpus if model})
        cores, memory = max(kind.cpus for kind in kinds), max(kind.mem_mb for kind in kinds)
        default = " (default)" if name == cluster.default_partition else ""
        cards = f", {gpus} GPUs a node {' '.join(models)}".rstrip() if gpus else ""
        down = "" if any(kind.available for kind in kinds) else ", down"
        yield _GOOD, "partition", f"{name}{default}: {limit}, {cores} cores, {memory} MB{cards}{down}"
    if names and not any(kind.gpus for kind in cluster.kinds):
        yield _WORSE, "gpu", "no partition has GPUs that SLURM knows of; leave slurm_gpu_partition out"
    if cluster.max_array_size == 1:
        yield _WORSE, "arrays", "job arrays are switched off: each job is one sbatch"
    yield _ask("accounting", _accounting, "sacct does not answer: jobs are looked up in squeue alone")
    yield _ask("account", _accounts, "accounts cannot be listed; give slurm_account where sbatch asks for one")


def check_folder(folder: Path) -> Iterator[Finding]:
    """Look at the file system of the workflow."""
    probe = folder / f".submitit-{uuid.uuid4().hex}"
    try:
        with probe.open("w") as handle:
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield _GOOD, "locks", f"{folder}: works"
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                    raise
                yield _WORSE, "locks", f"{folder}: no locks; start one Snakemake at a time"
    except OSError as error:
        yield _BAD, "folder", f"{folder}: {error.strerror}"
    finally:
        probe.unlink(missing_ok=True)


def check_node(folder: Path, partition: str) -> Iterator[Finding]:
    """Run a job in a partition: time until its file is seen here, Python, MPS."""
    probe = folder / f".submitit-{uuid.uuid4().hex}"
    script = f"{sys.executable} -c 'import submitit' && echo python; command -v nvidia-cuda-mps-control && echo mps"
    script += "; command -v nvidia-smi && nvidia-smi -L"
    command = f"({script}) > {probe}.part 2>&1; mv {probe}.part {probe}; date +%s.%N >> {probe}"
    try:
        number = call_slurm(
            "sbatch", "--parsable", f"--partition={partition}", "--time=2", "--output=/dev/null", f"--wrap={command}"
        )
        end = time.monotonic() + _JOB_SECONDS
        # A listing asks the server of a shared file system; a look at one name may be answered from memory.
        while probe not in folder.iterdir() and time.monotonic() < end:
            time.sleep(0.5)
        if not probe.exists():
            yield (
                _BAD,
                "node",
                f"job {number.strip()} in {partition} has left no file in {folder} within {_JOB_SECONDS} s",
            )
            return
        seen = time.time()
        time.sleep(1)
        said = probe.read_text().split()
        late = max(0.0, seen - float(said[-1]))
        yield (
            (_GOOD if late < 60 else _WORSE),
            "node",
            f"a file is seen after {late:.0f} s; latency-wait has to be more",
        )
        yield _GOOD if "python" in said else _BAD, "python", f"{sys.executable} and submitit are seen by the node"
        yield _GOOD, "mps", "installed" if "mps" in said else "not installed: jobs share a GPU by time"
    except (SlurmError, OSError, ValueError) as error:
        yield _BAD, "node", f"{error}"
    finally:
        for path in (probe, probe.with_name(f"{probe.name}.part")):
            path.unlink(missing_ok=True)


def _ask(subject: str, question: Callable[[], str], otherwise: str) -> Finding:
    try:
        return _GOOD, subject, question()
    except SlurmError as error:
        return _WORSE, subject, f"{otherwise} ({error})"


def _accounting() -> str:
    call_slurm("sacct", "--noheader", "--allocations", "--starttime=now")
    return "sacct answers"


def _accounts() -> str:
    text = call_slurm("sacctmgr", "--noheader", "--parsable2", "show", "assoc", "format=account", f"user={_user()}")
    return ", ".join(dict.fromkeys(text.split())) or "none is needed"


def _user() -> str:
    import getpass

    return getpass.getuser()


if __name__ == "__main__":
    sys.exit(main())
