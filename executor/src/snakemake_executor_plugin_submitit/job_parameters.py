"""Parameters of a SLURM job, read from the resources of a rule and checked."""

import re
import shlex
from dataclasses import dataclass
from typing import Any

from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

DEFAULT_RUNTIME_MINUTES = 60
# sbatch options that belong to this plugin, and those that have a resource of their own.
_OWN_OPTIONS = {
    "array", "chdir", "clusters", "comment", "dependency", "error", "export", "job-name", "no-requeue", "open-mode",
    "output", "parsable", "requeue", "signal", "test-only", "wait", "wrap",
}  # fmt: skip
_RESOURCE_OF_OPTION = {
    "account": "slurm_account",
    "constraint": "constraint",
    "cpus-per-task": "threads",
    "gpus": "gpu",
    "gpus-per-node": "gpu",
    "gres": "gres",
    "mem": "mem_mb",
    "mem-per-cpu": "mem_mb_per_cpu",
    "nodes": "nodes",
    "ntasks": "tasks",
    "ntasks-per-node": "tasks_per_node",
    "partition": "slurm_partition",
    "qos": "slurm_qos",
    "time": "runtime",
}
# Names that other executors and SLURM itself use, each with the reason why it does nothing here.
_OTHER_NAMES = {
    "account": "use slurm_account",
    "cluster": "jobs go to the cluster of this login node; start Snakemake on one of the other cluster",
    "clusters": "jobs go to the cluster of this login node; start Snakemake on one of the other cluster",
    "slurm_cluster": "jobs go to the cluster of this login node; start Snakemake on one of the other cluster",
    "cpus_per_gpu": "use threads, the cores of the whole job",
    "gpus": "use gpu",
    "gpus_per_task": "use gpu, the GPUs of the whole job",
    "mem_mb_per_gpu": "use mem_mb",
    "ntasks": "use tasks",
    "ntasks_per_node": "use tasks_per_node",
    "partition": "use slurm_partition",
    "slurm_requeue": "jobs are always requeued, as --requeue says",
    "tasks_per_gpu": "use tasks",
    "time": "use runtime, in minutes",
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
    mem_mb_per_cpu: int | None = None
    """Memory of each core, in place of ``mem_mb``."""
    tasks_per_node: int | None = None
    slurm_gpu_partition: str | None = None
    """Partition of jobs that ask for a GPU."""
    gpu_share: int = 1
    """Number of jobs of this kind that may share their GPU, or their job's cores."""

    @property
    def partition(self) -> str | None:
        """Partition by need: that for GPUs only if the job asks for one."""
        wants_gpu = self.gpu > 0 or bool(self.gres and re.match(r"(gres[:/])?gpu\b", self.gres))
        return (self.slurm_gpu_partition if wants_gpu else None) or self.slurm_partition

    @property
    def gpus_per_node(self) -> str | None:
        """GPUs as SLURM writes them, such as ``2`` or ``a100:2``; None without GPUs."""
        if not self.gpu:
            return None
        count = str(self.gpu // self.nodes)
        return f"{self.gpu_model}:{count}" if self.gpu_model else count

    @property
    def cpus_per_node(self) -> int:
        """Processor cores on each node."""
        return (self.tasks_per_node or -(-self.tasks // self.nodes)) * self.threads

    @property
    def memory_per_node(self) -> int:
        """Memory of each node in MB; 0 where that is left to SLURM."""
        return self.mem_mb_per_cpu * self.cpus_per_node if self.mem_mb_per_cpu else self.mem_mb or 0

    def describe(self) -> str:
        """A few words for people: partition, GPUs, time limit."""
        parts = [f"partition {self.partition}"] if self.partition else []
        parts += [f"{self.gpu} GPU" + "s" * (self.gpu > 1)] if self.gpu else []
        return ", ".join([*parts, f"{self.runtime} min"])


def job_parameters(job: JobExecutorInterface) -> JobParameters:
    """Read a job's resources.

    Raises
    ------
    ParameterError
        A value that SLURM would refuse or misread, or a name that would do nothing.
    """
    resources = _Resources(job)
    resources.refuse_others()
    mem_mb = resources.integer("mem_mb", None, least=0)
    mem_mb_per_cpu = resources.integer("mem_mb_per_cpu", None, least=1)
    parameters = JobParameters(
        name=job.name,
        runtime=resources.integer("runtime", DEFAULT_RUNTIME_MINUTES, least=1),
        threads=resources.integer("cpus_per_task", None, least=1) or job.threads,
        # Sites without memory scheduling refuse the option: 0 leaves it out.
        mem_mb=None if mem_mb_per_cpu else mem_mb or None,
        nodes=resources.integer("nodes", 1, least=1),
        tasks=resources.integer("tasks", 1, least=1),
        gpu=resources.integer("gpu", 0, least=0),
        gpu_model=resources.text("gpu_model"),
        gres=resources.text("gres"),
        slurm_partition=resources.text("slurm_partition"),
        slurm_account=resources.text("slurm_account"),
        slurm_qos=resources.text("slurm_qos") or resources.text("qos"),
        constraint=resources.text("constraint"),
        slurm_extra=resources.options("slurm_extra"),
        mem_mb_per_cpu=mem_mb_per_cpu,
        tasks_per_node=resources.integer("tasks_per_node", None, least=1),
        slurm_gpu_partition=resources.text("slurm_gpu_partition"),
        gpu_share=resources.integer("gpu_share", 1, least=1),
    )
    _check_together(parameters, resources)
    return parameters


def _check_together(parameters: JobParameters, resources: "_Resources") -> None:
    if parameters.gpu % parameters.nodes:
        resources.refuse("gpu", f"{parameters.gpu} GPUs cannot be shared equally by {parameters.nodes} nodes")
    if parameters.gpu_model and not parameters.gpu:
        resources.refuse("gpu_model", "a GPU model is named, but `gpu` asks for none")
    if parameters.gres and parameters.gpu:
        resources.refuse("gres", "give either `gpu` or `gres`, not both")
    alone = parameters.gpu > 1 or parameters.nodes > 1 or parameters.tasks > 1
    if parameters.gpu_share > 1 and alone:
        resources.refuse("gpu_share", "jobs with several GPUs, nodes or tasks cannot share them")


class _Resources:
    """A job's resources, each read with its check."""

    def __init__(self, job: JobExecutorInterface) -> None:
        self._job = job

    def refuse(self, key: str, problem: str) -> None:
        raise ParameterError(f"rule {self._job.name}: resources: {key}: {problem}")

    def refuse_others(self) -> None:
        """Refuse names that are known elsewhere and would be ignored here."""
        for name in sorted(set(self._job.resources.keys()) & set(_OTHER_NAMES)):
            self.refuse(name, f"not used by this executor; {_OTHER_NAMES[name]}")

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
        # Snakemake reads an account such as 12345 as a number.
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return str(value)
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
            option = option.replace("_", "-")
            self._refuse_ours(key, option)
            found[option] = setting if equals else True
        return tuple(sorted(found.items()))

    def _refuse_ours(self, key: str, option: str) -> None:
        if option in _RESOURCE_OF_OPTION:
            self.refuse(key, f"--{option} has a resource of its own: {_RESOURCE_OF_OPTION[option]}")
        if option in _OWN_OPTIONS:
            self.refuse(key, f"--{option} is set by the executor")
        # sbatch takes any beginning that only one option has.
        meant = sorted(name for name in _OWN_OPTIONS | set(_RESOURCE_OF_OPTION) if name.startswith(option))
        if meant:
            self.refuse(key, f"--{option} may be short for --{meant[0]}; write options in full")
