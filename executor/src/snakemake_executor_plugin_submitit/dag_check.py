"""Check of all jobs of a workflow before any is sent, in a dry run too."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import snakemake.executors.dryrun
from snakemake.common.tbdstring import TBDString
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.logging import LoggerExecutorInterface
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry
from snakemake_interface_executor_plugins.workflow import WorkflowExecutorInterface

from snakemake_executor_plugin_submitit.backends import Backend, make_backend
from snakemake_executor_plugin_submitit.job_parameters import ParameterError, job_parameters
from snakemake_executor_plugin_submitit.settings import ExecutorSettings
from snakemake_executor_plugin_submitit.slurm_commands import SlurmError

common_settings = snakemake.executors.dryrun.common_settings


def find_problems(dag: Any, backend: Backend | None) -> list[str]:
    """Refusals of the jobs that are to run, each once; without a backend, of what needs no cluster to be seen."""
    problems: dict[str, None] = {}
    for job in _remote_jobs(dag):
        try:
            parameters = job_parameters(_known(job))
            if backend is not None:
                backend.check(backend.fit(parameters))
        except ParameterError as error:
            problems[str(error)] = None
        except Exception:  # a function of the user's that needs files that are still to be made
            continue
    return list(problems)


def _known(job: JobExecutorInterface) -> Any:
    """The job without resources that depend on files that are still to be made."""
    resources = {name: value for name, value in job.resources.items() if not isinstance(value, TBDString)}
    return SimpleNamespace(name=job.name, threads=job.threads, resources=resources)


def refusal(problems: list[str]) -> str:
    """The message on jobs that cannot be submitted."""
    return "\n".join(f"Not submitted: {problem}" for problem in problems)


def _remote_jobs(dag: Any) -> Iterator[JobExecutorInterface]:
    """Jobs and groups of jobs that would be sent."""
    groups = set()
    for job in dag.needrun_jobs():
        group = dag.get_job_group(job)
        if group is None and not job.is_local:
            yield job
        elif group is not None and group not in groups:
            groups.add(group)
            # A group remembers its resources, and those of the workflow's may still change.
            copy = type(group)(group.groupid, group.jobs, group.global_resources)
            copy.finalize()
            yield copy


class Executor(snakemake.executors.dryrun.Executor):
    """Snakemake's dry run, which also names the jobs that could not be submitted."""

    settings: ExecutorSettings

    def __init__(self, workflow: WorkflowExecutorInterface, logger: LoggerExecutorInterface) -> None:
        super().__init__(workflow, logger)
        self.settings.check()
        self._problems = self._find_problems(workflow, logger)
        if self._problems and workflow.output_settings.quiet:
            raise WorkflowError(refusal(self._problems))
        if self._problems:
            logger.error(refusal(self._problems))

    def _find_problems(self, workflow: WorkflowExecutorInterface, logger: LoggerExecutorInterface) -> list[str]:
        backend: Backend | None = None
        try:
            backend = make_backend(self.settings, Path(self.settings.folder).absolute(), 0)
        except SlurmError as error:
            logger.info(f"SLURM cannot be asked ({error}); whether jobs fit its partitions is not checked.")
        with _as_submitted(workflow):
            return find_problems(workflow.dag, backend)

    def shutdown(self) -> None:
        """End the dry run, as a failure where a job could not be submitted."""
        if self._problems:
            raise WorkflowError(refusal(self._problems))


@contextmanager
def _as_submitted(workflow: Any) -> Iterator[None]:
    """Let jobs have the resources of a real run: in a dry run all are local ones, without groups, of one core."""
    plugin, cores = workflow._executor_plugin, workflow.global_resources["_cores"]
    workflow._executor_plugin = ExecutorPluginRegistry().get_plugin("submitit")
    if cores.value == 1:
        workflow.global_resources["_cores"] = None
    _forget_resources(workflow.dag)
    try:
        yield
    finally:
        workflow._executor_plugin, workflow.global_resources["_cores"] = plugin, cores.value
        _forget_resources(workflow.dag)


def _forget_resources(dag: Any) -> None:
    for job in dag.needrun_jobs():
        # Set anew, it has the resources evaluated anew.
        job.attempt = job.attempt


def check_in_dry_runs(settings: ExecutorSettings) -> None:
    """Let Snakemake's dry runs check jobs against the settings."""
    registry = ExecutorPluginRegistry()
    if "dryrun" in registry.plugins:
        Executor.settings = settings
        registry.plugins["dryrun"] = registry.load_plugin("dryrun", sys.modules[__name__])
