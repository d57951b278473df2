"""Test accuracy beside the published one, in the layout of the study's table."""

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import pandas as pd

from phasebench.common.statistics import FRACTION, Summary, prediction_interval, summarise
from phasebench.common.wording import counted
from phasebench.reporting import measurements
from phasebench.reporting.experiments import TEST_ACCURACY, Experiment, Setting
from phasebench.reporting.tables.baselines import BaselineCell, Baselines, baselines_of
from phasebench.specs.run import coordinates
from phasebench.tables.read import ReportTables

_Record = dict[Any, Any]
_Printed = tuple[float, float, float, str]

_PARAMETERS = "parameters"

# Printed to the hundredth of a per cent; what looks equal there shares the bold type.
_PRINTED_DECIMALS = 4


@dataclass(frozen=True)
class Cell:
    """A model on a setting. Accuracies are fractions.

    Attributes
    ----------
    setting
        The column.
    summary
        Over the seeds that did not diverge; ``n`` is 0 where there are none.
    published, published_std, where
        The study's number, its standard deviation over seeds and its place; NaN and '' for what there is not.
    best, published_best
        Highest of ours, and of the published ones, in the column; never so where there is but one.
    runs
        Ids of the runs summarised.
    by_seed
        Seed and accuracy of each.
    diverged
        Ids of the runs that diverged.
    planned
        Number of runs that were planned: those above and those that are not finished.
    theirs
        Bounds of the 95 % prediction interval for the published number; NaN for too few seeds or other data.
    """

    setting: Setting
    summary: Summary
    published: float
    published_std: float
    where: str
    runs: tuple[str, ...]
    by_seed: tuple[tuple[int, float], ...] = ()
    diverged: tuple[str, ...] = ()
    planned: int = 0
    theirs: tuple[float, float] = (math.nan, math.nan)
    best: bool = False
    published_best: bool = False

    @property
    def difference(self) -> float:
        """Ours less the published one; NaN if either is missing or the data were not the study's."""
        return math.nan if self.setting.is_substitute else self.summary.mean - self.published

    @property
    def is_theirs(self) -> bool | None:
        """True if the published number lies in our prediction interval; None where there is no interval."""
        low, high = self.theirs
        return None if math.isnan(low) else low <= self.published <= high

    @property
    def seeds(self) -> str:
        """'3 of 5 seeds', or '5 seeds' where all that were planned count."""
        planned = max(self.planned, self.summary.n)
        return (
            counted(planned, "seed") if self.summary.n == planned else f"{self.summary.n} of {counted(planned, 'seed')}"
        )

    @property
    def was_run(self) -> bool:
        """True if at least one run is finished."""
        return bool(self.summary.n or self.diverged)


@dataclass(frozen=True)
class Row:
    """A model with its cells, one per setting; ``parameters`` lists every count that its runs had."""

    model: str
    label: str
    parameters: tuple[int, ...]
    published_parameters: float
    cells: tuple[Cell, ...]

    @property
    def was_run(self) -> bool:
        """True if at least one cell has a run."""
        return any(cell.was_run for cell in self.cells)


@dataclass(frozen=True)
class AccuracyTable:
    """All models and settings of one experiment, what they are read beside, and which trainings diverged."""

    experiment: Experiment
    rows: tuple[Row, ...]
    baselines: Baselines = field(default_factory=Baselines)
    divergence_note: str = ""

    @property
    def groups(self) -> list[tuple[str, list[Setting]]]:
        """Neighbouring settings of one data set of the study, under its display name."""
        columns = groupby(self.experiment.settings, key=lambda setting: setting.study_dataset)
        return [(self.experiment.display_names(dataset), list(settings)) for dataset, settings in columns]

    @property
    def columns_not_run(self) -> int:
        """Settings without a run, where others have some."""
        run = len(self.experiment.settings_run)
        return len(self.experiment.settings) - run if run else 0

    @property
    def rows_not_run(self) -> int:
        """Models without a run, where others have some."""
        run = sum(row.was_run for row in self.rows)
        return len(self.rows) - run if run else 0

    @property
    def cells(self) -> list[tuple[Row, Cell]]:
        """Row by row."""
        return [(row, cell) for row in self.rows for cell in row.cells]


def accuracy_table(tables: ReportTables, experiment: Experiment) -> AccuracyTable:
    """Summarise test accuracy over the seeds that did not diverge, for every model and setting of an experiment."""
    measured = _measured(tables, experiment)
    published = _published(tables, experiment)
    diverged = measurements.diverged_runs(tables.runs)
    unfinished = _unfinished(tables, experiment)

    def cell(model: str, setting: Setting) -> Cell:
        records, printed = measured.get((model, setting), []), published.get((model, *setting.key))
        return _cell(setting, records, printed, diverged, unfinished[model, setting])

    columns = [_mark_best([cell(model, setting) for model in experiment.models]) for setting in experiment.settings]
    by_model = zip(experiment.models, zip(*columns, strict=True), strict=True)
    rows = tuple(_row(tables, experiment, model, cells) for model, cells in by_model)
    note = measurements.divergence_note(
        tables.runs,
        experiment,
        {row.model: row.label for row in rows},
        "are left out of means, intervals, bold type and tests",
    )
    return AccuracyTable(experiment, rows, baselines_of(tables, experiment), note.strip())


