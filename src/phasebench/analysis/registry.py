"""Registry of the analyses."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from phasebench.common.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

    from phasebench.analysis.finished import FinishedRun

    Analysis = Callable[[Sequence[FinishedRun], pd.DataFrame], pd.DataFrame]

ANALYSES: Registry[str] = Registry(
    "analysis",
    {
        "bias_variance": "phasebench.analysis.bias_variance:analyse_bias_variance",
        "early_accuracy": "phasebench.analysis.early_accuracy:analyse_early_accuracy",
        "projections": "phasebench.analysis.projections:analyse_projections",
        "trend": "phasebench.analysis.trend:analyse_trend",
    },
)


def load_analysis(name: str) -> "Analysis":
    """The analysis of that name: a function from finished runs and the study's numbers to a tidy table.

    Raises
    ------
    PhasebenchError
        There is no such analysis.
    """
    analysis: Analysis = ANALYSES.load(name)
    return analysis
