"""Measurements of an experiment, by the column of its table."""

from collections.abc import Iterable, Mapping

import pandas as pd

from phasebench.reporting.experiments import Experiment, Setting
from phasebench.specs.run import coordinates


def of_runs(frame: pd.DataFrame, experiment: Experiment, *metrics: str) -> pd.DataFrame:
    """Values of some metrics of an experiment's runs.

    Parameters
    ----------
    frame
        ``metrics`` or ``items`` of the tables.

    Returns
    -------
    DataFrame
        run, model, seed, column (position in the experiment's settings), metric, condition, [item,] value.
    """
    chosen = frame[frame["metric"].isin(metrics) & frame["run"].isin(experiment.setting_of)]
    columns = ["run", "model", "seed", "column", "metric", "condition", "item", "value"]
    measured = chosen.assign(column=experiment.column_of(chosen["run"]))
    measured = measured[[column for column in columns if column in measured]]
    return measured.sort_values(["run", "metric", "condition"], kind="stable", ignore_index=True)


def of_cells(analyses: pd.DataFrame, experiment: Experiment, analysis: str) -> pd.DataFrame:
    """Values that an analysis computed from all runs of a cell.

    Returns
    -------
    DataFrame
        The columns of ``analyses`` and column (position in the experiment's settings); rows of no setting are left out.
    """
    own = (analyses["suite"] == experiment.suite) & (analyses["experiment"] == experiment.name)
    chosen = analyses[own & (analyses["analysis"] == analysis)]
    positions = {
        (setting.dataset, setting.stands_in_for, setting.encoding, setting.train_fraction, setting.variant): position
        for position, setting in enumerate(experiment.settings)
        if setting in experiment.settings_run
    }
    names = (*coordinates("suite", "experiment", "variant", "model", "seed"), "variant")
    found = []
    for *data, variant in zip(*(chosen[name] for name in names), strict=True):
        # A setting forgets a variant that tells it from no other.
        found.append(positions.get((*data, variant), positions.get((*data, ""))))
    placed = chosen.assign(column=pd.Series(found, index=chosen.index, dtype="float64")).dropna(subset=["column"])
    return placed.astype({"column": int}).reset_index(drop=True)


def by_setting(data: pd.DataFrame, experiment: Experiment) -> list[tuple[Setting, pd.DataFrame]]:
    """The parts of some measurements, in the order of the experiment's table."""
    return [
        (experiment.settings[column], data[data["column"] == column].reset_index(drop=True))
        for column in sorted(data["column"].unique())
    ]


def first_seed(data: pd.DataFrame) -> pd.DataFrame:
    """Select, of each model on each setting, the run with the lowest seed."""
    lowest = data.groupby(["column", "model"])["seed"].transform("min") if len(data) else data["seed"]
    return data[data["seed"] == lowest].reset_index(drop=True)


def diverged_runs(runs: pd.DataFrame) -> frozenset[str]:
    """Ids of the runs whose training diverged."""
    return frozenset(runs.loc[runs["diverged_at"].notna(), "run"])


def divergence_note(
    runs: pd.DataFrame,
    experiment: Experiment,
    labels: Mapping[str, str],
    treatment: str = "count up to the last snapshot before",
) -> str:
    """A sentence on the trainings that diverged, '' if none did.

    Parameters
    ----------
    runs
        The runs of the tables.
    labels
        Model -> its label.
    treatment
        What becomes of them.
    """
    diverged = runs[runs["run"].isin(experiment.setting_of) & runs["run"].isin(diverged_runs(runs))]
    if not len(diverged):
        return ""
    several = len(experiment.settings_run) > 1
    named = [
        f"{labels[model]}, {f'{experiment.title(experiment.setting_of[run])}, ' if several else ''}"
        f"seed {seed:.0f}, at step {step:,.0f}"
        for run, model, seed, step in diverged[["run", "model", "seed", "diverged_at"]].itertuples(index=False)
    ]
    return f" Trainings that diverged {treatment}: {'; '.join(named)}."


def tidy(data: pd.DataFrame, experiment: Experiment, columns: Iterable[str]) -> pd.DataFrame:
    """Some columns of measurements behind those that say what they were measured on, for a file."""
    keys = pd.DataFrame([experiment.keys(setting) for setting in experiment.settings]).iloc[data["column"]]
    frame = keys.set_index(data.index).assign(**{column: data[column] for column in columns})
    return frame.astype({"seed": "Int64"}) if "seed" in frame else frame
