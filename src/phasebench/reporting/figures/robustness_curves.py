"""Accuracy under rotation and colour jitter (Singhal, Xing and Yu 2022, Fig. 2c), and the course of training."""

from collections.abc import Sequence

import pandas as pd

from phasebench.plan.figure_kinds import FigureKind
from phasebench.reporting import measurements
from phasebench.reporting.cells import Column, PlainCell, PlainTable, seeds_cell, summary_cell
from phasebench.reporting.drawing.lines import Axis, LinePlot, line_panels
from phasebench.reporting.drawing.palette import LineStyle, present
from phasebench.reporting.drawing.panels import StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.labels import per_cent
from phasebench.reporting.tables import rotation
from phasebench.tables.read import ReportTables

BANDS = "Lines are means over seeds, bands one sample standard deviation, absent where one seed ran."
ROTATION_RANGE = Axis("condition", "Phases rotated within ±R (degrees)", (-4, 184), tick_step=45)
TEST_ACCURACY = Axis("per_cent", "Test accuracy (%)", (0, 100), tick_step=20)
_JITTER_STRENGTH = Axis("condition", "Strength of colour jitter", (-0.02, 1.02), tick_step=0.25)
_STEP = Axis("step", "Training step")
_VALIDATION_ACCURACY = Axis("per_cent", "Validation accuracy (%)", (0, 100), tick_step=20)
_TRAINING_LOSS = Axis("train_loss", "Training loss", logarithmic=True)
# One panel for each setting of a table of the studies, also of the largest.
_ALL_PANELS = 18


def rotation_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Accuracy over the range of a random rotation of the input's phase."""
    data = rotation.rotation_measurements(tables, experiment)
    rows = rotation.rotation_rows(data, experiment)
    labels = {model: style.label for model, style in styles.items()}
    return _figure(
        "rotation",
        "Rotation of the input's phase",
        "Test accuracy under random phase rotation.",
        "Every encoded test image is multiplied by exp(iθ), θ uniform in ±R, the same for all its channels; nothing is "
        f"retrained. Accuracies are averaged over the draws of θ. {BANDS}",
        data,
        experiment,
        styles,
        ROTATION_RANGE,
        table=_rotation_table(rows, experiment, labels),
    )


def jitter_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Accuracy over the strength of a random colour jitter."""
    return _figure(
        "colour-jitter",
        "Colour jitter",
        "Test accuracy under random colour jitter.",
        "Brightness, contrast, saturation and hue of every test image are changed at random before it is encoded; at "
        "strength 1 by up to 40 %, 40 %, 40 % and a tenth of the colour circle. Every model sees the same changes, and "
        f"nothing is retrained. {BANDS}",
        measurements.of_runs(tables.metrics, experiment, "jitter_accuracy"),
        experiment,
        styles,
        _JITTER_STRENGTH,
    )


def training_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Validation accuracy and training loss over steps."""
    history = tables.history[tables.history["run"].isin(experiment.setting_of)]
    data = history.assign(
        column=experiment.column_of(history["run"]), per_cent=100 * history["validation_accuracy"]
    ).reset_index(drop=True)
    # Without validation there is nothing to show that the curves of the test do not show.
    if not len(data) or data["validation_accuracy"].isna().all():
        return None
    plot = LinePlot(_STEP, (_VALIDATION_ACCURACY, _TRAINING_LOSS), present(styles, data["model"]), markers=False)
    return StudyFigure(
        kind="training",
        heading="Training",
        title="Validation accuracy and training loss over training steps.",
        method="One point per validation; the loss is the mean since the one before, on a logarithmic axis. " + BANDS,
        panels=line_panels(plot, titled(data, experiment)),
        data=measurements.tidy(
            data,
            experiment,
            ["model", "seed", "step", "epoch", "train_loss", "validation_loss", "validation_accuracy", "learning_rate"],
        ),
        legend=tuple(plot.styles.values()),
        most_panels=_ALL_PANELS,
    )


def titled(data: pd.DataFrame, experiment: Experiment) -> list[tuple[str, pd.DataFrame]]:
    """The part of each setting under the setting's title."""
    return [(experiment.title(setting), part) for setting, part in measurements.by_setting(data, experiment)]


def _figure(
    kind: FigureKind,
    heading: str,
    title: str,
    method: str,
    data: pd.DataFrame,
    experiment: Experiment,
    styles: dict[str, LineStyle],
    x: Axis,
    table: PlainTable | None = None,
) -> StudyFigure | None:
    if not len(data):
        return None
    plot = LinePlot(x, (TEST_ACCURACY,), present(styles, data["model"]))
    return StudyFigure(
        kind=kind,
        heading=heading,
        title=title,
        method=method,
        panels=line_panels(plot, titled(data.assign(per_cent=100 * data["value"]), experiment)),
        data=measurements.tidy(data, experiment, ["model", "seed", "condition", "value"]),
        legend=tuple(plot.styles.values()),
        has_markers=True,
        most_panels=_ALL_PANELS,
        table=table,
    )


def _rotation_table(
    rows: Sequence[rotation.RotationRow], experiment: Experiment, labels: dict[str, str]
) -> PlainTable | None:
    if not rows:
        return None
    return PlainTable(
        "Accuracy before and after rotation, in per cent.",
        "Mean ± sample standard deviation over seeds; the loss is taken run by run.",
        (
            Column("Data", "text"),
            Column("Model", "text", names_row=True),
            *(Column(heading) for heading in ("At 0°", "Within ±180°", "Loss, points", "Seeds")),
        ),
        tuple(
            (
                PlainCell(experiment.title(row.setting)),
                PlainCell(labels[row.model]),
                *(summary_cell(summary, per_cent) for summary in (row.upright, row.rotated, row.loss)),
                seeds_cell(row.runs),
            )
            for row in rows
        ),
        rotation.tidy(list(rows), experiment),
    )
