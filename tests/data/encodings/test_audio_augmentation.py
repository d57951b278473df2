"""Pitch shifts and time stretches of sounds whose pitch and tempo are known."""

import numpy as np
import pytest
import torch

from phasebench.data.encodings.audio_augmentation import change, change_at_random

RATE, LENGTH = 22_050, 66_150
TIME = torch.arange(LENGTH) / RATE


def tone(frequency: float) -> torch.Tensor:
    return 8000 * torch.sin(2 * torch.pi * frequency * TIME)


def frequency_of(clip: torch.Tensor) -> float:
    """Of the strongest component, between bins by a parabola through the logarithms."""
    spectrum = torch.fft.rfft(clip * torch.hann_window(len(clip))).abs().log()
    peak = int(spectrum[1:-1].argmax()) + 1
    low, middle, high = spectrum[peak - 1 : peak + 2].tolist()
    return (peak + 0.5 * (low - high) / (low - 2 * middle + high)) * RATE / len(clip)


def both(clip: torch.Tensor, semitones: float, rate: float) -> tuple[torch.Tensor, int]:
    changed, n_samples = change(
        clip[None], torch.tensor([semitones], dtype=torch.float64), torch.tensor([rate], dtype=torch.float64)
    )
    return changed[0], int(n_samples[0])


@pytest.mark.parametrize("semitones", [-2.0, -0.7, 0.0, 1.3, 2.0])
@pytest.mark.parametrize("rate", [0.8, 1.0, 1.2])
def test_pitch_follows_the_shift_and_length_the_rate(semitones: float, rate: float) -> None:
    changed, n_samples = both(tone(440.0), semitones, rate)
    assert changed.shape == (LENGTH,)
    assert n_samples == min(LENGTH, round(LENGTH / rate))
    assert not changed[n_samples:].any()
    inner = changed[4000 : n_samples - 6000]
    assert frequency_of(inner) == pytest.approx(440.0 * 2 ** (semitones / 12), rel=1e-3)
    # Half of the first window lies before the clip, and what that does to the phases stays.
    assert float(inner.square().mean().sqrt()) == pytest.approx(8000 / 2**0.5, rel=0.12)


@pytest.mark.parametrize(("semitones", "rate"), [(0.0, 0.8), (0.0, 1.2), (2.0, 1.0), (-2.0, 1.2)])
def test_events_move_with_the_rate(semitones: float, rate: float) -> None:
    # A burst of 0.1 s after each half second.
    loud = (TIME % 0.5) < 0.1
    changed, n_samples = both(tone(600.0) * loud, semitones, rate)
    envelope = changed[:n_samples].abs().unfold(0, 256, 128).amax(dim=1)
    middle = [
        float((envelope * mask).mul(torch.arange(len(envelope))).sum() / (envelope * mask).sum() * 128 + 128)
        for mask in slots(len(envelope), rate)
    ]
    expected = [(0.5 * number + 0.05) * RATE / rate for number in range(1, 4)]
    np.testing.assert_allclose(middle, expected, atol=600)


def slots(n_frames: int, rate: float) -> list[torch.Tensor]:
    """Where the bursts after 0.5, 1.0 and 1.5 s may be."""
    time = torch.arange(n_frames) * 128 * rate / RATE
    return [(time - (0.5 * number + 0.05)).abs() < 0.2 for number in range(1, 4)]


def test_what_is_not_changed_is_the_same() -> None:
    clip = tone(300.0)
    assert torch.equal(both(clip, 0.0, 1.0)[0], clip)


def test_clips_are_changed_one_by_one() -> None:
    clips = torch.stack((tone(200.0), tone(500.0), tone(900.0)))
    semitones, rate = (torch.tensor(values, dtype=torch.float64) for values in ([1.0, -1.5, 0.0], [1.0, 0.9, 1.1]))
    together, n_samples = change(clips, semitones, rate)
    for index in range(3):
        alone, n_alone = change(clips[index : index + 1], semitones[index : index + 1], rate[index : index + 1])
        torch.testing.assert_close(together[index], alone[0], rtol=1e-4, atol=2.0)
        assert n_samples[index] == n_alone[0]


def test_half_of_the_clips_are_shifted_and_half_stretched() -> None:
    clips = torch.randn(400, 4096)
    _, n_samples = change_at_random(clips, torch.Generator().manual_seed(0))
    # Clips that became longer are cut; a stretched clip is shorter half of the time.
    assert int((n_samples < 4096).sum()) == pytest.approx(100, abs=30)
    assert int(n_samples.min()) >= round(4096 / 1.2)
    changed, _ = change_at_random(clips, torch.Generator().manual_seed(0))
    untouched = (changed == clips).all(dim=1)
    assert int(untouched.sum()) == pytest.approx(100, abs=30)
