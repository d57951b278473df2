"""Confidence in the true class while the input turns (Singhal, Xing and Yu 2022, Fig. 2d)."""

import pandas as pd
import torch

from phasebench.common.progress import track
from phasebench.evaluation.trained import TrainedRun
from phasebench.models.inference import predict
from phasebench.nn.complex.layout import rotate

ANGLES_DEGREES = tuple(range(0, 360, 10))
N_IMAGES = 8
N_AVERAGED = 512


def evaluate_confidence(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``true_class_confidence``, the softmax probability of the true class, for each angle in degrees.

    One row for each of the first eight test images (item ``image0`` ...), and one without item for the mean over the
    first 512.
    """
    indices = run.data.test[:N_AVERAGED]
    planes, labels = run.data.batch(indices), run.data.labels[indices]
    rows = []
    for degrees in track(ANGLES_DEGREES, "turning"):
        angle = torch.full((len(indices),), float(degrees), device=planes.device).deg2rad()
        probabilities = predict(run.model, [rotate(planes, angle)]).double().softmax(dim=1)
        confidence = probabilities.gather(1, labels[:, None])[:, 0]
        values = [(f"image{image}", value) for image, value in enumerate(confidence[:N_IMAGES].tolist())]
        for item, value in [*values, (None, confidence.mean().item())]:
            rows.append(
                {"metric": "true_class_confidence", "condition": float(degrees), "item": item, "draw": 0}
                | {"value": value}
            )
    return pd.DataFrame(rows)
