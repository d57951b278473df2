"""Snakemake logger that shows one live line of progress: jobs done and running, and the time left.

``snakemake --logger phasebench``. Where standard error is no terminal, a plain line is written now and then. A failed
job is one line with the last one of its log. Warnings and other errors are shown as Snakemake words them; a dry run and
``--verbose`` show everything. Snakemake's own log file, below ``.snakemake/log``, is complete as ever.
"""

import time
from collections.abc import Mapping
from logging import INFO, WARNING, LogRecord
from pathlib import Path
from typing import Any

import snakemake
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column
from rich.text import Text
from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_phasebench.failures import failure
from snakemake_logger_plugin_phasebench.jobs import Jobs

__all__ = ["LogHandler"]

SECONDS_BETWEEN_LINES = 20.0
"""Between two plain lines, so that the log of a campaign of days stays readable."""
_SNAKEMAKE = Path(snakemake.__file__).parent
_OF_EVERY_ROUND = ("Select jobs to execute...", "Execute ")
"""Beginnings of what Snakemake says each time that it looks for the next jobs."""


class LogHandler(LogHandlerBase):
    """Handler of Snakemake's log records; the name is the one that Snakemake looks for."""

    def __post_init__(self) -> None:
        self.console = Console(
            stderr=not self.common_settings.stdout, no_color=self.common_settings.nocolor, highlight=False
        )
        self.jobs = Jobs()
        self.exception = ""
        self.began = time.monotonic()
        self.last_line = -SECONDS_BETWEEN_LINES
        self.progress = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(separator=" of "),
            TextColumn("{task.fields[state]}"),
            TextColumn("[dim]{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            console=self.console,
            expand=True,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = self.progress.add_task("", total=None, state="planning the jobs")
        if not self.shows_everything:
            self.progress.start()

    @property
    def shows_everything(self) -> bool:
        """Show every record as Snakemake words it: in a dry run, and where everything is asked for."""
        return bool(self.common_settings.dryrun or self.common_settings.verbose)

    def emit(self, record: LogRecord) -> None:
        """Show a record, or count the job that it tells of."""
        try:
            if self.shows_everything:
                self._print(self.format(record))
            else:
                self._show(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Take the live line away."""
        self._print(self.exception, "red")
        self.progress.stop()
        super().close()

    def _show(self, record: LogRecord) -> None:
        now = time.monotonic()
        fields: Mapping[str, Any] = record.__dict__
        match fields.get("event"):
            case LogEvent.RUN_INFO:
                self._plan(fields["stats"])
            case LogEvent.JOB_INFO:
                description = fields["rule_msg"] or fields["rule_name"]
                self.jobs.start(fields["jobid"], fields["rule_name"], now, description)
                self._update(now, description)
                self._print_line_now_and_then(now)
            case LogEvent.JOB_FINISHED:
                self.jobs.finish(fields["job_id"], now)
            case LogEvent.PROGRESS:
                self._advance(fields["done"], fields["total"], now)
            case LogEvent.ERROR if fields.get("exception") == "RuleException":
                # Snakemake says next of which job it is.
                self.exception = self.format(record)
            case LogEvent.JOB_ERROR:
                description = self.jobs.fail(fields["jobid"])
                told = failure(description, self.exception, fields["rule_msg"], fields["log"])
                self._print(told or f"{self.exception}\n{self.format(record)}".strip(), "red")
                self.exception = ""
                self._print_line(now)
            case None if record.levelno == INFO:
                self._message(record)
            case _ if record.levelno >= WARNING:
                self._print(self.format(record), "red" if record.levelno > WARNING else "yellow")

    def _message(self, record: LogRecord) -> None:
        """Show what a Snakefile or a plugin says, and of Snakemake's own words the few that matter."""
        text = str(record.msg or "")
        own = Path(record.pathname).is_relative_to(_SNAKEMAKE)
        if not own or text == NOTHING_TO_BE_DONE_MSG or (self.jobs.failed and not text.startswith(_OF_EVERY_ROUND)):
            self._print(text)

    def _plan(self, stats: Mapping[str, int]) -> None:
        total = stats["total"]
        self.jobs.planned = {rule: count for rule, count in stats.items() if rule != "total"}
        counts = ", ".join(f"{count} {rule}" for rule, count in self.jobs.planned.items() if rule != "all")
        self._print(f"{total:,} jobs: {counts}")
        self.progress.update(self.task, total=total)

    def _advance(self, done: int, total: int, now: float) -> None:
        self.progress.update(self.task, completed=done, total=total)
        self._update(now)
        if done == total:
            self._print_line(now)
        else:
            self._print_line_now_and_then(now)

    def _print_line_now_and_then(self, now: float) -> None:
        if now - self.last_line >= SECONDS_BETWEEN_LINES:
            self._print_line(now)

    def _print_line(self, now: float) -> None:
        """Write the line of progress where it is not drawn."""
        if self.console.is_terminal:
            return
        self.last_line = now
        task = self.progress.tasks[0]
        self._print(f"{task.completed:,.0f} of {task.total or 0:,.0f} jobs done, {self._state(now)}")

    def _update(self, now: float, description: str | None = None) -> None:
        self.progress.update(self.task, state=self._state(now), description=description)

    def _state(self, now: float) -> str:
        failed = f", {self.jobs.failed} failed" if self.jobs.failed else ""
        left = self.jobs.seconds_left(now)
        remaining = f", about {_duration(left)} left" if left else ""
        return f"{len(self.jobs.running)} running{failed}, {_duration(now - self.began)} so far{remaining}"

    def _print(self, text: str, style: str = "") -> None:
        if text:
            self.console.print(Text(text, style=style), soft_wrap=True)

    @property
    def writes_to_stream(self) -> bool:
        """True: it takes the place of Snakemake's own output."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """False: Snakemake writes a log file itself."""
        return False

    @property
    def has_filter(self) -> bool:
        """False: Snakemake's filter knows about ``--quiet``."""
        return False

    @property
    def has_formatter(self) -> bool:
        """False: failures read as Snakemake words them."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """False: it draws no graph of the rules."""
        return False


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
