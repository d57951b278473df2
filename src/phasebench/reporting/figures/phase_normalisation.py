"""Rotations of an input whose average phase is cancelled (Singhal, Xing and Yu 2022, Fig. 8c)."""

from phasebench.reporting import measurements
from phasebench.reporting.drawing.lines import LinePlot, line_panels
from phasebench.reporting.drawing.palette import LineStyle, line_styles, present
from phasebench.reporting.drawing.panels import StudyFigure
from phasebench.reporting.experiments import ROTATION_ACCURACY, Experiment
from phasebench.reporting.figures.robustness_curves import BANDS, ROTATION_RANGE, TEST_ACCURACY
from phasebench.reporting.labels import MINUS
from phasebench.tables.read import ReportTables

# The first is what the others are compared with.
_NORMALISATIONS = {
    ROTATION_ACCURACY: "None",
    "accuracy_phase_arithmetic": "Arithmetic mean of angles",
    "accuracy_phase_circular": "Circular mean",
    "accuracy_phase_unit_circular": "Circular mean of unit values",
}


def phase_normalisation_figure(
    tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]
) -> StudyFigure | None:
    """Accuracy over the range of rotation, with and without phase normalisation; a panel for each model."""
    data = measurements.of_runs(tables.metrics, experiment, *_NORMALISATIONS)
    normalised = data[data["metric"] != ROTATION_ACCURACY]
    if not len(normalised):
        return None
    cells = set(zip(normalised["column"], normalised["model"], strict=True))
    data = data[[cell in cells for cell in zip(data["column"], data["model"], strict=True)]].reset_index(drop=True)
    plot = LinePlot(
        ROTATION_RANGE,
        (TEST_ACCURACY,),
        present(line_styles(_NORMALISATIONS.items()), data["metric"]),
        series="metric",
    )
    several = data["column"].nunique() > 1
    panels = [
        (
            f"{styles[model].label}, {experiment.title(setting)}" if several else styles[model].label,
            part[part["model"] == model].assign(per_cent=100 * part["value"]),
        )
        for setting, part in measurements.by_setting(data, experiment)
        for model in present(styles, part["model"])
    ]
    return StudyFigure(
        kind="phase-normalisation",
        heading="Phase normalisation",
        title="Test accuracy under random phase rotation, with and without phase normalisation.",
        method=f"After the rotation, the encoded image is multiplied by exp({MINUS}iφ), φ its average phase: the "
        f"arithmetic mean of the angles in ({MINUS}180°, 180°], the angle of the sum of all values, or that of the sum "
        "of their unit values. The circular means turn with the image, so that any network becomes invariant; the "
        f"arithmetic mean breaks where angles wrap. The networks were trained without normalisation. {BANDS}",
        panels=line_panels(plot, panels),
        data=measurements.tidy(data, experiment, ["model", "seed", "metric", "condition", "value"]),
        legend=tuple(plot.styles.values()),
        has_markers=True,
    )
