"""Calls of SLURM's commands, and the partitions and limits of the cluster."""

import re
import subprocess
from dataclasses import dataclass

from snakemake_executor_plugin_submitit.job_parameters import JobParameters, ParameterError

_TIMEOUT_SECONDS = 60


class SlurmError(RuntimeError):
    """Failure of a SLURM command; the message is its last line."""


def call_slurm(*command: str) -> str:
    """Run one of SLURM's commands and return what it prints.

    Raises
    ------
    SlurmError
        It is missing, failed, or did not answer.
    """
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS)
    except FileNotFoundError as error:
        raise SlurmError(f"{command[0]}: not found; is this a login node of a SLURM cluster?") from error
    except subprocess.TimeoutExpired as error:
        raise SlurmError(f"{command[0]}: no answer within {_TIMEOUT_SECONDS} s") from error
    if result.returncode:
        lines = result.stderr.strip().splitlines() or [f"status {result.returncode}"]
        raise SlurmError(f"{command[0]}: {lines[-1].removeprefix(f'{command[0]}: error: ')}")
    return result.stdout


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

    Raises
    ------
    SlurmError
        The cluster does not answer.
    """

    def __init__(self) -> None:
        config = call_slurm("scontrol", "show", "config")
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", config, re.MULTILINE)
        # Arrays of size 0 mean that the cluster has them switched off.
        self.max_array_size = max(1, int(found.group(1))) if found else 1
        self.default_partition = ""
        self.kinds: list[NodeKind] = []
        for line in call_slurm("sinfo", "--noheader", "--all", "--exact", "--format=%P|%a|%l|%c|%m|%G").splitlines():
            name, available, limit, cpus, memory, gres = line.strip().split("|")
            if name.endswith("*"):
                self.default_partition = name = name.removesuffix("*")
            self.kinds.append(
                NodeKind(name, available == "up", _minutes(limit), _number(cpus), _number(memory), _gpus(gres))
            )

    def check(self, parameters: JobParameters) -> None:
        """Refuse what SLURM would refuse, or would leave waiting for ever.

        Raises
        ------
        ParameterError
            No node of the partition can run such a job; the message names rule and key.
        """
        name = parameters.slurm_partition or self.default_partition
        kinds = [kind for kind in self.kinds if kind.partition == name]
        everywhere = sorted({kind.partition for kind in self.kinds})
        per_node = -(-parameters.tasks // parameters.nodes) * parameters.threads
        gpus = parameters.gpu // parameters.nodes

        def refuse(key: str, problem: str) -> None:
            raise ParameterError(f"rule {parameters.name}: resources: {key}: {problem}")

        if not kinds:
            refuse("slurm_partition", f"the cluster has no partition {name!r}; it has: {', '.join(everywhere)}")
        if not any(kind.available for kind in kinds):
            refuse("slurm_partition", f"partition {name!r} is down")
        limits = [kind.limit_minutes for kind in kinds if kind.limit_minutes is not None]
        if limits and parameters.runtime > max(limits):
            refuse("runtime", f"{parameters.runtime} min is more than the {max(limits)} min of partition {name!r}")
        if per_node > max(kind.cpus for kind in kinds):
            refuse("threads", f"{per_node} cores a node; the nodes of {name!r} have {max(k.cpus for k in kinds)}")
        if (parameters.mem_mb or 0) > max(kind.mem_mb for kind in kinds):
            refuse("mem_mb", f"{parameters.mem_mb} MB; the nodes of {name!r} have {max(k.mem_mb for k in kinds)} MB")
        if gpus > max(sum(kind.gpus.values()) for kind in kinds):
            most = max(sum(kind.gpus.values()) for kind in kinds)
            refuse("gpu", f"{gpus} GPUs a node; the nodes of partition {name!r} have {most}")
        models = sorted({model for kind in kinds for model in kind.gpus if model})
        if parameters.gpu_model and parameters.gpu_model not in models:
            known = ", ".join(models) or "no models by name"
            refuse("gpu_model", f"partition {name!r} has no {parameters.gpu_model!r}; it has: {known}")


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
