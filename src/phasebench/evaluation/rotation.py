"""Accuracy under random phase rotation (Singhal, Xing and Yu 2022, Fig. 2c and Table 3b).

The study does not give its ranges. Here every test sample is multiplied by ``exp(i theta)``, ``theta`` uniform within
plus or minus the range, in all encoded channels alike.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from phasebench.common.progress import track
from phasebench.common.seeding import Stream, generator
from phasebench.evaluation.trained import TrainedRun
from phasebench.models.inference import EVALUATION_BATCH, predict
from phasebench.nn.complex.layout import rotate

RANGES_DEGREES = tuple(range(0, 181, 15))
N_DRAWS = 5
# The angles are the same for every run, so that models are compared on the same rotated images.
_SEED = 0


class Turned(NamedTuple):
    """Logits of some test samples, each turned by some of the angles.

    Attributes
    ----------
    rows
        Rows of the angles.
    positions
        The samples' positions in the test set, int64 ``(B,)``.
    logits
        Shape ``(rows, B, K)``.
    """

    rows: slice
    positions: Tensor
    logits: Tensor

    def right(self, run: TrainedRun) -> Tensor:
        """Number of samples that are classified rightly, int64 ``(rows,)``."""
        return (self.logits.argmax(dim=2) == run.labels[self.positions]).sum(dim=1)


def evaluate_rotation(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``rotation_accuracy`` for each range in degrees and each draw of angles; range 0 needs one draw.

    ``rotation_logit_change`` is :func:`logit_change` by the same rotations, for ranges above 0.
    """
    turned = [(limit, draw) for limit in RANGES_DEGREES if limit for draw in range(N_DRAWS)]
    angles = torch.stack([rotation_angles(len(run.labels), *condition) for condition in turned])
    right = torch.zeros(len(angles), dtype=torch.int64, device=run.data.device)
    squares = torch.zeros(len(angles), dtype=torch.float64, device=run.data.device)
    for part in turned_logits(run, angles):
        right[part.rows] += part.right(run)
        squares[part.rows] += (part.logits - run.logits[part.positions]).double().square().sum(dim=(1, 2))
    accuracies = (right.double() / len(run.labels)).tolist()
    values = [("rotation_accuracy", 0, 0, run.test_accuracy())]
    for metric, found in (
        ("rotation_accuracy", accuracies),
        ("rotation_logit_change", logit_change(run.logits, squares)),
    ):
        values += [(metric, *condition, value) for condition, value in zip(turned, found, strict=True)]
    return pd.DataFrame(values, columns=["metric", "condition", "draw", "value"]).astype({"condition": "float64"})


def logit_change(plain: Tensor, squares: Tensor) -> list[float]:
    """Change of logits relative to their spread over images, both as root mean squares.

    Unlike a loss of accuracy it says something of a network at chance too.

    Parameters
    ----------
    plain : Tensor
        Logits ``(N, K)`` of all samples.
    squares : Tensor
        Sums of the squared changes of all these numbers, ``(rows,)``.

    Returns
    -------
    list of float
        0 for an invariant network, about the root of 2 where the change mixes images up; NaN where all images have the
        same logits.
    """
    spread = (plain.double() - plain.double().mean(dim=0)).square().sum()
    return torch.where(spread > 0.0, (squares / spread).sqrt(), math.nan).tolist()


def rotation_angles(count: int, limit_degrees: float, draw: int) -> Tensor:
    """``count`` angles in radians, uniform within plus or minus the limit, float32."""
    uniform = torch.rand(count, generator=generator(_SEED, Stream.ROTATION, draw))
    return (2.0 * uniform - 1.0) * math.radians(limit_degrees)


def turned_accuracies(run: TrainedRun, angles: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> list[float]:
    """Accuracy on the test set for each row of angles; the arguments are those of :func:`turned_logits`."""
    right = torch.zeros(len(angles), dtype=torch.int64, device=run.data.device)
    for part in turned_logits(run, angles, change):
        right[part.rows] += part.right(run)
    return (right.double() / len(run.labels)).tolist()


def turned_logits(
    run: TrainedRun, angles: Tensor, change: Callable[[Tensor], Tensor] | None = None
) -> Iterator[Turned]:
    """Logits of the test samples while they turn, several angles in a batch where the test set is small.

    Parameters
    ----------
    run : TrainedRun
        The network and its N test samples.
    angles : Tensor
        Radians, ``(rows, N)``.
    change : callable, optional
        Changes turned planes ``(B, 2, C, H, W)`` before the network sees them.

    Yields
    ------
    Turned
        Every sample comes once with every row.
    """
    data = run.data
    size = min(EVALUATION_BATCH, len(data.test))
    positions = torch.arange(len(data.test), device=data.device).split(size)
    starts = range(0, len(angles), EVALUATION_BATCH // size)
    angles = angles.to(data.device)
    blocks = (
        (planes, part, slice(start, start + starts.step))
        for planes, part in zip(data.batches(data.test, size), positions, strict=True)
        for start in starts
    )
    for planes, part, rows in track(blocks, "turning", len(positions) * len(starts)):
        block = angles[rows][:, part]
        turned = rotate(planes.repeat(len(block), 1, 1, 1, 1), block.flatten())
        logits = predict(run.model, [change(turned) if change else turned])
        yield Turned(rows, part, logits.unflatten(0, block.shape))
