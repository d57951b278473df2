"""Bias and variance of classifiers under the zero-one loss (Singhal, Xing and Yu 2022, Figs. 2b and 7b).

The networks of a cell of the experiment differ in their seeds, and each seed draws its own random subset of the
training pool.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from phasebench.analysis.finished import FinishedRun, by_cell
from phasebench.common.errors import PhasebenchError


def analyse_bias_variance(runs: Sequence[FinishedRun], published: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``bias`` and ``variance`` for each class (``item``) and for their mean over classes (no item).

    Cells with a single run are left out: nothing varies there.
    """
    rows = []
    for cell, group in by_cell(runs):
        if len(group) < 2:
            continue
        labels = group[0].predictions["label"].to_numpy()
        for run in group:
            if not run.predictions["index"].equals(group[0].predictions["index"]):
                raise PhasebenchError(f"run '{run.spec.id}' was tested on other samples than '{group[0].spec.id}'")
        predictions = np.stack([run.predictions["prediction"].to_numpy() for run in group])
        bias, variance = bias_and_variance(predictions, labels)
        frame = pd.DataFrame({"label": labels, "bias": bias, "variance": variance})
        by_class = frame.groupby("label")[["bias", "variance"]].mean()
        names = [group[0].classes[label] for label in by_class.index]
        for metric in ("bias", "variance"):
            values = [*by_class[metric], by_class[metric].mean()]
            for item, value in zip([*names, None], values, strict=True):
                rows.append({**cell, "n": len(group), "metric": metric, "item": item, "value": value})
    return pd.DataFrame(rows)


def bias_and_variance(predictions: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bias and variance at each sample.

    With the mode of the networks' predictions as main prediction, the bias is 1 where it is wrong, and the variance is
    the share of networks that differ from it. Of several modes the smallest label counts.

    Parameters
    ----------
    predictions : int64 (n, N)
        Predicted labels of ``n`` networks for ``N`` samples.
    labels : int64 (N,)
        The true ones.

    Returns
    -------
    tuple of float64 arrays (N,)
        Bias and variance.
    """
    n_labels = int(max(predictions.max(), labels.max())) + 1
    votes = np.stack([(predictions == label).sum(axis=0) for label in range(n_labels)])
    main = votes.argmax(axis=0)
    bias = (main != labels).astype(np.float64)
    variance = 1.0 - votes.max(axis=0) / len(predictions)
    return bias, variance
