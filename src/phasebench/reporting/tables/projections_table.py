"""Accuracies and losses of a training beside the values that the author stored (Nie and Yuan)."""

from collections.abc import Collection, Mapping

import pandas as pd

from phasebench.common.statistics import FRACTION, summarise
from phasebench.reporting import measurements
from phasebench.reporting.cells import Column, PlainCell, PlainTable, number_cell, seeds_cell, summary_cell
from phasebench.reporting.drawing.palette import LineStyle, present
from phasebench.reporting.experiments import Experiment, Setting
from phasebench.reporting.labels import decimal, per_cent
from phasebench.tables.read import ReportTables

ANALYSIS = "projections"


def published_at_steps(tables: ReportTables, experiment: Experiment) -> pd.DataFrame:
    """The study's own numbers of an experiment that belong to a step."""
    own = (tables.published["suite"] == experiment.suite) & (tables.published["experiment"] == experiment.name)
    return tables.published[own].dropna(subset=["condition"]).reset_index(drop=True)


def projections_table(
    tables: ReportTables,
    experiment: Experiment,
    styles: dict[str, LineStyle],
    data: pd.DataFrame,
    kept: Mapping[str, str],
) -> PlainTable:
    """A row for everything that is kept: the mean over the later snapshots, single ones, and the author's.

    Parameters
    ----------
    data
        The accuracies at snapshots, from :func:`phasebench.reporting.measurements.of_runs`.
    kept
        Metric -> what is kept of the weights, in the order of the rows.
    """
    published = published_at_steps(tables, experiment)
    published = published[published["metric"].isin(kept)]
    means = measurements.of_cells(tables.analyses, experiment, ANALYSIS)
    steps = sorted(published["condition"].unique())
    last = data["condition"].max()
    between = [step for step in steps if step != max(steps, default=last)]
    rows = []
    for setting, part in measurements.by_setting(data, experiment):
        for model in present(styles, part["model"]):
            own = part[part["model"] == model]
            for metric in (metric for metric in kept if metric in set(own["metric"])):
                values = own[own["metric"] == metric]
                cells = [_mean_cell(means, experiment, setting, model, metric)]
                for step in between:
                    cells += [_at(values, step), _author(published, setting, model, metric, step)]
                cells.append(_at(values, last))
                cells += [_author(published, setting, model, metric, max(steps))] if steps else []
                names = PlainCell(experiment.title(setting)), PlainCell(styles[model].label), PlainCell(kept[metric])
                rows.append((*names, *cells, seeds_cell(tuple(dict.fromkeys(values["run"])))))
    headings = ["Mean", *(f"{who}{step:g}" for step in between for who in ("At ", "Author's at "))]
    headings += ["At the end", *([f"Author's at {max(steps):g}"] if steps else []), "Seeds"]
    columns = [
        Column("Data", "text"),
        Column("Network", "text"),
        Column("Kept", "text", names_row=True),
        *map(Column, headings),
    ]
    author = " The author's values are of one network, read off the stored plot, within one point." if steps else ""
    return PlainTable(
        "Test accuracy by what is kept of the weights, in per cent.",
        "Mean ± sample standard deviation over seeds. The first is the mean over the snapshots after the first quarter "
        "of the training, since single snapshots fall where the loss spikes." + author,
        tuple(columns),
        tuple(rows),
        measurements.tidy(means, experiment, ["model", "seed", "metric", "value"]),
    )


def loss_table(
    history: pd.DataFrame, published: pd.DataFrame, experiment: Experiment, diverged: Collection[str]
) -> PlainTable | None:
    """The training loss at the steps for which the author stored it; None where there are none.

    Parameters
    ----------
    history
        Columns run, column, model, seed, step and train_loss, on the study's own data.
    published
        The author's losses, columns condition, model and value.
    diverged
        Ids of the runs that count for no mean.
    """
    if not len(published) or not len(history):
        return None
    stored = history[history["step"].isin(set(published["condition"]))]
    seed = experiment.author_seed
    rows = []
    for step, value, model in sorted(published[["condition", "value", "model"]].itertuples(index=False)):
        at = stored[(stored["step"] == step) & (stored["model"] == model)]
        same = at[at["seed"] == seed]["train_loss"]
        own = [number_cell(same.iloc[0], _loss) if len(same) else PlainCell("not measured", order="")]
        rows.append(
            (
                PlainCell(f"{step:g}", order=f"{step:g}"),
                *(own if seed is not None else ()),
                summary_cell(summarise(at[~at["run"].isin(diverged)]["train_loss"]), decimal),
                number_cell(value, _loss),
            )
        )
    return PlainTable(
        "Training loss at the steps for which the author stored it.",
        (f"Seed {seed} has the author's initial weights. " if seed is not None else "")
        + "Losses are taken before the step's update. Up to step "
        "600 they should agree as printed; later the path is chaotic, and the last bit of a product decides."
        + (
            " The mean over all seeds leaves out trainings that diverged."
            if history["run"].isin(diverged).any()
            else ""
        ),
        (
            Column("Iteration", names_row=True),
            *map(Column, (*([f"Seed {seed}"] if seed is not None else ()), "All seeds", "Author's")),
        ),
        tuple(rows),
        measurements.tidy(
            history[history["step"].isin(set(published["condition"]))],
            experiment,
            ["model", "seed", "step", "train_loss"],
        ),
    )


def _loss(value: float) -> str:
    return f"{value:.6f}"


def _at(values: pd.DataFrame, step: float) -> PlainCell:
    return summary_cell(summarise(values[values["condition"] == step]["value"], FRACTION), per_cent)


def _mean_cell(means: pd.DataFrame, experiment: Experiment, setting: Setting, model: str, metric: str) -> PlainCell:
    column = experiment.settings.index(setting)
    own = (means["column"] == column) & (means["model"] == model) & (means["metric"] == f"mean_{metric}")
    return summary_cell(summarise(means[own]["value"], FRACTION), per_cent)


def _author(published: pd.DataFrame, setting: Setting, model: str, metric: str, step: float) -> PlainCell:
    keys = {"dataset": setting.study_dataset, "encoding": setting.encoding, "train_fraction": setting.train_fraction}
    keys |= {"model": model, "metric": metric, "condition": step}
    found = published[(published[list(keys)] == pd.Series(keys)).all(axis=1)]
    if not len(found):
        return number_cell(float("nan"), per_cent)
    return number_cell(found["value"].iloc[0], per_cent, found["where"].iloc[0])
