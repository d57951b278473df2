"""Bias and variance of classifiers under the zero-one loss (Singhal, Xing and Yu 2022, Figs. 2b and 7b).

The networks of a cell of the experiment differ in their seeds, and each seed draws its own random subset of the
training pool.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from phasebench.analysis.finished import FinishedRun, by_cell
from phasebench.common.errors import PhasebenchError

N_REPLICATES = 100
"""Bootstrap replicates of a cell; the relative error of a standard error by them is 7 %."""
_SEED = 0


def analyse_bias_variance(runs: Sequence[FinishedRun], published: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``bias`` and ``variance`` for each class (``item``) and for their mean over classes (no item).

    Cells with a single run are left out: nothing varies there. ``bias_replicate`` and ``variance_replicate`` are the
    same of :data:`N_REPLICATES` bootstrap samples of networks and of test samples, numbered by ``condition``. The same
    networks and test samples are drawn in every cell, so that replicates of two models can be compared in pairs.
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
        present = np.unique(labels)
        items = [*(group[0].classes[label] for label in present), None]
        common = {**cell, "n": len(group)}
        for metric, of_samples in (("bias", bias), ("variance", variance)):
            values = class_means(of_samples, labels)
            rows += [{**common, "metric": metric, "item": i, "value": v} for i, v in zip(items, values, strict=True)]
        for number, (bias, variance, drawn) in enumerate(_replicates(predictions, labels)):
            for metric, of_samples in (("bias_replicate", bias), ("variance_replicate", variance)):
                values = class_means(of_samples[drawn], labels[drawn])
                replicate = {**common, "metric": metric, "condition": float(number)}
                rows += [{**replicate, "item": i, "value": v} for i, v in zip(items, values, strict=True)]
    return pd.DataFrame(rows)


def class_means(of_samples: np.ndarray, labels: np.ndarray) -> list[float]:
    """Mean of each class that occurs, in the order of the labels, and the mean of these."""
    means = pd.Series(of_samples).groupby(labels).mean()
    return [*means, float(means.mean())]


def _replicates(predictions: np.ndarray, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Bias and variance at each sample of drawn networks, and drawn samples, as many of each class as there are."""
    draws = np.random.default_rng(_SEED)
    by_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    for _ in range(N_REPLICATES):
        networks = draws.integers(len(predictions), size=len(predictions))
        samples = np.concatenate([one[draws.integers(len(one), size=len(one))] for one in by_class])
        bias, variance = bias_and_variance(predictions[networks], labels)
        yield bias, variance, samples


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
