"""A table of some metrics of every model on every setting, summarised over seeds."""

from collections.abc import Callable, Mapping

import pandas as pd

from phasebench.common.statistics import UNLIMITED, summarise
from phasebench.reporting import measurements
from phasebench.reporting.cells import Column, PlainCell, PlainTable, seeds_cell, summary_cell
from phasebench.reporting.drawing.palette import LineStyle, present
from phasebench.reporting.experiments import Experiment


def metric_table(
    data: pd.DataFrame,
    experiment: Experiment,
    styles: dict[str, LineStyle],
    metrics: Mapping[str, str],
    printed: Callable[[float], str],
    *,
    title: str,
    caption: str,
    limits: tuple[float, float] = UNLIMITED,
) -> PlainTable | None:
    """Table of models on settings (rows) by metrics (columns, name -> heading); None without data.

    Parameters
    ----------
    data
        From :func:`phasebench.reporting.measurements.of_runs`.
    printed
        A value as text.
    limits
        Range that no mean of these metrics can leave.
    """
    if not len(data):
        return None
    rows = []
    for setting, part in measurements.by_setting(data, experiment):
        for model, style in present(styles, part["model"]).items():
            own = part[part["model"] == model]
            summaries = [summarise(own[own["metric"] == metric]["value"], limits) for metric in metrics]
            rows.append(
                (
                    PlainCell(experiment.title(setting)),
                    PlainCell(style.label),
                    *(summary_cell(summary, printed) for summary in summaries),
                    seeds_cell(tuple(dict.fromkeys(own["run"]))),
                )
            )
    columns = (
        Column("Data", "text"),
        Column("Model", "text", names_row=True),
        *(Column(heading) for heading in (*metrics.values(), "Seeds")),
    )
    frame = measurements.tidy(data, experiment, ["model", "seed", "metric", "value"])
    return PlainTable(title, caption, columns, tuple(rows), frame)
