"""Magnitudes of the frequencies of feature maps (Cakaj, Mehnert and Yang 2023, Fig. 3)."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from phasebench.reporting import measurements
from phasebench.reporting.cells import PlainTable
from phasebench.reporting.drawing.palette import LineStyle, present
from phasebench.reporting.drawing.panels import Painter, PanelDrawing, StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.labels import decimal
from phasebench.reporting.networks import joined_title
from phasebench.reporting.tables.metric_table import metric_table
from phasebench.tables.read import ReportTables

_MAGNITUDES = ("magnitude_before", "magnitude_after")
_SUMMARIES = {
    "magnitude_rms_before": "root mean square before",
    "magnitude_rms_after": "behind",
    "magnitude_peak_before": "peak before",
    "magnitude_peak_after": "behind",
}
_MOST_PANELS = 20


def spectra_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Spectra of single channels before and behind the second normalisation, a panel for each channel."""
    data = measurements.first_seed(measurements.of_runs(tables.items, experiment, *_MAGNITUDES))
    if not len(data):
        return None
    data = data.assign(module=data["item"].str.partition("/")[0], channel=data["item"].str.partition("/")[2])
    panels = []
    for setting, part in measurements.by_setting(data, experiment):
        for model, style in present(styles, part["model"]).items():
            own = part[part["model"] == model]
            module = own["module"].min()
            shown = own[own["module"] == module]
            several = data["column"].nunique() > 1
            for channel in dict.fromkeys(shown["channel"]):
                # Short: the panels are narrow.
                title = joined_title(
                    style.label.partition(" + ")[0],
                    module.replace("module", "module "),
                    f"no. {int(channel.removeprefix('channel')) + 1}",
                    experiment.title(setting) if several else "",
                )
                panels.append(_panel(title, shown[shown["channel"] == channel]))
    return StudyFigure(
        kind="spectra",
        heading="Frequencies of feature maps",
        title="Magnitudes of the frequencies of a feature map before and behind spectral batch normalisation.",
        method="The first channels of the maps of the first test image in a trained network, with the running "
        "statistics of evaluation; constant part in the middle, brighter is larger. Above: what enters the layer; in "
        "the middle: what leaves it, in the same colours; below: the same with colours of its own. But for the mean, "
        "which it takes from every frequency, the layer multiplies a channel's frequencies by one number: magnitudes "
        "get smaller, and their shares of the whole hardly change. One run per model, that with the lowest seed.",
        panels=tuple(panels),
        data=measurements.tidy(data, experiment, ["model", "seed", "metric", "item", "condition", "value"]),
        across=4,
        panel_size=(2.2, 1.9),
        most_panels=_MOST_PANELS,
        table=_table(tables, experiment, styles),
    )


def _panel(title: str, data: pd.DataFrame) -> PanelDrawing:
    before, after = (_square(data[data["metric"] == metric]) for metric in _MAGNITUDES)
    largest = max(before.max(), after.max())
    numbers = f"Largest magnitude {before.max():.3g} before the layer and {after.max():.3g} behind it."
    return PanelDrawing(
        title,
        f"{title}: magnitudes of frequencies before and behind the second normalisation",
        numbers,
        (
            _painter(before, largest, "before"),
            _painter(after, largest, "behind"),
            _painter(after, after.max(), "behind, own colours"),
        ),
    )


def _square(data: pd.DataFrame) -> np.ndarray:
    """Magnitudes of a channel, (H, W); maps are square."""
    values = data.sort_values("condition")["value"].to_numpy()
    side = math.isqrt(len(values))
    return values.reshape(side, -1)


def _painter(values: np.ndarray, largest: float, label: str) -> Painter:
    def paint(axes: Axes) -> None:
        # Cells instead of an image, which a vector graphic would have to embed.
        axes.pcolormesh(values, vmin=0.0, vmax=largest or 1.0, cmap="viridis", linewidth=0)
        axes.set(xticks=[], yticks=[], ylabel=label)
        axes.set_aspect("equal")
        axes.invert_yaxis()

    return paint


def _table(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> PlainTable | None:
    data = measurements.of_runs(tables.items, experiment, *_SUMMARIES)
    headings = {
        f"{metric}/{module}": f"{module.replace('module', 'Module ')}, {words}"
        for module in sorted(data["item"].unique())
        for metric, words in _SUMMARIES.items()
    }
    return metric_table(
        data.assign(metric=data["metric"] + "/" + data["item"]),
        experiment,
        styles,
        headings,
        decimal,
        title="Magnitudes over all channels of the first 256 test images.",
        caption="Root mean square of the Fourier coefficients, and the mean over maps of their largest modulus over "
        "their root mean square, which is 1 for a flat spectrum.",
    )
