"""Targets of a group job, by which a requeue can leave out the members that are finished."""

from typing import Any

from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.utils import (
    encode_target_jobs_cli_args,
    format_cli_arg,
    format_cli_pos_arg,
)

from snakemake_executor_plugin_submitit.job_identity import parts_of
from snakemake_executor_plugin_submitit.job_runner import Target


def group_targets(job: JobExecutorInterface, workflow: Any) -> tuple[list[Target], str]:
    """The members of a group as targets, and the part of the command that names them all.

    Empty for a job that is no group, and where Snakemake does not keep its marks of unfinished outputs as files.
    """
    persistence = workflow.persistence
    if not job.is_group() or not hasattr(persistence, "_incomplete_path"):
        return [], ""
    targets = []
    for part in parts_of(job):
        argument = format_cli_pos_arg(encode_target_jobs_cli_args(part.get_target_spec()))
        marks = [persistence._record_path(persistence._incomplete_path, persistence._get_key(f)) for f in part.output]
        targets.append(Target(argument, tuple(map(str, part.output)), tuple(map(str, marks))))
    return targets, format_cli_arg("--target-jobs", encode_target_jobs_cli_args(job.get_target_spec()))
