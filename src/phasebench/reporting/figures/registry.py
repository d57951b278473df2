"""The figures of the report, in the order of a section, and the figures of the studies that they answer."""

from collections.abc import Callable

from phasebench.reporting.drawing.palette import LineStyle
from phasebench.reporting.drawing.panels import StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.figures.bias_variance import class_figure, violin_figure
from phasebench.reporting.figures.confidence import confidence_figure
from phasebench.reporting.figures.embedding import embedding_figure
from phasebench.reporting.figures.epoch_curves import epoch_curves_figure
from phasebench.reporting.figures.feature_maps import band_figure, norm_figure
from phasebench.reporting.figures.loss_curves import loss_figure
from phasebench.reporting.figures.overhead import overhead_figure
from phasebench.reporting.figures.phase_normalisation import phase_normalisation_figure
from phasebench.reporting.figures.projections import constraint_figure, projections_figure, trained_weights_figure
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
    confidence_figure,
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
"""A new kind of figure is a line here."""

_ANSWERED = {
    ("co_domain_symmetry", "table_1", "rotation"): "Figure 2c",
    ("co_domain_symmetry", "table_1", "colour-jitter"): "Figure 2c",
    ("co_domain_symmetry", "table_1", "phase-normalisation"): "Figure 8c",
    ("co_domain_symmetry", "table_1", "confidence"): "Figure 2d",
    ("co_domain_symmetry", "table_1", "embedding"): "Figure 8a and b",
    ("co_domain_symmetry", "table_1", "bias-variance"): "Figure 2b",
    ("co_domain_symmetry", "table_1", "bias-variance-classes"): "Figure 7b",
    ("co_domain_symmetry", "table_1", "filter-similarity"): "Figure 7c",
    ("co_domain_symmetry", "table_2", "trend"): "Figure 7a",
    ("co_domain_symmetry", "table_3", "rotation"): "Table 3b",
    ("spectral_batch_norm", "table_1", "epoch-curves"): "Figure 4",
    ("spectral_batch_norm", "table_1", "overhead"): "Table VI",
    ("spectral_batch_norm", "table_2", "feature-map-norm"): "Figure 1",
    ("spectral_batch_norm", "table_2", "feature-map-bands"): "Figure 2",
    ("spectral_batch_norm", "table_2", "spectra"): "Figure 3",
    ("spectral_batch_norm", "table_2", "overhead"): "Table VI",
    ("spectral_batch_norm", "table_4", "overhead"): "Table VI",
    ("phase_matters", "figure_1_left", "projections"): "Figure 1, left",
    ("phase_matters", "figure_1_right", "projections"): "Figure 1, right",
    ("phase_matters", "figure_3", "projections"): "Figure 3a to d",
}


def figures_of(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> list[StudyFigure]:
    """All figures that there are data for."""
    made = (make(tables, experiment, styles) for make in FIGURES)
    return [figure for figure in made if figure is not None]


def answered(experiment: Experiment, kind: str) -> str:
    """Which figure of the study a figure answers: 'Figure 2c', or ''."""
    return _ANSWERED.get((experiment.suite, experiment.name, kind), "")
