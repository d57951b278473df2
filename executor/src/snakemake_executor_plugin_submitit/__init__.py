"""Snakemake executor that runs jobs on SLURM, or as processes of this machine, through submitit.

``snakemake --executor submitit --submitit-cluster slurm`` sends ready jobs as job arrays, asks for the state of all of
them with one query a poll, lets submitit requeue what a time limit or a preemption interrupts, and takes jobs up again
that still run after Snakemake itself was killed. The distribution's README.md is the manual.

Snakemake imports every executor plugin whenever it starts; therefore submitit is imported where it is used.
"""

from snakemake_interface_executor_plugins.settings import CommonSettings

from snakemake_executor_plugin_submitit.executor import Executor
from snakemake_executor_plugin_submitit.settings import ExecutorSettings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    # sbatch hands the whole environment on.
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
)


def _check_in_dry_runs(settings: ExecutorSettings) -> None:
    from snakemake_executor_plugin_submitit.dag_check import check_in_dry_runs

    check_in_dry_runs(settings)


ExecutorSettings.when_made = staticmethod(_check_in_dry_runs)
