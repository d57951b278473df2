"""Summary on the first screen: runs, cost and findings, in sentences."""

import pandas as pd

from phasebench.reporting.experiments import Experiment
from phasebench.reporting.labels import counted, duration, listed, per_cent, points, rate, short_commit
from phasebench.reporting.tables.accuracy import AccuracyTable, Cell, Row
from phasebench.reporting.tables.rotation import RotationRow
from phasebench.tables.read import ReportTables

_NAMES_SHOWN = 3
_SEEDS_WANTED = 3


def run_facts(tables: ReportTables) -> list[tuple[str, str]]:
    """Term and text: scale, runs, seeds, commit, device, cost and time, software."""
    runs = tables.runs
    seeds = [f"{seed:.0f}" for seed in sorted(runs["seed"].unique())]
    return [
        ("Scale", tables.benchmark["scale"].iloc[0]),
        ("Runs", f"{len(runs):,} ({counted(runs['model'].nunique(), 'model')})"),
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


def findings(
    accuracies: list[AccuracyTable], rotations: list[tuple[Experiment, list[RotationRow]]], labels: dict[str, str]
) -> list[str]:
    """The results in a few sentences, each a count or an extreme of a table below it."""
    cells = [pair for table in accuracies for pair in table.cells]
    sentences = [_coverage([cell for _, cell in cells]), _differences(cells, accuracies), _beside_baselines(accuracies)]
    for experiment, rows in rotations:
        sentences.extend(_rotation_losses(experiment, rows, labels))
    return [sentence for sentence in sentences if sentence]


def _coverage(cells: list[Cell]) -> str:
    printed = [cell for cell in cells if cell.published == cell.published]
    measured = [cell for cell in printed if cell.summary.n]
    stand_ins = sum(cell.setting.is_substitute for cell in measured)
    sentence = f"{len(measured)} of {counted(len(printed), 'published accuracy', 'published accuracies')} "
    sentence += "in the tables below stand beside a run of ours"
    if stand_ins:
        sentence += f", {'all' if stand_ins == len(measured) else stand_ins} of them on a stand-in data set"
    fewest = min((cell.summary.n for cell in cells if cell.summary.n), default=0)
    if 0 < fewest < _SEEDS_WANTED:
        sentence += f"; some cells have {counted(fewest, 'seed')}, too few to judge a difference between models"
    return sentence + "."


def _differences(cells: list[tuple[Row, Cell]], accuracies: list[AccuracyTable]) -> str:
    compared = [(cell.difference, row, cell) for row, cell in cells if cell.difference == cell.difference]
    if not compared:
        on_substitutes = any(cell.summary.n and cell.setting.is_substitute for _, cell in cells)
        if on_substitutes:
            return "No run used a study's own data, so no difference from a published value is given."
        return ""
    compared.sort(key=lambda item: item[0])
    middle = float(pd.Series([difference for difference, _, _ in compared]).median())
    titles = {cell.setting: table.experiment.title(cell.setting) for table in accuracies for _, cell in table.cells}

    def extreme(item: tuple[float, Row, Cell]) -> str:
        return f"{points(item[0])} ({item[1].label}, {titles[item[2].setting]})"

    if len(compared) == 1:
        return f"Ours less published: {extreme(compared[0])} percentage points."
    return (
        f"Ours less published, over {len(compared)} cells: median {points(middle)} percentage points, "
        f"from {extreme(compared[0])} to {extreme(compared[-1])}."
    )


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


def _rotation_losses(experiment: Experiment, rows: list[RotationRow], labels: dict[str, str]) -> list[str]:
    worst: dict[str, RotationRow] = {}
    for row in rows:
        if row.loss.n and (row.model not in worst or row.loss.mean > worst[row.model].loss.mean):
            worst[row.model] = row
    if not worst:
        return []
    parts = [
        f"{labels[model]} up to {per_cent(row.loss.mean)}{'' if index else ' points of accuracy'} "
        f"({experiment.title(row.setting)})"
        for index, (model, row) in enumerate(worst.items())
    ]
    return [f"{experiment.label}: rotating the phases within ±180° costs {listed(parts)}."]


def _cost(runs: pd.DataFrame) -> str:
    """Hours of GPUs and, for runs without one, of processor cores."""
    hours = runs["wall_seconds"] * runs["processes"] / 3600
    on_gpu = ~runs["device"].str.startswith("cpu")
    parts = [f"{rate(hours[on_gpu].sum())} GPU hours"] if on_gpu.any() else []
    if not on_gpu.all():
        parts.append(f"{rate((hours * runs['threads'])[~on_gpu].sum())} core hours{'' if parts else ', no GPU'}")
    return listed(parts) or "none"


def _latest(moments: "pd.Series[str]") -> str:
    latest = pd.to_datetime(moments, utc=True, errors="coerce", format="ISO8601").max()
    return "unknown" if pd.isna(latest) else f"{latest:%Y-%m-%d %H:%M} UTC"


def _distinct(values: "pd.Series[str]") -> str:
    names = sorted(set(values)) or ["none"]
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
