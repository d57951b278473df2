"""Settings of the executor: ``--submitit-...`` on the command line, ``submitit-...:`` in a profile."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Optional

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase


# Snakemake builds the command line from these annotations and knows Optional, but not `str | None`.
@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Settings of the executor; the ``help`` of each field is its documentation."""

    cluster: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "Where jobs run: 'slurm', or 'local' for processes of this machine. It is never guessed: a machine "
            "may have SLURM's commands and no cluster.",
            "choices": ["slurm", "local"],
            "required": True,
        },
    )
    folder: Path = field(
        default=Path(".snakemake/submitit"),
        metadata={
            "help": "Folder of job scripts, logs and the ledger of submitted jobs, on a file system that all nodes "
            "share. The files of a job that succeeded are removed."
        },
    )
    array_size: int = field(
        default=1000,
        metadata={
            "help": "Largest number of jobs in one array. The cluster's own MaxArraySize is respected in any case."
        },
    )
    max_timeouts: int = field(
        default=10,
        metadata={
            "help": "Number of times in a row that one job may reach its time limit without writing down any "
            "progress, and be requeued. After that it has failed."
        },
    )
    max_requeues: int = field(
        default=50,
        metadata={
            "help": "Number of times that one job may be requeued in all: time limits, preemptions and failed nodes "
            "together."
        },
    )
    signal_delay: int = field(
        default=120,
        metadata={
            "help": "Seconds before the time limit at which a job is told to write its checkpoint (SIGTERM to its "
            "processes). Never more than a third of the job's time limit."
        },
    )
    on_exit: str = field(
        default="cancel",
        metadata={
            "help": "What happens to jobs in the queue when Snakemake is interrupted (Ctrl-C): 'cancel' them, or "
            "'keep' them, to be taken up again by the next start.",
            "choices": ["cancel", "keep"],
        },
    )
    visible_gpus: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "With cluster 'local': the GPUs that jobs may use, as numbers with commas ('0,1'). Each job gets "
            "the least used ones. Use --resources gpu=N to limit how many are used at a time."
        },
    )

    setup: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "Shell lines that run in each SLURM job before its command, such as 'module load cuda'. A failure "
            "of theirs is the job's failure only with 'set -e'."
        },
    )
    keep_logs: int = field(
        default=10,
        metadata={"help": "Days for which the logs of failed jobs are kept in the folder."},
    )

    when_made: ClassVar[Callable[["ExecutorSettings"], None] | None] = None
    """Called with each instance: Snakemake makes the settings of a dry run too, and hands them to nobody."""

    def __post_init__(self) -> None:
        """Tell who waits for these settings."""
        when_made = type(self).when_made
        if when_made is not None:
            when_made(self)

    def check(self) -> None:
        """Refuse what cannot work.

        Raises
        ------
        WorkflowError
            A value is out of range.
        """
        _require(self.cluster in ("slurm", "local"), "cluster", f"is {self.cluster!r}; use slurm or local")
        _require(self.on_exit in ("cancel", "keep"), "on-exit", f"is {self.on_exit!r}; use cancel or keep")
        _require(self.array_size >= 1, "array-size", f"is {self.array_size}; it has to be at least 1")
        _require(self.max_timeouts >= 0, "max-timeouts", f"is {self.max_timeouts}; it cannot be negative")
        _require(self.max_requeues >= 0, "max-requeues", f"is {self.max_requeues}; it cannot be negative")
        _require(self.signal_delay >= 1, "signal-delay", f"is {self.signal_delay}; it has to be at least 1 second")
        _require(self.keep_logs >= 0, "keep-logs", f"is {self.keep_logs}; it cannot be negative")
        self.gpus()

    def gpus(self) -> tuple[int, ...]:
        """The numbers in ``visible_gpus``.

        Raises
        ------
        WorkflowError
            It is not a list of numbers.
        """
        parts = [part.strip() for part in str(self.visible_gpus).split(",")] if self.visible_gpus is not None else []
        _require(
            all(part.isdecimal() for part in parts),
            "visible-gpus",
            f"is {self.visible_gpus!r}; give numbers with commas between them, such as 0,1",
        )
        return tuple(map(int, parts))


def _require(condition: bool, key: str, problem: str) -> None:
    if not condition:
        raise WorkflowError(f"submitit-{key} {problem} (profile key submitit-{key}, option --submitit-{key}).")
