"""Calibration of the networks on plain and on turned inputs."""

import pandas as pd

from phasebench.reporting import measurements
from phasebench.reporting.drawing.lines import Axis, LinePlot, line_panels
from phasebench.reporting.drawing.palette import LineStyle, present
from phasebench.reporting.drawing.panels import StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.figures.robustness_curves import BANDS, ROTATION_RANGE, titled
from phasebench.reporting.labels import decimal
from phasebench.reporting.tables.metric_table import metric_table
from phasebench.tables.read import ReportTables

_METRICS = {"calibration_error": "Calibration error", "negative_log_likelihood": "Negative log-likelihood"}


def calibration_figure(
    tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]
) -> StudyFigure | None:
    """Calibration error and negative log-likelihood over the range of rotation, a column for each in the table."""
    data = measurements.of_runs(tables.metrics, experiment, *_METRICS)
    if not len(data):
        return None
    # A column for each quantity, so that both are levels of one panel.
    wide = data.pivot(index=["run", "model", "seed", "column", "condition"], columns="metric", values="value")
    axes = tuple(Axis(metric, label, (0, None)) for metric, label in _METRICS.items() if metric in wide)
    plot = LinePlot(ROTATION_RANGE, axes, present(styles, data["model"]))
    return StudyFigure(
        kind="calibration",
        heading="Calibration",
        title="Calibration error and negative log-likelihood on the test set, plain and turned.",
        method="The expected calibration error is the mean gap between confidence and accuracy in 15 bins of equal "
        "width of the largest softmax probability, weighted by samples; 0 is a calibrated network. Turned samples have "
        f"each a phase of its own, uniform in ±180°, which is the same for all networks. {BANDS}",
        panels=line_panels(plot, titled(wide.reset_index(), experiment)),
        data=measurements.tidy(data, experiment, ["model", "seed", "metric", "condition", "value"]),
        legend=tuple(plot.styles.values()),
        has_markers=True,
        table=metric_table(
            data.assign(metric=data["metric"] + _ranges(data)),
            experiment,
            styles,
            {
                f"{metric}{limit}": f"{label}, {limit}"
                for metric, label in _METRICS.items()
                for limit in dict.fromkeys(_ranges(data.sort_values("condition")))
            },
            decimal,
            title="Calibration on plain and on turned samples.",
            caption="Turned by a random phase within the range that is named. Mean ± sample standard deviation over "
            "seeds.",
        ),
    )


def _ranges(data: pd.DataFrame) -> "pd.Series[str]":
    return data["condition"].map(lambda limit: f"±{limit:g}°" if limit else "plain")
