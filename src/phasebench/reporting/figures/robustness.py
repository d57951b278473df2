"""Accuracy under noise, phase errors, another gain and a shift of the input."""

import pandas as pd

from phasebench.reporting import measurements
from phasebench.reporting.cells import PlainTable
from phasebench.reporting.drawing.lines import Axis, LinePlot
from phasebench.reporting.drawing.palette import LineStyle, present
from phasebench.reporting.drawing.panels import StudyFigure
from phasebench.reporting.experiments import TEST_ACCURACY, Experiment
from phasebench.reporting.figures import robustness_curves
from phasebench.reporting.labels import per_cent
from phasebench.reporting.tables.metric_table import metric_table
from phasebench.tables.read import ReportTables

# Metric -> name of the change, and its axis.
DISTURBANCES = {
    "noise_accuracy": ("Complex noise", Axis("condition", "Signal-to-noise ratio (dB)", tick_step=5)),
    "phase_noise_accuracy": ("Phase noise", Axis("condition", "Standard deviation of phase noise (degrees)")),
    "linear_phase_accuracy": ("Linear phase", Axis("condition", "Cycles of phase over the width")),
    "quadratic_phase_accuracy": ("Quadratic phase", Axis("condition", "Phase error at the band's ends (degrees)")),
    "magnitude_accuracy": ("Magnitude", Axis("condition", "Factor on all magnitudes")),
    "shift_accuracy": ("Shift", Axis("condition", "Shift in both directions (pixels)")),
}
_COLUMNS = {TEST_ACCURACY: "Undisturbed", **{metric: name for metric, (name, _) in DISTURBANCES.items()}}
# All changes of three settings.
_MOST_PANELS = 18


def robustness_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Accuracy over the strength of each disturbance of the input; a panel for each, a line for each network."""
    data = measurements.of_runs(tables.metrics, experiment, *DISTURBANCES)
    if not len(data):
        return None
    drawn = present(styles, data["model"])
    panels = tuple(
        LinePlot(axis, (robustness_curves.TEST_ACCURACY,), drawn).panel(
            f"{name}: {title}", part[part["metric"] == metric]
        )
        for title, part in robustness_curves.titled(data.assign(per_cent=100 * data["value"]), experiment)
        for metric, (name, axis) in DISTURBANCES.items()
        if (part["metric"] == metric).any()
    )
    return StudyFigure(
        kind="robustness",
        heading="Noise, phase errors, gain and shift",
        title="Test accuracy on disturbed inputs.",
        method="Encoded test samples are disturbed, all channels alike; nothing is retrained. Complex normal noise has "
        "a ratio of the sample's mean power to its own; phase noise turns each pixel by a normal angle; a linear phase "
        "grows over the width; a quadratic phase over the spectrum of the rows defocuses like an autofocus error; a "
        "factor scales all magnitudes; a shift is circular. Every network sees the same random numbers. "
        f"{robustness_curves.BANDS}",
        panels=panels,
        data=measurements.tidy(data, experiment, ["model", "seed", "metric", "condition", "value"]),
        legend=tuple(drawn.values()),
        has_markers=True,
        most_panels=_MOST_PANELS,
        table=_table(tables, data, experiment, styles),
    )


def _table(
    tables: ReportTables, data: pd.DataFrame, experiment: Experiment, styles: dict[str, LineStyle]
) -> PlainTable | None:
    """Mean accuracy over the conditions of each disturbance, beside the accuracy on the whole test set."""
    undisturbed = measurements.of_runs(tables.metrics, experiment, TEST_ACCURACY)
    undisturbed = undisturbed[undisturbed["run"].isin(data["run"])]
    keys = ["run", "model", "seed", "column", "metric"]
    means = pd.concat([undisturbed, data], ignore_index=True).groupby(keys)["value"].mean().reset_index()
    return metric_table(
        means,
        experiment,
        styles,
        _COLUMNS,
        per_cent,
        title="Accuracy on disturbed inputs, in per cent.",
        caption="Undisturbed is the accuracy on the whole test set; the others are means over all strengths of the "
        "disturbance that are drawn above. Mean ± sample standard deviation over seeds.",
        limits=(0.0, 1.0),
    )
