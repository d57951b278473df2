"""Accuracy with projected weights, in the course of a training and at its end (Nie and Yuan, Figs. 1 and 3)."""

from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes

from phasebench.common.statistics import FRACTION
from phasebench.reporting import measurements
from phasebench.reporting.drawing.lines import Axis, LinePlot, line_panels
from phasebench.reporting.drawing.palette import LineStyle, line_styles, present
from phasebench.reporting.drawing.panels import Painter, PanelDrawing, StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.figures.robustness_curves import BANDS, TEST_ACCURACY
from phasebench.reporting.labels import per_cent
from phasebench.reporting.tables.metric_table import metric_table
from phasebench.reporting.tables.projections_table import projections_table
from phasebench.tables.read import ReportTables

KEPT = {
    "accuracy_origin": "Everything",
    "accuracy_half_units": "A random half of the units",
    "accuracy_only_phase": "Phase",
    "accuracy_only_sign": "Sign",
    "accuracy_only_amplitude": "Amplitude",
    "accuracy_only_absolute": "Absolute value",
    "accuracy_only_real": "Real part",
    "accuracy_only_imaginary": "Imaginary part, as a real weight",
    "accuracy_imaginary_axis": "Imaginary part",
    "accuracy_half_elements": "A random half of the weights",
}
"""Metric -> what is kept of the weights."""
ITERATION = Axis("condition", "Iteration")
_METHOD = (
    "At every snapshot, all weights of a copy of the network are replaced by what is kept of them, in all layers at "
    "once, and the copy is tested; training goes on with the weights as they are. Phases and signs get one modulus for "
    "each layer. Of random halves, the mean over ten draws is shown: zeroed are half of the units of every hidden "
    "layer, or half of the elements of every weight. "
)


def projections_figure(
    tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]
) -> StudyFigure | None:
    """Test accuracy over iterations, a line for everything that is kept; a panel for each network."""
    data = measurements.of_runs(tables.metrics, experiment, *KEPT).dropna(subset=["condition"])
    if set(data["metric"]) <= {"accuracy_origin"}:
        return None
    plot = LinePlot(ITERATION, (TEST_ACCURACY,), _styles(data["metric"]), series="metric")
    return StudyFigure(
        kind="projections",
        heading="What is kept of the weights",
        title="Test accuracy over iterations, of networks of whose weights one kind of information is kept.",
        method=_METHOD + BANDS + _divergence_note(tables, experiment, styles),
        panels=line_panels(plot, _by_network(data, experiment, styles)),
        data=measurements.tidy(data, experiment, ["model", "seed", "metric", "condition", "value"]),
        legend=tuple(plot.styles.values()),
        has_markers=True,
        across=2,
        panel_size=(4.4, 3.0),
        table=projections_table(tables, experiment, styles, data, KEPT),
    )


def constraint_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Test accuracy over iterations of networks whose weights are projected after every step."""
    measured = measurements.of_runs(tables.metrics, experiment, *KEPT).dropna(subset=["condition"])
    if not len(measured) or set(measured["metric"]) != {"accuracy_origin"}:
        return None
    data = measured.assign(per_cent=100 * measured["value"])
    plot = LinePlot(ITERATION, (TEST_ACCURACY,), present(styles, data["model"]))
    panels = [(experiment.title(setting), part) for setting, part in measurements.by_setting(data, experiment)]
    return StudyFigure(
        kind="constraints",
        heading="Weights that are projected while they are trained",
        title="Test accuracy over iterations, of networks that keep one kind of information after every step.",
        method="After every step of gradient descent the weights themselves are replaced by what is kept of them, and "
        f"training goes on from there. {BANDS}" + _divergence_note(tables, experiment, styles),
        panels=line_panels(plot, panels),
        data=measurements.tidy(data, experiment, ["model", "seed", "metric", "condition", "value"]),
        legend=tuple(plot.styles.values()),
        has_markers=True,
        panel_size=(4.4, 3.0),
    )


def trained_weights_figure(
    tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]
) -> StudyFigure | None:
    """Test accuracy of trained networks of whose weights one kind of information is kept."""
    measured = measurements.of_runs(tables.metrics, experiment, *KEPT)
    data = measured[measured["condition"].isna()].reset_index(drop=True)
    if not len(data):
        return None
    data = data.assign(per_cent=100 * data["value"])
    panels = []
    for setting, part in measurements.by_setting(data, experiment):
        for model in present(styles, part["model"]):
            own = part[part["model"] == model]
            panels.append(_bars(f"{styles[model].label}, {experiment.title(setting)}", own))
    printed = {metric: heading for metric, heading in KEPT.items() if metric in set(data["metric"])}
    return StudyFigure(
        kind="trained-weights",
        heading="What is kept of the trained weights",
        title="Test accuracy of trained networks of whose weights one kind of information is kept.",
        method="All convolutions and dense layers of the trained network are projected at once; of the units, a half "
        "of each layer but the last is zeroed. Biases and normalisations stay as trained, and nothing is retrained. "
        "Bars are means over seeds, dots single seeds, each a mean over ten draws for random halves.",
        panels=tuple(panels),
        data=measurements.tidy(data, experiment, ["model", "seed", "metric", "value"]),
        across=2,
        panel_size=(4.8, 2.8),
        table=metric_table(
            data,
            experiment,
            styles,
            printed,
            per_cent,
            title="Test accuracy by what is kept of the trained weights, in per cent.",
            caption="Mean ± sample standard deviation over seeds.",
            limits=FRACTION,
        ),
    )


def _divergence_note(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> str:
    return measurements.divergence_note(tables.runs, experiment, {name: style.label for name, style in styles.items()})


def _by_network(
    data: pd.DataFrame, experiment: Experiment, styles: dict[str, LineStyle]
) -> list[tuple[str, pd.DataFrame]]:
    several = data["column"].nunique() > 1
    return [
        (
            f"{styles[model].label}, {experiment.title(setting)}" if several else styles[model].label,
            part[part["model"] == model].assign(per_cent=100 * part["value"]),
        )
        for setting, part in measurements.by_setting(data, experiment)
        for model in present(styles, part["model"])
    ]


def _styles(metrics: Iterable[str]) -> dict[str, LineStyle]:
    """Styles by position, so that a sign is drawn like a phase, and what stands in one panel has different colours."""
    drawn = set(metrics)
    return line_styles((metric, label) for metric, label in KEPT.items() if metric in drawn)


def _bars(title: str, data: pd.DataFrame) -> PanelDrawing:
    means = data.groupby("metric")["per_cent"].mean()
    drawn = _styles(means.index)
    description = " ".join(f"{style.label}: {means[metric]:.3g} %." for metric, style in drawn.items())
    return PanelDrawing(title, f"{title}: test accuracy by what is kept", description, (_bar_painter(data, drawn),))


def _bar_painter(data: pd.DataFrame, styles: dict[str, LineStyle]) -> Painter:
    def paint(axes: Axes) -> None:
        for position, (metric, style) in enumerate(styles.items()):
            values = data[data["metric"] == metric]["per_cent"]
            axes.barh(position, values.mean(), height=0.7, color=style.colour, alpha=0.6)
            axes.plot(values, [position] * len(values), "o", color=style.colour, markeredgewidth=0)
        axes.set(xlim=(0, 100), xlabel=TEST_ACCURACY.label)
        axes.set_yticks(range(len(styles)), [style.label for style in styles.values()])
        axes.invert_yaxis()

    return paint
