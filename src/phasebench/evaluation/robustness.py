"""Accuracy under what a sensor may do to complex samples: noise, phase errors, another gain, a shift.

The changes act on encoded test samples, all channels alike; a real network reads its planes of the changed sample. A
common phase is the evaluation ``rotation``.
"""

import math
from collections.abc import Callable, Iterator

import pandas as pd
import torch
from torch import Tensor

from phasebench.common.progress import track
from phasebench.common.seeding import Stream, generator
from phasebench.evaluation.rotation import logit_change
from phasebench.evaluation.trained import TrainedRun
from phasebench.models.inference import EVALUATION_BATCH, predict
from phasebench.nn.complex.layout import as_complex, as_planes

Change = Callable[[Tensor, float, torch.Generator], Tensor]
# The random numbers are the same for every run.
_SEED = 0


def add_noise(planes: Tensor, decibels: float, random: torch.Generator) -> Tensor:
    """Add complex normal noise at a ratio of the sample's mean power to that of the noise."""
    power = planes.square().mean(dim=(1, 2, 3, 4), keepdim=True)
    noise = torch.randn(planes.shape, generator=random, dtype=planes.dtype).to(planes.device)
    # Both are powers of a part, so that the ratio is that of the complex numbers.
    deviation: Tensor = (power * 10.0 ** (-decibels / 10.0)).sqrt()
    return planes + noise * deviation


def add_phase_noise(planes: Tensor, degrees: float, random: torch.Generator) -> Tensor:
    """Turn every pixel by a normal angle of this standard deviation, the same in all channels."""
    count, _, _, height, width = planes.shape
    angles = torch.randn((count, 1, height, width), generator=random, dtype=planes.dtype).to(planes.device)
    return _turned(planes, math.radians(degrees) * angles)


def add_linear_phase(planes: Tensor, cycles: float, random: torch.Generator) -> Tensor:
    """Turn columns by an angle that grows by so many cycles over the width: a shift of the azimuth's frequency."""
    return _turned(planes, 2.0 * math.pi * cycles * _ramp(planes) / 2.0)


def add_quadratic_phase(planes: Tensor, degrees: float, random: torch.Generator) -> Tensor:
    """Defocus along the rows: a quadratic phase over the spectrum, as large as this at its ends (autofocus error)."""
    spectrum = torch.fft.fftshift(torch.fft.fft(as_complex(planes), dim=-1), dim=-1)
    error = torch.polar(torch.ones_like(_ramp(planes)), math.radians(degrees) * _ramp(planes).square())
    return as_planes(torch.fft.ifft(torch.fft.ifftshift(spectrum * error, dim=-1), dim=-1))


def scale_magnitude(planes: Tensor, factor: float, random: torch.Generator) -> Tensor:
    """Multiply all numbers by a positive factor."""
    return factor * planes


def shift(planes: Tensor, pixels: float, random: torch.Generator) -> Tensor:
    """Shift rows and columns by so many pixels; what leaves at one side comes in at the other."""
    return planes.roll((int(pixels), int(pixels)), dims=(-2, -1))


CHANGES: dict[str, tuple[Change, tuple[float, ...]]] = {
    "noise": (add_noise, (20, 10, 5, 0, -5)),
    "phase_noise": (add_phase_noise, (10, 30, 60, 90)),
    "linear_phase": (add_linear_phase, (0.25, 0.5, 1, 2)),
    "quadratic_phase": (add_quadratic_phase, (45, 90, 180, 360)),
    "magnitude": (scale_magnitude, (0.25, 0.5, 2, 4)),
    "shift": (shift, (1, 2, 4, 8)),
}
"""Name of a change -> the change and its conditions: decibels, degrees, cycles, degrees, a factor, pixels."""


def evaluate_robustness(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``<change>_accuracy`` for each change of :data:`CHANGES` and each of its conditions.

    ``magnitude_logit_change`` is :func:`phasebench.evaluation.rotation.logit_change` by the factor.
    """
    rows = []
    conditions = [(name, condition) for name, (_, values) in CHANGES.items() for condition in values]
    for name, condition in track(conditions, "disturbing"):
        change, _ = CHANGES[name]
        logits = predict(run.model, _changed(run, change, condition))
        found = {f"{name}_accuracy": run.accuracy(logits)}
        if name == "magnitude":
            squares = (logits - run.logits).double().square().sum()
            found["magnitude_logit_change"] = logit_change(run.logits, squares[None])[0]
        rows += [
            {"metric": metric, "condition": float(condition), "draw": 0, "value": value}
            for metric, value in found.items()
        ]
    return pd.DataFrame(rows)


def _changed(run: TrainedRun, change: Change, condition: float) -> Iterator[Tensor]:
    for number, planes in enumerate(run.data.batches(run.data.test, EVALUATION_BATCH)):
        yield change(planes, condition, generator(_SEED, Stream.DISTURBANCE, number))


def _turned(planes: Tensor, angles: Tensor) -> Tensor:
    """Turn planes ``(N, 2, C, H, W)`` by angles that broadcast to ``(N, C, H, W)``."""
    return as_planes(as_complex(planes) * torch.polar(torch.ones_like(angles), angles))


def _ramp(planes: Tensor) -> Tensor:
    """Numbers from -1 to 1 over the width."""
    return torch.linspace(-1.0, 1.0, planes.shape[-1], dtype=planes.dtype, device=planes.device)
