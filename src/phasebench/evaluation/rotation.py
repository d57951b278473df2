"""Accuracy under random phase rotation (Singhal, Xing and Yu 2022, Fig. 2c and Table 3b).

The study does not give its ranges. Here every test sample is multiplied by ``exp(i theta)``, ``theta`` uniform within
plus or minus the range, in all encoded channels alike.
"""

import math
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from phasebench.common.progress import track
from phasebench.common.seeding import Stream, generator
from phasebench.evaluation.trained import TrainedRun
from phasebench.nn.complex.layout import rotate

RANGES_DEGREES = tuple(range(0, 181, 15))
N_DRAWS = 5
# The angles are the same for every run, so that models are compared on the same rotated images.
_SEED = 0


def evaluate_rotation(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``rotation_accuracy`` for each range in degrees and each draw of angles; range 0 needs one draw."""
    conditions = [(limit, draw) for limit in RANGES_DEGREES for draw in range(N_DRAWS if limit else 1)]
    rows = []
    for limit, draw in track(conditions, "rotating"):
        angles = rotation_angles(len(run.data.test), limit, draw).to(run.data.device)
        accuracy = run.test_accuracy(partial(_rotate_samples, angles))
        rows.append({"metric": "rotation_accuracy", "condition": float(limit), "draw": draw, "value": accuracy})
    return pd.DataFrame(rows)


def rotation_angles(count: int, limit_degrees: float, draw: int) -> Tensor:
    """``count`` angles in radians, uniform within plus or minus the limit, float32."""
    uniform = torch.rand(count, generator=generator(_SEED, Stream.ROTATION, draw))
    return (2.0 * uniform - 1.0) * math.radians(limit_degrees)


def _rotate_samples(angles: Tensor, planes: Tensor, positions: Tensor) -> Tensor:
    return rotate(planes, angles[positions])
