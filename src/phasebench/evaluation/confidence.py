"""Confidence in the true class while the input turns (Singhal, Xing and Yu 2022, Fig. 2d)."""

import pandas as pd
import torch

from phasebench.evaluation.rotation import turned_logits
from phasebench.evaluation.trained import TrainedRun

ANGLES_DEGREES = tuple(range(0, 360, 10))
N_IMAGES = 8


def evaluate_confidence(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``true_class_confidence``, the softmax probability of the true class, for each angle in degrees.

    One row for each of the first eight test samples (item ``image0`` ...), and one without item for the mean over all.
    """
    labels = run.labels
    confidences = torch.empty((len(ANGLES_DEGREES), len(labels)), dtype=torch.float64, device=labels.device)
    angles = torch.tensor(ANGLES_DEGREES, dtype=torch.float32).deg2rad()[:, None].expand(-1, len(labels))
    for rows, positions, logits in turned_logits(run, angles):
        true_class = labels[positions].expand(len(logits), -1).unsqueeze(2)
        confidences[rows, positions] = logits.double().softmax(dim=2).gather(2, true_class).squeeze(2)
    rows_of_table = []
    for degrees, confidence in zip(ANGLES_DEGREES, confidences, strict=True):
        values = [(f"image{image}", value) for image, value in enumerate(confidence[:N_IMAGES].tolist())]
        rows_of_table += [
            {"metric": "true_class_confidence", "condition": float(degrees), "item": item, "draw": 0, "value": value}
            for item, value in [*values, (None, confidence.mean().item())]
        ]
    return pd.DataFrame(rows_of_table)
