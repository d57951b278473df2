"""The runs of the page: a line for each, and what many of them share: settings, and the environment they ran in."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from phasebench.common.errors import PhasebenchError
from phasebench.reporting.experiments import Experiment
from phasebench.specs.paths import Logs, Results
from phasebench.specs.run_folder import RECORD
from phasebench.tables.read import ReportTables
from phasebench.tables.schema import COLUMNS

_Record = dict[Any, Any]
# An environment is also what of the machine a run had.
_ENVIRONMENT = ("environment", "device", "processes", "threads")


@dataclass(frozen=True)
class Shared:
    """Settings or an environment, and the runs that have them.

    Attributes
    ----------
    anchor, number
        Where links lead, and how a run's line names it; counted from one.
    entries
        Name and value, as a reader sees them.
    runs
        Ids.
    """

    anchor: str
    number: int
    entries: tuple[tuple[str, str], ...]
    runs: tuple[str, ...]


@dataclass(frozen=True)
class RunRow:
    """A line of the table of runs: where it belongs, and its record from ``runs.parquet``.

    Attributes
    ----------
    anchor, label
        Where links lead; the model's name.
    record_link, log_link
        Addresses of the run's record and of its log, relative to the page; '' for no log.
    """

    anchor: str
    experiment: Experiment
    label: str
    record: _Record = field(repr=False)
    settings: Shared
    environment: Shared
    record_link: str
    log_link: str


@dataclass(frozen=True)
class Runs:
    """All lines in the order of the experiments, and what they share."""

    rows: tuple[RunRow, ...]
    settings: tuple[Shared, ...]
    environments: tuple[Shared, ...]

    @property
    def anchors(self) -> dict[str, str]:
        """Run id -> where links to it lead."""
        return {row.record["run"]: row.anchor for row in self.rows}

    def frame(self) -> pd.DataFrame:
        """The records for a file, with the numbers of settings and environments in their places."""
        numbered = [
            {**row.record, "settings": row.settings.number, "environment": row.environment.number} for row in self.rows
        ]
        return pd.DataFrame(numbered, columns=list(COLUMNS["runs"]))


def collect_runs(
    tables: ReportTables, experiments: Iterable[Experiment], labels: Mapping[str, str], results: Path, logs: Path
) -> Runs:
    """Lay the runs out.

    Parameters
    ----------
    tables, experiments, labels
        Of the report; labels are those of the models, by name.
    results, logs
        The folders of all results of the scale, with ``runs/<run id>/run.json``, and of its logs, with
        ``train/<run id>.log``; relative to the page, or absolute.

    Raises
    ------
    PhasebenchError
        Settings or an environment are not a JSON object.
    """
    records: dict[str, _Record] = {record["run"]: record for record in tables.runs.to_dict("records")}
    ordered = [(experiment, records[run]) for experiment in experiments for run in _in_order(experiment, records)]
    settings = _shared("settings", ("settings",), [record for _, record in ordered])
    environments = _shared("environment", _ENVIRONMENT, [record for _, record in ordered])
    settings_of = {run: entry for entry in settings for run in entry.runs}
    environment_of = {run: entry for entry in environments for run in entry.runs}
    rows = (
        RunRow(
            f"run-{number}",
            experiment,
            labels[record["model"]],
            record,
            settings_of[record["run"]],
            environment_of[record["run"]],
            address(Results(results).run(record["run"]) / RECORD),
            # The log of an imported run stayed where it was made.
            "" if record["origin"] else address(Logs(logs).log("train", record["run"])),
        )
        for number, (experiment, record) in enumerate(ordered, start=1)
    )
    return Runs(tuple(rows), settings, environments)


def shared_frame(shared: Iterable[Shared]) -> pd.DataFrame:
    """One line per entry, for a file."""
    return pd.DataFrame(
        [(entry.number, name, value) for entry in shared for name, value in entry.entries],
        columns=["number", "name", "value"],
    )


def relative_folder(folder: Path, page: Path) -> Path:
    """A folder as seen from the folder of the page."""
    return Path(os.path.relpath(folder, page))


def address(path: Path) -> str:
    """A path as the target of a link."""
    return quote(path.as_posix())


def _in_order(experiment: Experiment, records: Mapping[str, _Record]) -> list[str]:
    return sorted(
        experiment.setting_of,
        key=lambda run: (
            experiment.settings.index(experiment.setting_of[run]),
            experiment.models.index(records[run]["model"]),
            records[run]["seed"],
        ),
    )


def _shared(column: str, columns: tuple[str, ...], records: Iterable[_Record]) -> tuple[Shared, ...]:
    """Collect the values of ``column``, once for all runs that agree in ``columns``."""
    groups: dict[tuple[Any, ...], list[_Record]] = {}
    for record in records:
        groups.setdefault(tuple(record[name] for name in columns), []).append(record)
    return tuple(
        Shared(
            f"{column}-{number}",
            number,
            _entries(column, group[0], columns[1:]),
            tuple(record["run"] for record in group),
        )
        for number, group in enumerate(groups.values(), start=1)
    )


def _entries(column: str, record: _Record, further: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    try:
        entries = json.loads(record[column])
    except ValueError:
        entries = None
    if not isinstance(entries, dict):
        raise PhasebenchError(
            f"runs.parquet: {column}: {record[column][:40]!r} is not a JSON object; aggregate the results again"
        )
    entries = {name: record[name] for name in further} | entries
    return tuple((name.replace("_", " "), _value(value)) for name, value in entries.items() if value not in (None, {}))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_value(part)}" for key, part in value.items())
    if isinstance(value, list):
        # The knots of a schedule are pairs.
        return ", ".join("/".join(map(str, part)) if isinstance(part, list) else str(part) for part in value) or "none"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
