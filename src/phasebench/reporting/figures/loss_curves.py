"""Training loss over iterations, beside the losses that the author stored (Nie and Yuan)."""

import pandas as pd

from phasebench.reporting import measurements
from phasebench.reporting.drawing.lines import Axis, LinePlot, line_panels
from phasebench.reporting.drawing.palette import LineStyle, line_styles, present
from phasebench.reporting.drawing.panels import StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.figures.robustness_curves import BANDS
from phasebench.reporting.tables.projections_table import loss_table, published_at_steps
from phasebench.tables.read import ReportTables

_AUTHOR = "author"
_MOST_POINTS = 200


def loss_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """The loss of trainings that have neither validation nor test curves; a line for each network."""
    history = tables.history[tables.history["run"].isin(experiment.setting_of)]
    history = history[history[["validation_accuracy", "train_accuracy", "test_accuracy"]].isna().all(axis=1)]
    if not len(history):
        return None
    history = history.assign(column=experiment.column_of(history["run"])).reset_index(drop=True)
    diverged = measurements.diverged_runs(tables.runs)
    whole = history[~history["run"].isin(diverged)]
    if not len(whole):
        return None
    every = max(1, round(whole["step"].max() / _MOST_POINTS))
    drawn = whole[whole["step"] % every == 0]
    published = published_at_steps(tables, experiment)
    published = published[published["metric"] == "train_loss"]
    names = {name: style.label for name, style in present(styles, whole["model"]).items()}
    panels = []
    for setting, part in measurements.by_setting(drawn, experiment):
        author = published if not setting.is_substitute else published[:0]
        stored = pd.DataFrame({"model": _AUTHOR, "step": author["condition"], "train_loss": author["value"]})
        panels.append((experiment.title(setting), pd.concat([part, stored], ignore_index=True)))
    shown = {_AUTHOR} if any((part["model"] == _AUTHOR).any() for _, part in panels) else set()
    series = present(line_styles({**names, _AUTHOR: "Author's, stored"}.items()), {*names, *shown})
    plot = LinePlot(
        Axis("step", "Iteration"), (Axis("train_loss", "Training loss", logarithmic=True),), series, markers=False
    )
    thinned = f"; every {every}th step is drawn" if every > 1 else ""
    labels = {name: style.label for name, style in styles.items()}
    note = measurements.divergence_note(tables.runs, experiment, labels, "are left out of lines, bands and means")
    return StudyFigure(
        kind="loss",
        heading="Training loss",
        title="Mean cross-entropy of the training set over iterations.",
        method=f"The loss before each step's update, on a logarithmic axis{thinned}. {BANDS}{note}",
        panels=line_panels(plot, panels),
        data=measurements.tidy(drawn, experiment, ["model", "seed", "step", "train_loss"]),
        legend=tuple(series.values()),
        panel_size=(4.4, 2.8),
        # A stand-in's losses have nothing to agree with.
        table=loss_table(_on_the_studys_data(history, experiment), published, experiment, diverged),
    )


def _on_the_studys_data(history: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    own = [column for column, setting in enumerate(experiment.settings) if not setting.is_substitute]
    return history[history["column"].isin(own)]
