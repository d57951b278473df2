"""The processes of a private cluster's jobs, found by what they carry rather than by whose children they are."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

STEP_NAMES = {"4294967290": "interactive", "4294967291": "batch", "4294967292": "extern"}


class StepDaemon(NamedTuple):
    """A slurmstepd: the parent of one step's processes."""

    node: str
    job_id: str
    step: str
    pid: int


def step_daemons(folder: Path) -> Iterator[StepDaemon]:
    """The step daemons of the cluster in that folder."""
    # Their titles lack the node, and another cluster of this machine may have jobs of the same ids: but the socket of
    # each is in the folder of its node.
    socket = re.compile(re.escape(f"{folder}/spool/") + r"(\w+)/\w+_(\d+)\.(\d+)")
    for process in psutil.process_iter():
        try:
            if process.name() != "slurmstepd":
                continue
            paths = [str(connection.laddr) for connection in process.net_connections("unix")]
        except psutil.Error:
            continue
        for match in filter(None, map(socket.fullmatch, paths)):
            node, job_id, step = match.groups()
            yield StepDaemon(node, job_id, STEP_NAMES.get(step, step), process.pid)


def job_processes(conf: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The processes, with their environments, that belong to jobs of the cluster with that slurm.conf; orphans too."""
    for process in psutil.process_iter():
        try:
            variables = process.environ()
        except (psutil.Error, OSError):
            continue
        if variables.get("SLURM_CONF") == str(conf) and "SLURM_JOB_ID" in variables:
            yield process.pid, variables


def names_of_job(variables: dict[str, str]) -> set[str]:
    """What a job may be called: an array task goes by its own id, by A_3, and as a part of array A."""
    names = {variables["SLURM_JOB_ID"]}
    if array := variables.get("SLURM_ARRAY_JOB_ID"):
        names |= {array, f"{array}_{variables['SLURM_ARRAY_TASK_ID']}"}
    return names


def name_of(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.NoSuchProcess:
        return ""


def lives(pid: int) -> bool:
    """Whether there is such a process; a zombie is gone, whoever has yet to reap it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(pids: list[int]) -> None:
    """Kill the processes, and wait until they are gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while any(map(lives, pids)) and time.monotonic() < end:
        time.sleep(0.01)
