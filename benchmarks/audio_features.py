"""Clips per second of the cepstral features in batches, and of the same features clip by clip and frame by frame.

Clips of 3 s of noise, float32. The plain form has one fast Fourier transform, one product with the triangles and one
cosine transform of numpy and scipy for every frame. Both forms take turns, so that whatever else the machine does hits
both alike; a figure is the median over the rounds. One figure each line: ``name value unit``.
"""

import argparse
import statistics
from collections.abc import Callable

import numpy as np
import torch
from scipy.fft import dct, rfft
from scipy.signal import get_window

from phasebench.common.memory import keep_freed_memory
from phasebench.data.encodings.cepstrum import HOP, N_FFT, SAMPLING_RATE, mel_triangles
from phasebench.data.encodings.registry import load_encoding
from phasebench.training.timing import interleaved_seconds

ENCODINGS = ("mfcc", "mfcc_complex", "mfcc_phase")
LENGTH = 3 * SAMPLING_RATE
AGREEMENT = 0.01


def plain_features(clip: np.ndarray, encoding: str, triangles: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Complex coefficients ``(13, 126)`` of one clip."""
    signal = clip / np.abs(clip.astype(np.float32)).max()
    columns = []
    for start in range(0, len(signal) - N_FFT + 1, HOP):
        spectrum = rfft(signal[start : start + N_FFT] * window)
        if encoding == "mfcc_complex":
            columns.append(dct(10 * np.log10(spectrum @ triangles), norm="ortho"))
            continue
        power = dct(10 * np.log10(np.maximum(np.abs(spectrum) ** 2 @ triangles, 1e-10)), norm="ortho")
        turn = 1.0
        if encoding == "mfcc_phase":
            turn = np.exp(1j * dct(np.angle(spectrum) @ triangles, norm="ortho"))
        columns.append(power * turn)
    return np.stack(columns, axis=1)


def median_seconds(functions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    seconds = interleaved_seconds(functions, rounds, warm_up=1)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="passes of each form")
    parser.add_argument("--clips", type=int, default=64, help="clips in a batch")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda, for the batches")
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    clips = np.random.default_rng(0).integers(-20_000, 20_000, (arguments.clips, LENGTH), dtype=np.int16)
    samples, one = torch.from_numpy(clips).to(arguments.device), torch.ones((), device=arguments.device)
    triangles, window = mel_triangles().float().numpy(), get_window("hann", N_FFT).astype(np.float32)

    def wait() -> None:
        if samples.is_cuda:
            torch.cuda.synchronize()

    for name in ENCODINGS:
        encoding = load_encoding(name)

        def batched(encoding: Callable[..., torch.Tensor] = encoding) -> torch.Tensor:
            planes = encoding(samples, one)
            wait()
            return planes

        def plain(name: str = name) -> list[np.ndarray]:
            return [plain_features(clip, name, triangles, window) for clip in clips]

        # The mean: a phase next to a half turn may fall to either side.
        difference = np.abs(np.hypot(*batched()[0, :, 0].cpu().numpy()) - np.abs(plain()[0])).mean()
        if difference > AGREEMENT:
            raise SystemExit(f"{name}: the two are not the same: they differ by {difference}")
        seconds = median_seconds({"batched": batched, "plain": plain}, arguments.rounds)
        for form, value in seconds.items():
            print(f"{name}_{form}_clips_per_second {arguments.clips / value:.0f} clips/s")
        print(f"{name}_plain_over_batched {seconds['plain'] / seconds['batched']:.2f} ratio", flush=True)

    random = torch.Generator().manual_seed(0)

    def augmented() -> None:
        load_encoding("mfcc").augmented(samples, one, random)
        wait()

    seconds = median_seconds({"augmented": augmented}, arguments.rounds)
    print(f"mfcc_augmented_batched_clips_per_second {arguments.clips / seconds['augmented']:.0f} clips/s")


if __name__ == "__main__":
    main()