def tidy(table: AccuracyTable) -> pd.DataFrame:
    """One line per cell, those of the baselines last; accuracies and their differences are fractions."""
    models = [
        {
            **_tidy_keys(table, cell, row.model),
            "published": cell.published,
            "published_std": cell.published_std,
            "difference": cell.difference,
            "published_where": cell.where,
            "runs": " ".join(cell.runs),
            "diverged": " ".join(cell.diverged),
        }
        for row, cell in table.cells
    ]
    nothing = {"published": math.nan, "published_std": math.nan, "difference": math.nan}
    baselines = [
        {**_tidy_keys(table, cell, row.name), **nothing, "published_where": "", "runs": "", "diverged": ""}
        for row in table.baselines.rows
        for cell in row.cells
        if cell.summary.n
    ]
    return pd.DataFrame([*models, *baselines])


def _tidy_keys(table: AccuracyTable, cell: Cell | BaselineCell, model: str) -> dict[str, object]:
    return {
        **table.experiment.keys(cell.setting),
        "model": model,
        "n": cell.summary.n,
        "mean": cell.summary.mean,
        "std": cell.summary.std,
        "interval_low": cell.summary.low,
        "interval_high": cell.summary.high,
    }


def _measured(tables: ReportTables, experiment: Experiment) -> dict[tuple[str, Setting], list[_Record]]:
    found: dict[tuple[str, Setting], list[_Record]] = {}
    metrics = tables.metrics[tables.metrics["metric"] == TEST_ACCURACY].sort_values(["seed", "run"])
    for record in metrics.to_dict("records"):
        setting = experiment.setting_of.get(record["run"])
        if setting is not None:
            found.setdefault((record["model"], setting), []).append(record)
    return found


def _unfinished(tables: ReportTables, experiment: Experiment) -> Counter[tuple[str, Setting]]:
    """Number of runs of each cell that were planned and are not finished, or whose files cannot be used."""
    frame = tables.unfinished
    chosen = (frame["suite"] == experiment.suite) & (frame["experiment"] == experiment.name) & (frame["what"] == "run")
    fields = coordinates("suite", "experiment", "variant", "model", "seed")
    counts: Counter[tuple[str, Setting]] = Counter()
    for record in frame[chosen].to_dict("records"):
        # A column has a variant only where it tells it from others.
        for variant in {"", record["variant"]}:
            counts[record["model"], Setting(**{name: record[name] for name in fields}, variant=variant)] += 1
    return counts


def _published(tables: ReportTables, experiment: Experiment) -> dict[tuple[str, str, str, float], _Printed]:
    frame = tables.published
    chosen = frame[
        (frame["suite"] == experiment.suite)
        & (frame["experiment"] == experiment.name)
        & (frame["metric"] == TEST_ACCURACY)
    ]
    keys = zip(chosen["model"], chosen["dataset"], chosen["encoding"], chosen["train_fraction"], strict=True)
    numbers = zip(chosen["value"], chosen["std"], chosen["n"], chosen["where"], strict=True)
    return dict(zip(keys, numbers, strict=True))


def _cell(
    setting: Setting, records: list[_Record], printed: _Printed | None, diverged: frozenset[str], unfinished: int
) -> Cell:
    # A variant is the study's own only where the aggregated table says so.
    beside = [(record["published"], record["published_where"]) for record in records]
    known = [pair for pair in beside if not math.isnan(pair[0])]
    printed_value, printed_std, printed_n, printed_where = printed or (math.nan, math.nan, math.nan, "")
    fallback = (math.nan, "") if setting.variant else (printed_value, printed_where)
    value, where = known[0] if known else fallback
    std = printed_std if value == printed_value else math.nan
    whole = [record for record in records if record["run"] not in diverged]
    values = [record["value"] for record in whole]
    nothing = setting.is_substitute or math.isnan(value)
    return Cell(
        setting,
        summarise(values, FRACTION),
        value,
        std,
        where,
        tuple(record["run"] for record in whole),
        tuple((int(record["seed"]), float(record["value"])) for record in whole),
        tuple(record["run"] for record in records if record["run"] in diverged),
        planned=len(records) + unfinished,
        theirs=(math.nan, math.nan) if nothing else _prediction(values, std, printed_n),
    )


def _prediction(values: list[float], std: float, n: float) -> tuple[float, float]:
    """Bounds of the 95 % prediction interval; a printed deviation counts where the study says of how many runs."""
    welch = n > 1 and not math.isnan(std)
    low, high = prediction_interval(values, std, int(n)) if welch else prediction_interval(values)
    return float(low), float(high)


def _mark_best(column: list[Cell]) -> list[Cell]:
    best = _highest([cell.summary.mean for cell in column])
    published_best = _highest([cell.published for cell in column])
    return [
        replace(
            cell,
            best=round(cell.summary.mean, _PRINTED_DECIMALS) == best,
            published_best=round(cell.published, _PRINTED_DECIMALS) == published_best,
        )
        for cell in column
    ]


def _highest(values: list[float]) -> float | None:
    finite = [round(value, _PRINTED_DECIMALS) for value in values if not math.isnan(value)]
    return max(finite) if len(finite) > 1 else None


def _row(tables: ReportTables, experiment: Experiment, model: str, cells: tuple[Cell, ...]) -> Row:
    runs = tables.runs[tables.runs["run"].isin(experiment.setting_of) & (tables.runs["model"] == model)]
    known = tables.models[tables.models["model"] == model]
    label = known["label"].iloc[0] if len(known) else experiment.display_names(model)
    chosen = (tables.published["model"] == model) & (tables.published["metric"] == _PARAMETERS)
    printed = tables.published[chosen & tables.published["experiment"].isin(["", experiment.name])]
    published = [*printed["value"], *known["published_parameters"].dropna(), *runs["published_parameters"].dropna()]
    counts = tuple(sorted({int(count) for count in runs["parameters"].dropna()}))
    return Row(model, label, counts, published[0] if published else math.nan, cells)
