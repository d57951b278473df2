"""Rotation undone by a phase normalisation of the input (Singhal, Xing and Yu 2022, section 5.3 and Fig. 8c).

Every rotated sample is multiplied by ``exp(-i phi)``, ``phi`` its average phase. The study does not define the average;
on circles there are several.
"""

from collections.abc import Callable
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from phasebench.evaluation.rotation import rotation_angles, turned_accuracies
from phasebench.evaluation.trained import TrainedRun
from phasebench.nn.complex.angle import circular_phase, phase
from phasebench.nn.complex.layout import rotate

RANGES_DEGREES = (0, 45, 90, 135, 180)
N_DRAWS = 2


def unit_circular_phase(planes: Tensor) -> Tensor:
    """Phase of the sum of ``z / |z|``; radians ``(N,)``."""
    modulus = torch.linalg.vector_norm(planes, dim=1, keepdim=True)
    return circular_phase(torch.where(modulus > 0.0, planes / modulus, 0.0))


def arithmetic_phase(planes: Tensor) -> Tensor:
    """Mean of the principal values, which jumps where one of them passes 180 degrees; radians ``(N,)``."""
    re, im = planes.flatten(2).unbind(1)
    return phase(re, im).mean(dim=1)


NORMALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "circular": circular_phase,
    "unit_circular": unit_circular_phase,
    "arithmetic": arithmetic_phase,
}


def evaluate_phase_normalisation(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``accuracy_phase_<average>`` for each range in degrees and each draw of angles, as in the rotation."""
    conditions = [(limit, draw) for limit in RANGES_DEGREES for draw in range(N_DRAWS if limit else 1)]
    angles = torch.stack([rotation_angles(len(run.labels), *condition) for condition in conditions])
    rows = [
        {"metric": f"accuracy_phase_{name}", "condition": float(limit), "draw": draw, "value": accuracy}
        for name, average in NORMALISATIONS.items()
        for (limit, draw), accuracy in zip(
            conditions, turned_accuracies(run, angles, partial(normalise_phase, average=average)), strict=True
        )
    ]
    return pd.DataFrame(rows)


def normalise_phase(planes: Tensor, average: Callable[[Tensor], Tensor]) -> Tensor:
    """Turn every sample ``(N, 2, C, H, W)`` back by its average phase."""
    return rotate(planes, -average(planes))
