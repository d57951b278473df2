"""Registry of the evaluations."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from phasebench.common.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

    from phasebench.evaluation.trained import TrainedRun

    Evaluation = Callable[[TrainedRun], pd.DataFrame]

EVALUATIONS: Registry[str] = Registry(
    "evaluation",
    {
        "calibration": "phasebench.evaluation.calibration:evaluate_calibration",
        "class_report": "phasebench.evaluation.class_report:evaluate_class_report",
        "colour_jitter": "phasebench.evaluation.colour_jitter:evaluate_colour_jitter",
        "confidence": "phasebench.evaluation.confidence:evaluate_confidence",
        "embedding": "phasebench.evaluation.embedding:evaluate_embedding",
        "filter_similarity": "phasebench.evaluation.filter_similarity:evaluate_filter_similarity",
        "mixed_batches": "phasebench.evaluation.mixed_batches:evaluate_mixed_batches",
        "phase_normalisation": "phasebench.evaluation.phase_normalisation:evaluate_phase_normalisation",
        "robustness": "phasebench.evaluation.robustness:evaluate_robustness",
        "rotation": "phasebench.evaluation.rotation:evaluate_rotation",
        "spectra": "phasebench.evaluation.spectra:evaluate_spectra",
        "weight_projections": "phasebench.evaluation.weight_projections:evaluate_weight_projections",
    },
)


def load_evaluation(name: str) -> "Evaluation":
    """The evaluation of that name: a function from a trained run to a tidy table.

    Raises
    ------
    PhasebenchError
        There is no such evaluation.
    """
    evaluation: Evaluation = EVALUATIONS.load(name)
    return evaluation
