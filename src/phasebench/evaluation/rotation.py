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
    """Rows of ``rotation_accuracy`` for each range in degrees and each draw of angles; range 0 needs one draw.

    ``rotation_logit_change`` is :func:`logit_change` by the same rotations, for ranges above 0.
    """
    conditions = [(limit, draw) for limit in RANGES_DEGREES for draw in range(N_DRAWS if limit else 1)]
    rows = []
    plain = torch.empty(0)
    for limit, draw in track(conditions, "rotating"):
        angles = rotation_angles(len(run.data.test), limit, draw).to(run.data.device)
        logits = run.test_logits(partial(_rotate_samples, angles))
        if limit == 0:
            plain = logits
        values = {"rotation_accuracy": run.accuracy_of(logits)}
        values |= {"rotation_logit_change": logit_change(plain, logits)} if limit else {}
        rows += [
            {"metric": metric, "condition": float(limit), "draw": draw, "value": value}
            for metric, value in values.items()
        ]
    return pd.DataFrame(rows)


def logit_change(plain: Tensor, changed: Tensor) -> float:
    """Change of logits relative to their spread over images, both as root mean squares.

    Unlike a loss of accuracy it says something of a network at chance too.

    Parameters
    ----------
    plain, changed : Tensor
        Logits ``(N, K)`` of the same samples.

    Returns
    -------
    float
        0 for an invariant network, about the root of 2 where the change mixes images up; NaN where all images have the
        same logits.
    """
    spread = (plain - plain.mean(dim=0)).double().square().mean().sqrt()
    change = (changed - plain).double().square().mean().sqrt()
    return (change / spread).item() if spread > 0.0 else math.nan


def rotation_angles(count: int, limit_degrees: float, draw: int) -> Tensor:
    """``count`` angles in radians, uniform within plus or minus the limit, float32."""
    uniform = torch.rand(count, generator=generator(_SEED, Stream.ROTATION, draw))
    return (2.0 * uniform - 1.0) * math.radians(limit_degrees)


def _rotate_samples(angles: Tensor, planes: Tensor, positions: Tensor) -> Tensor:
    return rotate(planes, angles[positions])
