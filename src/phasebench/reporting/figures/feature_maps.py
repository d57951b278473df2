"""Sizes of normalised feature maps while networks train (Cakaj, Mehnert and Yang 2023, Figs. 1 and 2)."""

import pandas as pd
from matplotlib.axes import Axes

from phasebench.reporting import measurements
from phasebench.reporting.cells import PlainTable
from phasebench.reporting.drawing.lines import Axis, LinePlot, line_panels
from phasebench.reporting.drawing.palette import COLOURS, LineStyle, present
from phasebench.reporting.drawing.panels import Painter, PanelDrawing, StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.figures.robustness_curves import BANDS
from phasebench.reporting.labels import decimal, item_order
from phasebench.reporting.networks import by_network, joined_title
from phasebench.reporting.tables.metric_table import metric_table
from phasebench.tables.read import ReportTables

_EPOCH = Axis("condition", "Epoch")
_NORM = Axis("value", "Norm of the feature map", logarithmic=True)
# Lower and upper percentile of each band, the widest first.
_BANDS = ((0, 100), (7, 93), (16, 84), (31, 69))
_MEDIAN = 50
_PERCENTILES = tuple(f"map_percentile_{p}" for p in sorted({_MEDIAN, *(end for band in _BANDS for end in band)}))
_PROBED = (
    "The maps are those behind the last normalisation of a module's last block, of 128 training images at most that "
    "stay the same, computed as in training. Epoch 0 is before the first step."
)
_MOST_PANELS = 20


def norm_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Euclidean norm of the maps over epochs, a panel for each network and module."""
    data = measurements.of_runs(tables.items, experiment, "map_norm")
    if not len(data):
        return None
    plot = LinePlot(_EPOCH, (_NORM,), present(styles, data["model"]))
    panels = [
        (joined_title(network, _module(item), setting), part[part["item"] == item].reset_index(drop=True))
        for network, setting, part, item in _by_module(data, experiment, styles)
    ]
    rms = measurements.of_runs(tables.items, experiment, "map_rms")
    return StudyFigure(
        kind="feature-map-norm",
        heading="Norm of feature maps",
        title="Euclidean norm of normalised feature maps over epochs.",
        method=f"{_PROBED} The norm is taken over images, channels and pixels; its axis is logarithmic. Spectral batch "
        "normalisation divides a map of H x W pixels by the root of HW times its root mean square, by construction: "
        f"the table's first column is about 1 without it and 1/\N{SQUARE ROOT}(HW) with it. {BANDS}",
        panels=line_panels(plot, panels),
        data=measurements.tidy(data, experiment, ["model", "seed", "item", "condition", "value"]),
        legend=tuple(plot.styles.values()),
        has_markers=True,
        most_panels=_MOST_PANELS,
        table=_ends_table(rms, experiment, styles),
    )


def band_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Percentiles of the maps' values over epochs, the network without a second normalisation beside the spectral one.

    One run per model, that with the lowest seed.
    """
    values = measurements.first_seed(measurements.of_runs(tables.items, experiment, *_PERCENTILES))
    values = values[~values["model"].str.contains("_2bn")].reset_index(drop=True)
    if not len(values):
        return None
    keys = ["run", "model", "seed", "column", "condition", "item"]
    data = values.pivot(index=keys, columns="metric", values="value").reset_index().dropna()
    panels = []
    for _, setting, part, item in _by_module(data, experiment, styles):
        for model, style in present(styles, part["model"]).items():
            own = part[(part["model"] == model) & (part["item"] == item)].sort_values("condition")
            panels.append(_panel(joined_title(style.label, _module(item), setting), own))
    return StudyFigure(
        kind="feature-map-bands",
        heading="Values of feature maps",
        title="Distribution of the values of normalised feature maps over epochs.",
        method=f"{_PROBED} The line is the median; bands end at the percentiles 31 and 69, 16 and 84, 7 and 93, and at "
        "the smallest and largest value. Axes differ in their scales. One run per model, that with the lowest seed.",
        panels=tuple(panels),
        data=measurements.tidy(data, experiment, ["model", "seed", "item", "condition", *_PERCENTILES]),
        across=2,
        most_panels=_MOST_PANELS,
    )


def _by_module(
    data: pd.DataFrame, experiment: Experiment, styles: dict[str, LineStyle]
) -> list[tuple[str, str, pd.DataFrame, str]]:
    """Network, title of the setting ('' if there is but one), part and module."""
    several = data["column"].nunique() > 1
    return [
        (network, experiment.title(setting) if several else "", own, item)
        for setting, part in measurements.by_setting(data, experiment)
        for network, own in by_network(part, styles)
        for item in sorted(own["item"].unique(), key=item_order)
    ]


def _module(item: str) -> str:
    return item.replace("module", "module ")


def _panel(title: str, data: pd.DataFrame) -> PanelDrawing:
    first, last = data.iloc[0], data.iloc[-1]
    ends = "; ".join(
        f"epoch {row['condition']:g}: from {row['map_percentile_0']:.3g} to {row['map_percentile_100']:.3g}"
        for row in (first, last)
    )
    return PanelDrawing(title, f"{title}: percentiles of the map's values over epochs", f"{ends}.", (_painter(data),))


def _painter(data: pd.DataFrame) -> Painter:
    def paint(axes: Axes) -> None:
        epochs = data["condition"]
        for low, high in _BANDS:
            axes.fill_between(
                epochs,
                data[f"map_percentile_{low}"],
                data[f"map_percentile_{high}"],
                color=COLOURS[0],
                alpha=0.22,
                linewidth=0,
            )
        axes.plot(epochs, data[f"map_percentile_{_MEDIAN}"], color=COLOURS[0])
        axes.set(xlabel="Epoch", ylabel="Value")
        axes.grid(axis="y")
        axes.set_axisbelow(True)

    return paint


def _ends_table(rms: pd.DataFrame, experiment: Experiment, styles: dict[str, LineStyle]) -> PlainTable | None:
    """Root mean squares at the start and after the last epoch."""
    last = rms.groupby("run")["condition"].transform("max")
    ends = pd.concat(
        [rms[rms["condition"] == 0].assign(end="start"), rms[rms["condition"] == last].assign(end="end")],
        ignore_index=True,
    )
    ends = ends.assign(metric=ends["item"] + "_" + ends["end"])
    headings = {
        f"{item}_{end}": f"Module {item.removeprefix('module')}, {end}"
        for item in sorted(ends["item"].unique(), key=item_order)
        for end in ("start", "end")
    }
    return metric_table(
        ends,
        experiment,
        styles,
        headings,
        decimal,
        title="Root mean square of the values of normalised feature maps.",
        caption="Before the first step and after the last epoch. Mean ± sample standard deviation over seeds.",
    )
