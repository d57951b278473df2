"""Accuracy under colour jitter (Singhal, Xing and Yu 2022, Fig. 2c).

The study points to a jitter of brightness, contrast and saturation by up to 0.4 and of hue by up to 0.1. Here the test
images are jittered as RGB before they are encoded; what the encoding divides by stays that of the training subset.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from skimage.color import hsv2rgb, rgb2hsv
from torch import Tensor

from phasebench.common.errors import PhasebenchError
from phasebench.common.progress import track
from phasebench.evaluation.trained import TrainedRun
from phasebench.models.inference import EVALUATION_BATCH, predict

PUBLISHED_LIMITS = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
N_DRAWS = 2


def evaluate_colour_jitter(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``jitter_accuracy`` for each share of the study's limits and each draw; without jitter one is enough."""
    data = run.data
    if data.samples.dtype != torch.uint8 or data.samples.shape[-1] != 3:
        raise PhasebenchError(f"colour_jitter: '{run.spec.dataset}' has no colours; leave it out of this evaluation")
    images = data.samples[data.test].cpu().numpy() / 255.0
    conditions = [(strength, draw) for strength in STRENGTHS for draw in range(N_DRAWS if strength else 1)]
    rows = []
    for strength, draw in track(conditions, "jittering"):
        accuracy = run.accuracy(_jittered_logits(run, images, strength, draw)) if strength else run.test_accuracy()
        rows.append({"metric": "jitter_accuracy", "condition": strength, "draw": draw, "value": accuracy})
    return pd.DataFrame(rows)


def _jittered_logits(run: TrainedRun, images: np.ndarray, strength: float, draw: int) -> Tensor:
    """Logits ``(N, K)``; every run sees the same images."""
    data = run.data
    jittered = torch.from_numpy(np.rint(255.0 * jitter(images, strength, draw)).astype(np.uint8)).to(data.device)
    encoded = (data.test_encoding(part, data.statistics) for part in jittered.split(EVALUATION_BATCH))
    return predict(run.model, encoded)


def jitter(images: np.ndarray, strength: float, draw: int) -> np.ndarray:
    """Change every image's brightness, contrast, saturation and hue at random, in a random order.

    Parameters
    ----------
    images : float64 (N, H, W, 3)
        RGB from 0 to 1.
    strength : float
        Share of :data:`PUBLISHED_LIMITS`. With limit ``l``, factors are uniform in ``1 - l .. 1 + l``, and the hue
        moves by a share of the circle in ``-l .. l``.
    draw : int
        Seed of the random numbers.

    Returns
    -------
    float64 (N, H, W, 3)
        From 0 to 1.
    """
    random = np.random.default_rng(draw)
    shares = random.uniform(-1.0, 1.0, (len(ADJUSTMENTS), len(images)))
    order = random.permuted(np.tile(np.arange(len(ADJUSTMENTS)), (len(images), 1)), axis=1)
    jittered = images.copy()
    for position in range(len(ADJUSTMENTS)):
        for number, (name, adjust) in enumerate(ADJUSTMENTS.items()):
            chosen = order[:, position] == number
            amounts = strength * PUBLISHED_LIMITS[name] * shares[number, chosen]
            jittered[chosen] = adjust(jittered[chosen], amounts[:, None, None, None])
    return jittered


def adjust_brightness(images: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Multiply by ``1 + amount``, an array ``(N, 1, 1, 1)``."""
    return _clipped((1.0 + amount) * images)


def adjust_contrast(images: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Multiply the distance from the image's mean grey by ``1 + amount``."""
    mean = _grey(images).mean(axis=(1, 2, 3), keepdims=True)
    return _clipped(images + amount * (images - mean))


def adjust_saturation(images: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Multiply the distance from the pixel's grey by ``1 + amount``."""
    return _clipped(images + amount * (images - _grey(images)))


def adjust_hue(images: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Move the hue by a share of its circle."""
    hsv = rgb2hsv(images)
    hsv[..., :1] = (hsv[..., :1] + amount) % 1.0
    turned: np.ndarray = hsv2rgb(hsv)
    return turned


ADJUSTMENTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "brightness": adjust_brightness,
    "contrast": adjust_contrast,
    "saturation": adjust_saturation,
    "hue": adjust_hue,
}


def _clipped(images: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(images, 0.0, 1.0))


def _grey(images: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601, which image libraries mix with, ``(N, H, W, 1)``."""
    return np.asarray(images @ np.array([[0.299], [0.587], [0.114]]))
