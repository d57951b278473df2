"""Which analyses there are, without importing any of them."""

import pkgutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from phasebench.common.errors import PhasebenchError

if TYPE_CHECKING:
    import pandas as pd

    from phasebench.analysis.finished import FinishedRun

    Analysis = Callable[[Sequence[FinishedRun], pd.DataFrame], pd.DataFrame]

ANALYSES: dict[str, str] = {
    "bias_variance": "phasebench.analysis.bias_variance:analyse_bias_variance",
    "early_accuracy": "phasebench.analysis.early_accuracy:analyse_early_accuracy",
    "projections": "phasebench.analysis.projections:analyse_projections",
    "trend": "phasebench.analysis.trend:analyse_trend",
}


def load_analysis(name: str) -> "Analysis":
    """The analysis of that name: a function from finished runs and the study's numbers to a tidy table.

    Raises
    ------
    PhasebenchError
        There is no such analysis.
    """
    if name not in ANALYSES:
        raise PhasebenchError(f"analysis '{name}' is not known; choose one of {', '.join(sorted(ANALYSES))}")
    analysis: Analysis = pkgutil.resolve_name(ANALYSES[name])
    return analysis
