"""Projected weights over the course of a training (Nie and Yuan, Figs. 1 and 3).

Single snapshots can fall right behind a spike of the loss, so the claims are about means over the snapshots after the
first quarter of the training, from step 500 to 2,000 in the study.
"""

from collections.abc import Sequence

import pandas as pd

from phasebench.analysis.finished import FinishedRun, by_cell
from phasebench.common.errors import PhasebenchError
from phasebench.specs.run import FullBatchRecipe, coordinates

FIRST_SHARE = 0.25
_PREFIX = "accuracy_"
# In a real network, signs are the phases and absolute values the amplitudes.
_PHASES = ("only_phase", "only_sign")
_AMPLITUDES = ("only_amplitude", "only_absolute")
_OTHERS = ("only_real", "only_imaginary")


def analyse_projections(runs: Sequence[FinishedRun], published: pd.DataFrame) -> pd.DataFrame:
    """Rows for each run: of each projection ``mean_accuracy_...`` and, over all snapshots, ``largest_accuracy_...``.

    The same of the study's own readings, metrics ``accuracy_...`` at the steps that are their conditions, is called
    ``published_mean_accuracy_...`` and so on and has no seed. Of the means, ``phase_advantage`` is that of the phase
    less that of the amplitude, and ``phase_lead`` the phase less the best of amplitude, real and imaginary part.

    Raises
    ------
    PhasebenchError
        A run has no snapshots.
    """
    rows = []
    for cell, group in by_cell(runs):
        for run in group:
            recipe = run.spec.recipe
            if not isinstance(recipe, FullBatchRecipe):
                raise PhasebenchError(
                    f"{run.spec.id}: analyses: 'projections' needs a recipe with procedure: full_batch"
                )
            # A run that diverged is averaged from the same step on as the others.
            for metric, value in summarise_snapshots(run.history, FIRST_SHARE * recipe.steps, run.spec.id).items():
                rows.append({**cell, "seed": run.spec.seed, "n": 1, "metric": metric, "value": value})
    return pd.DataFrame([*rows, *_of_the_study(published)])


def _of_the_study(published: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of the study's own readings, by network and input."""
    rows: list[dict[str, object]] = []
    keys = list(coordinates("suite", "experiment", "stands_in_for", "variant", "seed"))
    for _, readings in published[published["metric"].str.startswith(_PREFIX)].groupby(keys, sort=False):
        first = {key: readings[key].iloc[0] for key in keys} | {"stands_in_for": None, "seed": None, "n": 1}
        steps = readings.pivot(index="condition", columns="metric", values="value").rename_axis(index="step")
        # The last reading is at the end of the training.
        summary = summarise_snapshots(steps.reset_index(), FIRST_SHARE * steps.index.max(), str(first["model"]))
        rows += ({**first, "metric": f"published_{metric}", "value": value} for metric, value in summary.items())
    return rows


def summarise_snapshots(history: pd.DataFrame, first: float, run: str) -> dict[str, float]:
    """The metrics of one run, from the columns ``step`` and ``accuracy_...`` of its history.

    Means begin at step ``first``; they are NaN where the run diverged before.

    Raises
    ------
    PhasebenchError
        There are no such columns; the message names the ``run``.
    """
    names = [str(column).removeprefix(_PREFIX) for column in history.columns if str(column).startswith(_PREFIX)]
    if not names:
        raise PhasebenchError(f"{run}: analyses: 'projections' needs a history with snapshots")
    snapshots = history.set_index("step")[[_PREFIX + name for name in names]].dropna(how="all")
    snapshots.columns = pd.Index(names)
    means = snapshots[snapshots.index >= first].mean()
    phase, amplitude, *others = (
        [means[name] for name in known if name in means] for known in (_PHASES, _AMPLITUDES, _OTHERS)
    )
    found = {f"mean_accuracy_{name}": float(means[name]) for name in names}
    found |= {f"largest_accuracy_{name}": float(snapshots[name].max()) for name in names}
    if phase and amplitude:
        found["phase_advantage"] = float(phase[0] - amplitude[0])
        found["phase_lead"] = float(phase[0] - max([*amplitude, *others[0]]))
    return found
