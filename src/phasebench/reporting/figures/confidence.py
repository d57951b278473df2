"""Confidence in the true class while the input's phase turns once (Singhal, Xing and Yu 2022, Fig. 2d)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from phasebench.reporting import measurements
from phasebench.reporting.drawing.palette import LineStyle, present
from phasebench.reporting.drawing.panels import Painter, PanelDrawing, StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.labels import item_name, item_order
from phasebench.tables.read import ReportTables


def confidence_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Polar plots, one for each image: the confidences of all models over the angle."""
    data = measurements.first_seed(measurements.of_runs(tables.items, experiment, "true_class_confidence"))
    if not len(data):
        return None
    drawn = present(styles, data["model"])
    several = data["column"].nunique() > 1
    panels = []
    # Image by image, so that the first panels show every setting.
    for item in sorted(data["item"].unique(), key=item_order):
        for setting, part in measurements.by_setting(data[data["item"] == item], experiment):
            title = f"{experiment.title(setting)}, {item_name(item).lower()}" if several else item_name(item)
            panels.append(_panel(title, part, drawn))
    return StudyFigure(
        kind="confidence",
        heading="Confidence while the phase turns",
        title="Probability of the true class over the angle of rotation.",
        method="Each panel is one test image, multiplied by exp(iθ); the angle is θ, the radius the softmax "
        "probability of the image's class from 0 in the centre to 1. An invariant network draws a circle. One run per "
        "model, that with the lowest seed.",
        panels=tuple(panels),
        data=measurements.tidy(data, experiment, ["model", "seed", "item", "condition", "value"]),
        legend=tuple(drawn.values()),
        projection="polar",
        panel_size=(2.9, 2.7),
    )


def _panel(title: str, data: pd.DataFrame, styles: dict[str, LineStyle]) -> PanelDrawing:
    extremes = data.groupby("model")["value"].agg(["min", "max"])
    sentences = [
        f"{style.label}: {extremes['min'][model]:.3g} to {extremes['max'][model]:.3g}."
        for model, style in styles.items()
        if model in extremes.index
    ]
    summary = f"{title}: probability of the true class over the angle of rotation"
    return PanelDrawing(title, summary, " ".join(sentences), (_painter(data, styles),))


def _painter(data: pd.DataFrame, styles: dict[str, LineStyle]) -> Painter:
    def paint(axes: Axes) -> None:
        for model, style in styles.items():
            line = data[data["model"] == model].sort_values("condition")
            if len(line):
                closed = pd.concat([line, line.iloc[:1]])
                (drawn,) = axes.plot(np.radians(closed["condition"]), closed["value"], color=style.colour)
                drawn.set_linestyle((0, style.dashes) if style.dashes else "solid")
        axes.set(ylim=(0, 1), yticks=(0.25, 0.5, 0.75, 1.0), xticks=np.radians(range(0, 360, 45)))
        axes.set_yticklabels(("", "0.5", "", "1"))
        axes.tick_params(pad=1)

    return paint
