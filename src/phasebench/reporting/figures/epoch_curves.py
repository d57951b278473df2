"""Loss and accuracy on training and test data over epochs, for studies that follow the test while they train."""

from dataclasses import replace

import pandas as pd

from phasebench.reporting import measurements
from phasebench.reporting.drawing.lines import Axis, LinePlot, line_panels
from phasebench.reporting.drawing.palette import LineStyle, line_styles
from phasebench.reporting.drawing.panels import PanelDrawing, StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.figures.robustness_curves import BANDS
from phasebench.reporting.networks import by_network, joined_title
from phasebench.tables.read import ReportTables

_MOST_PANELS = 12
_EPOCH = Axis("epoch", "Epoch")
_CURVES = (
    Axis("train_loss", "Training loss", logarithmic=True),
    Axis("test_loss", "Test loss", logarithmic=True),
    Axis("train_per_cent", "Training accuracy (%)"),
    Axis("test_per_cent", "Test accuracy (%)"),
)


def epoch_curves_figure(
    tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]
) -> StudyFigure | None:
    """One panel for each data set and network, or each quantity of a single one; a line for each model and encoding."""
    history = tables.history[tables.history["run"].isin(experiment.setting_of)].dropna(subset=["test_accuracy"])
    if not len(history):
        return None
    data = history.assign(
        column=experiment.column_of(history["run"]),
        train_per_cent=100 * history["train_accuracy"],
        test_per_cent=100 * history["test_accuracy"],
        series=history["model"] + " " + history["encoding"],
    ).reset_index(drop=True)
    pairs = data[["model", "encoding", "series"]].drop_duplicates()
    labels = {
        series: f"{styles[model].label}, {experiment.display_names(encoding)}"
        for model, encoding, series in pairs.itertuples(index=False)
    }
    plot = LinePlot(_EPOCH, _CURVES, line_styles(labels.items()), series="series", markers=False)
    parts = _by_dataset(data, experiment, styles)
    panels = line_panels(plot, parts) if len(parts) > 1 else _side_by_side(plot, *parts[0])
    return StudyFigure(
        kind="epoch-curves",
        heading="Training and test curves",
        title="Loss and accuracy on training and test data over epochs.",
        method="The training curves are means over the steps since the point before, each step before its update. The "
        "test curves select nothing. Losses are on logarithmic axes. " + BANDS,
        panels=panels,
        data=measurements.tidy(
            data,
            experiment,
            ["model", "seed", "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy"],
        ),
        legend=tuple(plot.styles.values()),
        most_panels=_MOST_PANELS,
        across=2 if len(parts) == 1 else 3,
    )


def _side_by_side(plot: LinePlot, title: str, data: pd.DataFrame) -> tuple[PanelDrawing, ...]:
    """A panel for each quantity, where a single column would leave most of the page empty."""
    return tuple(replace(plot, ys=(y,)).panel(f"{title}: {y.label.lower()}", data) for y in plot.ys)


def _by_dataset(
    data: pd.DataFrame, experiment: Experiment, styles: dict[str, LineStyle]
) -> list[tuple[str, pd.DataFrame]]:
    datasets = dict.fromkeys(experiment.settings[column].dataset for column in sorted(data["column"].unique()))
    parts = {name: by_network(data[data["dataset"] == name], styles) for name in datasets}
    return [
        (joined_title(experiment.display_names(name), network if len(networks) > 1 else ""), part)
        for name, networks in parts.items()
        for network, part in networks
    ]
