"""Partitions and limits of the cluster, and what they say about a job."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from snakemake_executor_plugin_submitit.job_parameters import JobParameters, ParameterError
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError, call_slurm


@dataclass(frozen=True)
class NodeKind:
    """Nodes of one kind in one partition, as sinfo groups them."""

    partition: str
    available: bool
    limit_minutes: int | None
    """The partition's longest time limit; None is unlimited."""
    cpus: int
    mem_mb: int
    gpus: dict[str, int]
    """GPUs of each node by model; the model is an empty text where the cluster names none."""


class Cluster:
    """Partitions and limits of the cluster, asked for once.

    Attributes
    ----------
    max_array_size : int or None
        None where the cluster does not tell its users.
    warnings : list of str
        What could not be asked for, so that it is not checked.

    Raises
    ------
    SlurmError
        The cluster does not answer at all.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.max_array_size: int | None = None
        self.default_partition = ""
        self.kinds: list[NodeKind] = []
        refused = []
        try:
            config = call_slurm("scontrol", "show", "config")
            found = re.search(r"^MaxArraySize\s*=\s*(\d+)", config, re.MULTILINE)
            # Arrays of size 0 mean that the cluster has them switched off.
            self.max_array_size = max(1, int(found[1])) if found else 1
        except SlurmError as error:
            refused.append(error)
            self.warnings.append(f"{error}; the largest array that the cluster takes is found by trying.")
        try:
            listing = call_slurm("sinfo", "--noheader", "--all", "--exact", "--format=%P|%a|%l|%c|%m|%G")
            self.kinds = list(self._read(listing))
        except SlurmError as error:
            refused.append(error)
            self.warnings.append(f"{error}; resources are not checked before jobs are sent.")
        if len(refused) == 2:
            # One command may be forbidden; where neither answers, squeue says whether SLURM is there at all.
            try:
                call_slurm("squeue", "--noheader", "--format=%i", "--states=PENDING")
            except SlurmError as error:
                raise refused[0] from error

    def _read(self, listing: str) -> Iterator[NodeKind]:
        for line in listing.splitlines():
            fields = line.strip().split("|")
            if len(fields) != 6:
                continue
            name, available, limit, cpus, memory, gres = fields
            if name.endswith("*"):
                self.default_partition = name = name.removesuffix("*")
            yield NodeKind(name, available == "up", _minutes(limit), _number(cpus), _number(memory), _gpus(gres))

    def fit(self, parameters: JobParameters) -> JobParameters:
        """The parameters with a time limit that the partition allows: a job that reaches it is requeued and goes on."""
        kinds = [kind for kind in self.kinds if kind.partition in self._partitions(parameters)]
        limits = [kind.limit_minutes for kind in kinds]
        longest = max((limit for limit in limits if limit is not None), default=None)
        if longest is None or None in limits or parameters.runtime <= longest:
            return parameters
        return replace(parameters, runtime=max(1, longest))

    def check(self, parameters: JobParameters) -> None:
        """Refuse what SLURM would refuse, or would leave waiting for ever.

        Raises
        ------
        ParameterError
            No node of the partitions can run such a job; the message names rule and key.
        """
        if not self.kinds:
            return
        problems = [self._problem(parameters, name) for name in self._partitions(parameters)]
        unknown = [problem for problem in problems if problem is not None and problem[2]]
        # SLURM refuses a list with a partition that it does not have, and waits for the first of the others that fits.
        if unknown or (problems and None not in problems):
            key, problem, _ = unknown[0] if unknown else next(each for each in problems if each is not None)
            raise ParameterError(f"rule {parameters.name}: resources: {key}: {problem}")

    def _partitions(self, parameters: JobParameters) -> list[str]:
        names = (parameters.partition or self.default_partition).split(",")
        return [name for name in names if name]

    def _problem(self, parameters: JobParameters, name: str) -> tuple[str, str, bool] | None:
        """Key, what is wrong with it in one partition, and whether the partition is unknown; None if a job fits."""
        kinds = [kind for kind in self.kinds if kind.partition == name]
        if not kinds:
            known = ", ".join(sorted({kind.partition for kind in self.kinds}))
            return "slurm_partition", f"the cluster has no partition {name!r}; it has: {known}", True
        if not any(kind.available for kind in kinds):
            return "slurm_partition", f"partition {name!r} is down", False
        cpus, memory = max(kind.cpus for kind in kinds), max(kind.mem_mb for kind in kinds)
        most = max(sum(kind.gpus.values()) for kind in kinds)
        gpus = parameters.gpu // parameters.nodes
        if parameters.cpus_per_node > cpus:
            return "threads", f"{parameters.cpus_per_node} cores a node; the nodes of {name!r} have {cpus}", False
        if parameters.memory_per_node > memory:
            key = "mem_mb_per_cpu" if parameters.mem_mb_per_cpu else "mem_mb"
            return key, f"{parameters.memory_per_node} MB; the nodes of {name!r} have {memory} MB", False
        if gpus > most:
            return "gpu", f"{gpus} GPUs a node; the nodes of partition {name!r} have {most}", False
        models = sorted({model for kind in kinds for model in kind.gpus if model})
        if parameters.gpu_model and parameters.gpu_model not in models:
            known = ", ".join(models) or "no models by name"
            return "gpu_model", f"partition {name!r} has no {parameters.gpu_model!r}; it has: {known}", False
        return None


def _minutes(limit: str) -> int | None:
    """Minutes of ``[days-]hours:minutes:seconds``, ``minutes:seconds`` or ``infinite``."""
    if not limit[:1].isdecimal():
        return None
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    hours, minutes, _ = [0] * (3 - len(parts)) + parts
    return (int(days or 0) * 24 + hours) * 60 + minutes


def _number(text: str) -> int:
    return int(re.sub(r"\D", "", text) or 0)


def _gpus(gres: str) -> dict[str, int]:
    """Counts by model of a list such as ``gpu:a100:4(S:0-1),gpu:2``."""
    found: dict[str, int] = {}
    for item in re.sub(r"\([^)]*\)", "", gres).split(","):
        kind, *rest = item.split(":")
        if kind == "gpu" and rest:
            model, count = (rest[0], rest[1]) if len(rest) > 1 else ("", rest[0])
            found[model] = found.get(model, 0) + _number(count)
    return found
