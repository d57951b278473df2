"""Magnitudes of a feature map's frequencies around a spectral layer (Cakaj, Mehnert and Yang 2023, Fig. 3)."""

import pandas as pd
import torch
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.evaluation.trained import TrainedRun
from phasebench.models.inference import predict

N_CHANNELS = 4
PLACES = ("before", "after")


def evaluate_spectra(run: TrainedRun) -> pd.DataFrame:
    """Rows about the last second normalisation of each module, with the running statistics of evaluation.

    ``magnitude_before`` and ``magnitude_after`` are the moduli of the Fourier coefficients of single channels of the
    first test image, before and behind the second normalisation; the item is ``module3/channel0``, the condition the
    position in the shifted spectrum, row by row. Without condition, over all channels of all test images:
    ``magnitude_rms_...``, the root mean square of the coefficients, and ``magnitude_peak_...``, the mean over maps of
    their largest modulus over their root mean square, which is 1 for a flat spectrum.
    """
    rows: list[dict[str, object]] = []
    for module, maps in _maps(run).items():
        spectra = {place: magnitudes(part) for place, part in zip(PLACES, maps, strict=True)}
        for place, spectrum in spectra.items():
            rows += [
                {"metric": f"magnitude_{place}", "condition": float(position), "item": item, "value": value}
                for channel in range(min(N_CHANNELS, spectrum.shape[1]))
                for item in [f"{module}/channel{channel}"]
                for position, value in enumerate(spectrum[0, channel].flatten().tolist())
            ]
            mean_square = spectrum.square().mean(dim=(2, 3))
            peak = spectrum.amax(dim=(2, 3)) / mean_square.sqrt()
            # A channel that is silent on an image has no peak.
            summaries = {"rms": mean_square.mean().sqrt(), "peak": peak[mean_square > 0.0].mean()}
            rows += [
                {"metric": f"magnitude_{name}_{place}", "condition": None, "item": module, "value": value.item()}
                for name, value in summaries.items()
            ]
    return pd.DataFrame(rows).astype({"condition": "float64"}).assign(draw=0)


def magnitudes(maps: Tensor) -> Tensor:
    """Moduli of the Fourier coefficients of maps ``(B, C, H, W)``, the constant in the middle; float64."""
    spectrum: Tensor = torch.fft.fftshift(torch.fft.fft2(maps.double()), dim=(-2, -1)).abs()
    return spectrum


def _maps(run: TrainedRun) -> dict[str, tuple[Tensor, Tensor]]:
    """Module ("module3") -> what enters and what leaves its last second normalisation."""
    ends: dict[int, str] = getattr(run.model, "module_ends", {})
    pairs = {number: run.model.get_submodule(name) for number, name in ends.items()}
    seconds = {
        f"module{number}": pair.get_submodule("second")
        for number, pair in pairs.items()
        if isinstance(pair, nn.Sequential)
    }
    if not seconds:
        raise PhasebenchError(f"spectra: model '{run.spec.model}' has no second normalisation behind another")
    maps: dict[str, tuple[Tensor, Tensor]] = {}
    handles = [
        second.register_forward_hook(
            # Copies: activations that follow may write into their input.
            lambda _, inputs, output, module=module: maps.update({module: (inputs[0].clone(), output.clone())})
        )
        for module, second in seconds.items()
    ]
    try:
        predict(run.model, [run.data.batch(run.data.test)])
    finally:
        for handle in handles:
            handle.remove()
    return maps
