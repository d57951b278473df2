"""Parameters of a SLURM job, read from the resources of a rule and checked."""

import re
import shlex
from dataclasses import dataclass
from typing import Any

from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

DEFAULT_RUNTIME_MINUTES = 60
# sbatch options that belong to this plugin, and those that have a resource of their own.
_OWN_OPTIONS = {
    "array", "chdir", "comment", "dependency", "error", "job-name", "no-requeue", "open-mode", "output", "parsable",
    "requeue", "signal", "test-only", "wait", "wrap",
}  # fmt: skip
_RESOURCE_OF_OPTION = {
    "account": "slurm_account",
    "constraint": "constraint",
    "cpus-per-task": "threads",
    "gpus": "gpu",
    "gpus-per-node": "gpu",
    "gres": "gres",
    "mem": "mem_mb",
    "nodes": "nodes",
    "ntasks": "tasks",
    "partition": "slurm_partition",
    "qos": "slurm_qos",
    "time": "runtime",
}
_TEXT = re.compile(r"[^\s'\"`$\\;]+")


class ParameterError(ValueError):
    """Value of a resource that cannot be submitted; the message names rule and key."""


@dataclass(frozen=True)
class JobParameters:
    """All that SLURM needs to know of a job. Jobs with equal parameters share an array."""

    name: str
    runtime: int = DEFAULT_RUNTIME_MINUTES
    """Time limit in minutes."""
    threads: int = 1
    """Processor cores of each task."""
    mem_mb: int | None = None
    """Memory of each node."""
    nodes: int = 1
    tasks: int = 1
    gpu: int = 0
    """GPUs of the whole job."""
    gpu_model: str | None = None
    gres: str | None = None
    slurm_partition: str | None = None
    slurm_account: str | None = None
    slurm_qos: str | None = None
    constraint: str | None = None
    slurm_extra: tuple[tuple[str, str | bool], ...] = ()

    @property
    def gpus_per_node(self) -> str | None:
        """GPUs as SLURM writes them, such as ``2`` or ``a100:2``; None without GPUs."""
        if not self.gpu:
            return None
        count = str(self.gpu // self.nodes)
        return f"{self.gpu_model}:{count}" if self.gpu_model else count

    def describe(self) -> str:
        """A few words for people: partition, GPUs, time limit."""
        parts = [f"partition {self.slurm_partition}"] if self.slurm_partition else []
        parts += [f"{self.gpu} GPU" + "s" * (self.gpu > 1)] if self.gpu else []
        return ", ".join([*parts, f"{self.runtime} min"])


def job_parameters(job: JobExecutorInterface) -> JobParameters:
    """Read a job's resources.

    Raises
    ------
    ParameterError
        A value that SLURM would refuse or misread.
    """
    resources = _Resources(job)
    parameters = JobParameters(
        name=job.name,
        runtime=resources.integer("runtime", DEFAULT_RUNTIME_MINUTES, least=1),
        threads=job.threads,
        mem_mb=resources.integer("mem_mb", None, least=1),
        nodes=resources.integer("nodes", 1, least=1),
        tasks=resources.integer("tasks", 1, least=1),
        gpu=resources.integer("gpu", 0, least=0),
        gpu_model=resources.text("gpu_model"),
        gres=resources.text("gres"),
        slurm_partition=resources.text("slurm_partition"),
        slurm_account=resources.text("slurm_account"),
        slurm_qos=resources.text("slurm_qos"),
        constraint=resources.text("constraint"),
        slurm_extra=resources.options("slurm_extra"),
    )
    if parameters.gpu % parameters.nodes:
        resources.refuse("gpu", f"{parameters.gpu} GPUs cannot be shared equally by {parameters.nodes} nodes")
    if parameters.gpu_model and not parameters.gpu:
        resources.refuse("gpu_model", "a GPU model is named, but `gpu` asks for none")
    if parameters.gres and parameters.gpu:
        resources.refuse("gres", "give either `gpu` or `gres`, not both")
    return parameters


class _Resources:
    """A job's resources, each read with its check."""

    def __init__(self, job: JobExecutorInterface) -> None:
        self._job = job

    def refuse(self, key: str, problem: str) -> None:
        raise ParameterError(f"rule {self._job.name}: resources: {key}: {problem}")

    def integer(self, key: str, default: Any, least: int) -> Any:
        value = self._job.resources.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(key, f"{value!r} is not a whole number")
        if value < least:
            self.refuse(key, f"{value} is too small; the least is {least}")
        return value

    def text(self, key: str) -> str | None:
        value = self._job.resources.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or not _TEXT.fullmatch(value):
            self.refuse(key, f"{value!r} is not a name that SLURM accepts")
        return str(value)

    def options(self, key: str) -> tuple[tuple[str, str | bool], ...]:
        """Long sbatch options, ``--flag`` or ``--option=value``."""
        value = self._job.resources.get(key) or ""
        try:
            words = shlex.split(str(value))
        except ValueError as error:
            raise ParameterError(f"rule {self._job.name}: resources: {key}: {value!r}: {error}") from error
        found: dict[str, str | bool] = {}
        for word in words:
            option, equals, setting = word.removeprefix("--").partition("=")
            if not word.startswith("--") or not option:
                self.refuse(key, f"{word!r} is not of the form --option or --option=value")
            if option in _RESOURCE_OF_OPTION:
                self.refuse(key, f"--{option} has a resource of its own: {_RESOURCE_OF_OPTION[option]}")
            if option in _OWN_OPTIONS:
                self.refuse(key, f"--{option} is set by the executor")
            found[option] = setting if equals else True
        return tuple(sorted(found.items()))
