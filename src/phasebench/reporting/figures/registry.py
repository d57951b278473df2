"""Figures of the report, in the order of a section."""

from collections.abc import Callable

from phasebench.reporting.drawing.palette import LineStyle
from phasebench.reporting.drawing.panels import StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.figures.bias_variance import class_figure, violin_figure
from phasebench.reporting.figures.calibration import calibration_figure
from phasebench.reporting.figures.class_report import class_report_figure
from phasebench.reporting.figures.confidence import confidence_figure
from phasebench.reporting.figures.embedding import embedding_figure
from phasebench.reporting.figures.epoch_curves import epoch_curves_figure
from phasebench.reporting.figures.feature_maps import band_figure, norm_figure
from phasebench.reporting.figures.loss_curves import loss_figure
from phasebench.reporting.figures.overhead import overhead_figure
from phasebench.reporting.figures.phase_normalisation import phase_normalisation_figure
from phasebench.reporting.figures.projections import constraint_figure, projections_figure, trained_weights_figure
from phasebench.reporting.figures.robustness import robustness_figure
from phasebench.reporting.figures.robustness_curves import jitter_figure, rotation_figure, training_figure
from phasebench.reporting.figures.similarity import similarity_figure
from phasebench.reporting.figures.spectra import spectra_figure
from phasebench.reporting.figures.trend import trend_figure
from phasebench.tables.read import ReportTables

FigureMaker = Callable[[ReportTables, Experiment, dict[str, LineStyle]], StudyFigure | None]
"""Makes a figure of an experiment, or None where its data are missing. Styles are those of the models, by name."""

FIGURES: tuple[FigureMaker, ...] = (
    rotation_figure,
    jitter_figure,
    phase_normalisation_figure,
    robustness_figure,
    confidence_figure,
    calibration_figure,
    class_report_figure,
    embedding_figure,
    violin_figure,
    class_figure,
    trend_figure,
    similarity_figure,
    norm_figure,
    band_figure,
    spectra_figure,
    overhead_figure,
    projections_figure,
    constraint_figure,
    trained_weights_figure,
    loss_figure,
    epoch_curves_figure,
    training_figure,
)
"""A new kind of figure is a line here and one in :data:`phasebench.plan.figure_kinds.FigureKind`."""


def figures_of(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> list[StudyFigure]:
    """All figures that there are data for."""
    made = (make(tables, experiment, styles) for make in FIGURES)
    return [figure for figure in made if figure is not None]
