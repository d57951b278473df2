"""Summary on the first screen: runs, cost and findings, in sentences."""

import re
from collections.abc import Iterable

import pandas as pd

from phasebench.common.wording import counted
from phasebench.reporting.experiments import Experiment, display_names_of
from phasebench.reporting.labels import duration, listed, rate, short_commit
from phasebench.reporting.tables.accuracy import AccuracyTable
from phasebench.reporting.tables.verdicts import ClaimRow
from phasebench.tables.read import ReportTables

_NAMES_SHOWN = 3
_DATASETS_SHOWN = 5


def run_facts(tables: ReportTables) -> list[tuple[str, str]]:
    """Term and text: scale, runs, seeds, commit, device, cost and time, software."""
    runs = tables.runs
    seeds = [f"{seed:.0f}" for seed in sorted(runs["seed"].unique())]
    return [
        ("Scale", tables.benchmark["scale"].iloc[0]),
        ("Runs", f"{len(runs):,} ({counted(runs['model'].nunique(), 'model')})"),
        *_imported(runs["origin"]),
        ("Seeds", f"{len(seeds)} ({listed(seeds)})" if len(seeds) > 1 else listed(seeds) or "none"),
        ("Commit", _distinct(runs["git_commit"].map(short_commit))),
        ("Device", _distinct(runs["device"])),
        ("Cost of training", f"{_cost(runs)}; {duration(runs['wall_seconds'].sum())} one by one"),
        ("Last run finished", _latest(runs["finished_at"])),
        ("Software", f"Python {_distinct(runs['python'])}, torch {_distinct(runs['torch'])}"),
    ]


def substitutes(experiments: list[Experiment]) -> list[tuple[str, str]]:
    """(data set used, data set of the study that it stands in for), by display name."""
    pairs = [
        (experiment.display_names(setting.dataset), experiment.display_names(setting.stands_in_for))
        for experiment in experiments
        for setting in experiment.settings_run
        if setting.is_substitute
    ]
    return list(dict.fromkeys(pairs))


def sentence(tables: ReportTables) -> str:
    """One sentence on the campaign: runs, networks, data sets, seeds, device and day."""
    runs = tables.runs
    if not len(runs):
        return "No run is finished."
    networks, seeds = runs["model"].nunique(), runs["seed"].nunique()
    datasets = [display_names_of(tables)(name) for name in dict.fromkeys(runs["dataset"])]
    data = listed(datasets) if len(datasets) <= _DATASETS_SHOWN else f"{len(datasets)} data sets"
    finished = _latest(runs["finished_at"])
    return (
        f"{counted(len(runs), 'training run')} of {counted(networks, 'network')} on {data}, "
        f"{counted(seeds, 'seed')}, on {_distinct(runs['device'])}; the last one finished {finished}."
    )


def agreement_sentences(accuracies: list[AccuracyTable]) -> list[str]:
    """A study's published numbers against our prediction intervals, and its networks against a linear classifier."""
    cells = [cell for table in accuracies for _, cell in table.cells if cell.summary.n]
    known = [cell.is_theirs for cell in cells if cell.is_theirs is not None]
    sentences = []
    if known:
        sentences.append(
            f"{sum(known)} of {counted(len(known), 'published accuracy', 'published accuracies')} "
            f"{'lies' if len(known) == 1 else 'lie'} inside our 95 % prediction interval."
        )
    return [*sentences, *filter(None, [_beside_baselines(accuracies)])]


def not_tested(rows: Iterable[ClaimRow]) -> list[tuple[str, list[ClaimRow]]]:
    """Reasons and the claims that were not tested for them, the most frequent reason first."""
    groups: dict[str, list[ClaimRow]] = {}
    for row in rows:
        if not row.is_decided:
            groups.setdefault(re.split(r"[:;,(]", row.reason)[0].strip() or "no reason given", []).append(row)
    return sorted(groups.items(), key=lambda item: -len(item[1]))


def _beside_baselines(accuracies: list[AccuracyTable]) -> str:
    """Count the cells in which a network beats the linear classifier on the same input, by their means."""
    compared, better = 0, 0
    for table in accuracies:
        linear = next((row.cells for row in table.baselines.rows if row.name == "linear"), ())
        for row in table.rows:
            means = [
                (cell.summary.mean, baseline.summary.mean)
                for cell, baseline in zip(row.cells, linear, strict=False)
                if cell.summary.n and baseline.summary.n
            ]
            compared += len(means)
            better += sum(network > baseline for network, baseline in means)
    if not compared:
        return ""
    return (
        f"In {better} of {counted(compared, 'cell')} the networks are better than a linear classifier on their input."
    )


def _cost(runs: pd.DataFrame) -> str:
    """Hours of GPUs and, for runs without one, of processor cores."""
    hours = runs["wall_seconds"] * runs["processes"] / 3600
    on_gpu = ~runs["device"].str.startswith("cpu")
    parts = [f"{rate(hours[on_gpu].sum())} GPU hours"] if on_gpu.any() else []
    if not on_gpu.all():
        parts.append(f"{rate((hours * runs['threads'])[~on_gpu].sum())} core hours{'' if parts else ', no GPU'}")
    return listed(parts) or "none"


def _imported(origins: "pd.Series[str]") -> list[tuple[str, str]]:
    """The number of imported runs of each origin; nothing where all were made here."""
    counts = origins[origins != ""].value_counts(sort=False)
    named = [f"{counted(int(count), 'run')} from {name}" for name, count in counts.items()]
    return [("Imported", listed(named))] if named else []


def _latest(moments: "pd.Series[str]") -> str:
    latest = pd.to_datetime(moments, utc=True, errors="coerce", format="ISO8601").max()
    return "unknown" if pd.isna(latest) else f"{latest:%Y-%m-%d %H:%M} UTC"


def _distinct(values: "pd.Series[str]") -> str:
    names = sorted(set(values)) or ["none"]
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
