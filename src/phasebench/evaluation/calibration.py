"""Calibration of a network on plain and on turned test samples: calibration error and negative log-likelihood."""

import math

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from phasebench.evaluation.rotation import rotation_angles, turned_logits
from phasebench.evaluation.trained import TrainedRun

RANGES_DEGREES = (0, 180)
N_BINS = 15


def evaluate_calibration(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``calibration_error`` and ``negative_log_likelihood`` for each range of random phases in degrees."""
    rows = []
    for limit in RANGES_DEGREES:
        logits = run.logits
        if limit:
            logits = torch.empty_like(run.logits)
            for part in turned_logits(run, rotation_angles(len(run.labels), limit, 0)[None]):
                logits[part.positions] = part.logits[0]
        found = {
            "calibration_error": calibration_error(logits, run.labels),
            "negative_log_likelihood": functional.cross_entropy(logits.double(), run.labels).item(),
        }
        rows += [
            {"metric": name, "condition": float(limit), "draw": 0, "value": value} for name, value in found.items()
        ]
    return pd.DataFrame(rows)


def calibration_error(logits: Tensor, labels: Tensor) -> float:
    """Expected calibration error: the mean over samples of the gap between confidence and accuracy of their bin.

    Parameters
    ----------
    logits : Tensor
        Shape ``(N, K)``.
    labels : Tensor
        int64 ``(N,)``.

    Returns
    -------
    float
        From 0 to 1, of :data:`N_BINS` bins of equal width of the largest softmax probability.
    """
    confidence, prediction = logits.double().softmax(dim=1).max(dim=1)
    bins = (confidence * N_BINS).long().clamp(max=N_BINS - 1)
    right = (prediction == labels).double()
    gaps = torch.zeros(N_BINS, dtype=torch.float64, device=logits.device).index_add_(0, bins, right - confidence)
    return float(gaps.abs().sum() / len(labels)) if len(labels) else math.nan
