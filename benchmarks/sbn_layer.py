"""Forward and backward time of spectral batch normalisation over that of batch normalisation.

Maps of 128 images and 256 channels in float32. The three layers take turns, so that whatever else the machine does
hits all alike; a ratio is that of the medians over the rounds. One figure each line: ``name value unit``.
"""

import argparse
import statistics
from collections.abc import Callable

import torch
from torch import nn

from phasebench.common.memory import keep_freed_memory
from phasebench.nn.spectral.norm import SpectralBatchNorm2d
from phasebench.training.timing import interleaved_seconds

BATCH, CHANNELS, WARM_UP = 128, 256, 5
SIZES = (8, 4, 7)


def forward_and_backward(layer: nn.Module, size: int, device: str) -> Callable[[], None]:
    """One pass as a function without arguments; the gradients start afresh in each."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(BATCH, CHANNELS, size, size, generator=generator).to(device).requires_grad_()
    gradient = torch.randn(maps.shape, generator=generator).to(device)
    inputs = [maps, *layer.parameters()]

    def run() -> None:
        torch.autograd.grad(layer(maps), inputs, gradient)
        if maps.is_cuda:
            torch.cuda.synchronize()

    return run


def layer_passes(size: int, device: str, *, compiled: bool) -> dict[str, Callable[[], None]]:
    """A pass of batch normalisation and of both forms of the spectral one over maps of a size."""
    layers = {
        "batchnorm": nn.BatchNorm2d(CHANNELS),
        "direct": SpectralBatchNorm2d(CHANNELS),
        "fft": SpectralBatchNorm2d(CHANNELS, method="fft"),
    }
    runs = {}
    for name, layer in layers.items():
        layer.to(device)
        if compiled:
            layer.compile(dynamic=False)
        runs[name] = forward_and_backward(layer, size, device)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="passes of each layer")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--compile", action="store_true", help="compile the layers with torch.compile")
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    for size in SIZES:
        runs = layer_passes(size, arguments.device, compiled=arguments.compile)
        times = interleaved_seconds(runs, arguments.rounds, WARM_UP)
        seconds = {name: statistics.median(values) for name, values in times.items()}
        for name, value in seconds.items():
            print(f"{name}_{size}x{size}_seconds {value:.6f} s")
        for name in ("direct", "fft"):
            ratio = seconds[name] / seconds["batchnorm"]
            print(f"sbn_{name}_over_batchnorm_{size}x{size} {ratio:.2f} ratio", flush=True)


if __name__ == "__main__":
    main()
