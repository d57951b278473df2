"""Efficiency of jobs by rule: time, memory and processor use beside what was asked for, as accounting knows them."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from snakemake_executor_plugin_submitit.atomic_write import write_atomically
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError, call_slurm

COLUMNS = (
    "rule",
    "jobs",
    "hours",
    "longest_minutes",
    "limit_minutes",
    "largest_memory_mb",
    "memory_mb",
    "cpu_use",
    "gpu_use",
)
_FIELDS = "JobID,ElapsedRaw,TimelimitRaw,TotalCPU,AllocCPUS,MaxRSS,AllocTRES,TRESUsageInAve"
_UNITS = {"": 1 / 1024**2, "K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2}
_JOBS_A_QUERY = 500


@dataclass
class _Use:
    """Use and request of one job; 0 where accounting does not say."""

    seconds: float = 0.0
    limit_minutes: float = 0.0
    cpu_seconds: float = 0.0
    cpus: float = 0.0
    memory_mb: float = 0.0
    asked_mb: float = 0.0
    gpu_use: float | None = None


def write_efficiency(path: Path, rules: Mapping[str, str]) -> bool:
    """Write a line for each rule as CSV; False where accounting does not answer.

    Parameters
    ----------
    path : Path
        The file.
    rules : mapping
        Names of rules by the ids of SLURM's jobs.
    """
    try:
        uses = _ask(rules)
    except SlurmError:
        return False
    if not uses:
        return False
    by_rule: dict[str, list[_Use]] = defaultdict(list)
    for job_id, use in uses.items():
        by_rule[rules[job_id]].append(use)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_line(rule, found) for rule, found in sorted(by_rule.items()))
    write_atomically(path, table.getvalue())
    return True


def _line(rule: str, uses: list[_Use]) -> list[str]:
    held = sum(use.seconds * use.cpus for use in uses)
    gpu = [(use.gpu_use, use.seconds) for use in uses if use.gpu_use is not None]
    gpu_seconds = sum(seconds for _, seconds in gpu)
    return [
        rule,
        str(len(uses)),
        f"{sum(use.seconds for use in uses) / 3600:.2f}",
        f"{max(use.seconds for use in uses) / 60:.1f}",
        f"{max(use.limit_minutes for use in uses):.0f}",
        f"{max(use.memory_mb for use in uses):.0f}",
        f"{max(use.asked_mb for use in uses):.0f}",
        f"{sum(use.cpu_seconds for use in uses) / held:.2f}" if held else "",
        f"{sum(use * seconds for use, seconds in gpu) / gpu_seconds / 100:.2f}" if gpu_seconds else "",
    ]


def _ask(job_ids: Iterable[str]) -> dict[str, _Use]:
    wanted = set(job_ids)
    parents = sorted({job_id.split("_")[0] for job_id in wanted})
    uses: dict[str, _Use] = {}
    for start in range(0, len(parents), _JOBS_A_QUERY):
        listed = ",".join(parents[start : start + _JOBS_A_QUERY])
        text = call_slurm("sacct", "--noheader", "--parsable2", "--duplicates", f"--format={_FIELDS}", "-j", listed)
        for line in text.splitlines():
            fields = line.split("|")
            job_id, _, step = fields[0].partition(".")
            if job_id in wanted and len(fields) == len(_FIELDS.split(",")):
                _add(uses.setdefault(job_id, _Use()), step, fields)
    return uses


def _add(use: _Use, step: str, fields: list[str]) -> None:
    """Add a line of sacct's: of the job as a whole, once for each requeue, or of one of its steps."""
    _, elapsed, limit, cpu, cpus, memory, asked, usage = fields
    if not step:
        use.seconds += float(elapsed or 0)
        use.limit_minutes = max(use.limit_minutes, float(limit) if limit.isdecimal() else 0.0)
        use.cpu_seconds += _seconds(cpu)
        use.cpus = max(use.cpus, float(cpus or 0))
        use.asked_mb = max(use.asked_mb, _listed(asked, "mem"))
        return
    use.memory_mb = max(use.memory_mb, _megabytes(memory))
    if "gres/gpuutil=" in usage:
        use.gpu_use = max(use.gpu_use or 0.0, float(re.findall(r"gres/gpuutil=(\d+)", usage)[0]))


def _seconds(clock: str) -> float:
    """Seconds of ``[days-][hours:]minutes:seconds[.fraction]``."""
    days, _, rest = clock.rpartition("-")
    seconds = 0.0
    for part in rest.split(":"):
        seconds = 60 * seconds + float(part or 0)
    return seconds + 86_400 * float(days or 0)


def _megabytes(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)([KMGT]?)", text)
    return float(match[1]) * _UNITS[match[2]] if match else 0.0


def _listed(text: str, name: str) -> float:
    match = re.search(rf"(?:^|,){name}=([\d.]+[KMGT]?)", text)
    return _megabytes(match[1]) if match else 0.0
