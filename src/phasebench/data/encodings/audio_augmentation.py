"""Random changes of pitch and tempo, for whole batches on the device (Agrawal, EXP2).

A phase vocoder stretches a clip without changing its pitch; reading the stretched clip faster or slower then changes
both. One pass does the two at once: a clip that is to be ``rate`` times as fast and ``factor`` times as high is
stretched by ``factor / rate`` and read ``factor`` times as fast.
"""

import math

import torch
from torch import Tensor

from phasebench.data.encodings.cepstrum import HOP, N_FFT
from phasebench.nn.complex.angle import phase

MOST_SEMITONES = 2.0
SLOWEST, FASTEST = 0.8, 1.2


def change_at_random(clips: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Shift the pitch of half of the clips and, independently, the tempo of half of them.

    Parameters
    ----------
    clips : real Tensor (N, L)
        The clips.
    random : torch.Generator
        On the CPU. Pitches change by up to two semitones, tempos to 0.8 to 1.2 times the old one, evenly distributed.

    Returns
    -------
    clips : Tensor (N, L)
        Changed; what has become longer is cut, what has become shorter is followed by zeros.
    n_samples : int64 Tensor (N,)
        How many samples of each clip are not such zeros.
    """
    shifts, semitones, stretches, rates = torch.rand(4, len(clips), generator=random, dtype=torch.float64)
    return change(
        clips,
        torch.where(shifts < 0.5, MOST_SEMITONES * (2.0 * semitones - 1.0), 0.0),
        torch.where(stretches < 0.5, SLOWEST + (FASTEST - SLOWEST) * rates, 1.0),
    )


def change(clips: Tensor, semitones: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """Shift pitches and stretch time.

    Parameters
    ----------
    clips : real Tensor (N, L)
        The clips.
    semitones : float64 Tensor (N,)
        On the CPU; by how much higher each clip becomes.
    rate : float64 Tensor (N,)
        On the CPU; how much faster.

    Returns
    -------
    tuple of Tensors
        As those of :func:`change_at_random`. A clip that is not to change is returned as it is.
    """
    length = clips.shape[1]
    factor = torch.pow(2.0, semitones / 12.0)
    # Enough to read to the end of the longest; known without asking the device.
    n_frames = math.ceil(length * float(factor.max()) / HOP) + 2
    stretched = _vocoded(clips, (rate / factor).to(clips), n_frames)
    position = torch.arange(length, device=clips.device) * factor.to(clips)[:, None]
    changed = _between(stretched, position)
    n_samples = (length / rate).round().clamp(max=length).long().to(clips.device)
    changed = changed * (torch.arange(length, device=clips.device) < n_samples[:, None])
    untouched = ((semitones == 0.0) & (rate == 1.0)).to(clips.device)
    return torch.where(untouched[:, None], clips, changed), n_samples


def _vocoded(clips: Tensor, speed: Tensor, n_frames: int) -> Tensor:
    """Clips ``(N, 512 (n_frames - 1))`` played at a speed without changing their pitch.

    Output frame k has the moduli between the input frames around ``speed k``, and the phases of the output frame
    before, turned by as much as the phases turn from the one of these input frames to the other.
    """
    window = torch.hann_window(N_FFT, dtype=clips.dtype, device=clips.device)
    spectrum = torch.stft(clips, N_FFT, HOP, window=window, pad_mode="constant", return_complex=True)
    # Silence follows the last frame.
    spectrum = torch.nn.functional.pad(spectrum, (0, 2))
    last = spectrum.shape[2] - 2
    position = torch.arange(n_frames, device=clips.device) * speed[:, None]
    before = position.long().clamp(max=last)[:, None, :].expand(-1, spectrum.shape[1], -1)
    share = (position[:, None] - before[:, :1]).clamp(max=1.0)
    modulus, angle = spectrum.abs(), phase(spectrum.real, spectrum.imag)
    moduli = torch.lerp(modulus.gather(2, before), modulus.gather(2, before + 1), share)
    turns = angle.gather(2, before + 1) - angle.gather(2, before)
    phases = angle[..., :1] + torch.nn.functional.pad(turns.cumsum(dim=2)[..., :-1], (1, 0))
    return torch.istft(torch.polar(moduli, phases), N_FFT, HOP, window=window)


def _between(clips: Tensor, position: Tensor) -> Tensor:
    """Values of clips ``(N, L')`` at positions ``(N, L)`` that need not be whole, on lines between samples."""
    before = position.long().clamp(max=clips.shape[1] - 2)
    return torch.lerp(clips.gather(1, before), clips.gather(1, before + 1), (position - before).clamp(max=1.0))
