"""Generated pieces of music in ten styles, for when no recordings are at hand.

A style is a tempo, a chord progression, the spectrum and decay of an instrument, patterns of sixteenths for it and for
three drums, and how much the sum is distorted. Key, tempo within the style's range, phases and noise differ from piece
to piece. The styles bear the names of GTZAN's genres, which they caricature.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from phasebench.data.encodings.cepstrum import SAMPLING_RATE
from phasebench.data.sources.audio.tracks import (
    SHORTEST_SEGMENT,
    Track,
    as_dataset,
    cut,
    draw_test_tracks,
)
from phasebench.data.sources.options import chosen_classes, parse_options
from phasebench.data.store import LoadedDataset
from phasebench.specs.run import Frozen, Scalar

RAW_MUSIC_CLIPS = None
_LOWEST_KEY = 98.0
_HISS = 0.004
_PEAK = 0.9 * 32_767


@dataclass(frozen=True)
class Style:
    """Style of a piece.

    Attributes
    ----------
    tempo
        Slowest and fastest, in beats a minute.
    chords
        One for each bar of four beats, in semitones above the key.
    partials
        Amplitudes of the instrument's harmonics.
    decay
        Time constant of its notes, in seconds.
    notes, kick, snare, hat
        Sixteenths of a bar at which each sounds, marked x.
    drive
        How far the sum is pushed into distortion.
    """

    tempo: tuple[float, float]
    chords: tuple[tuple[int, ...], ...]
    partials: tuple[float, ...]
    decay: float
    notes: str
    kick: str = ""
    snare: str = ""
    hat: str = ""
    drive: float = 0.3


_MAJOR, _MINOR, _SEVENTH, _FIFTH = (0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 7, 12)


def _on(steps: int, chord: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(steps + tone for tone in chord)


STYLES: dict[str, Style] = {
    "blues": Style(
        tempo=(66, 84),
        chords=(_SEVENTH, _on(5, _SEVENTH), _SEVENTH, _on(7, _SEVENTH)),
        partials=(1, 0.6, 0.4, 0.2),
        decay=0.5,
        notes="x..x..x..x..x..x",
        kick="x.......x.......",
        snare="....x.......x...",
        hat="x..xx..xx..xx..x",
        drive=1.0,
    ),
    "classical": Style(
        tempo=(60, 100),
        chords=(_MAJOR, _on(9, _MINOR), _on(5, _MAJOR), _on(7, _MAJOR)),
        partials=(1, 0.3, 0.15, 0.05),
        decay=1.2,
        notes="x.x.x.x.x.x.x.x.",
    ),
    "country": Style(
        tempo=(90, 120),
        chords=(_MAJOR, _on(5, _MAJOR), _MAJOR, _on(7, _MAJOR)),
        partials=(1, 0.8, 0.7, 0.5, 0.4, 0.3),
        decay=0.25,
        notes="x.xxx.xxx.xxx.xx",
        kick="x.......x.......",
        snare="....x.......x...",
    ),
    "disco": Style(
        tempo=(112, 126),
        chords=(_MINOR, _on(3, _MAJOR), _on(10, _MAJOR), _on(7, _MINOR)),
        partials=(1, 0.5, 0.4, 0.3, 0.2),
        decay=0.2,
        notes="..x...x...x...x.",
        kick="x...x...x...x...",
        snare="....x.......x...",
        hat="x.x.x.x.x.x.x.x.",
    ),
    "hiphop": Style(
        tempo=(80, 98),
        chords=(_MINOR, _MINOR, _on(8, _MAJOR), _MINOR),
        partials=(1, 0.1),
        decay=0.8,
        notes="x.........x.....",
        kick="x.....x...x.....",
        snare="....x.......x...",
        hat="x.x.x.xxx.x.x.xx",
        drive=0.8,
    ),
    "jazz": Style(
        tempo=(130, 190),
        chords=(_on(2, (0, 3, 7, 10)), _on(7, _SEVENTH), (0, 4, 7, 11), (0, 4, 7, 11)),
        partials=(1, 0.4, 0.1),
        decay=0.4,
        notes="x.....x..x......",
        hat="x...x.xxx...x.xx",
    ),
    "metal": Style(
        tempo=(140, 180),
        chords=(_FIFTH, _on(1, _FIFTH), _on(3, _FIFTH), _on(1, _FIFTH)),
        partials=(1, 1, 0.9, 0.8, 0.7, 0.6, 0.5),
        decay=0.5,
        notes="x.xxx.xxx.xxx.xx",
        kick="xxxxxxxxxxxxxxxx",
        snare="....x.......x...",
        hat="x...x...x...x...",
        drive=9.0,
    ),
    "pop": Style(
        tempo=(100, 120),
        chords=(_MAJOR, _on(7, _MAJOR), _on(9, _MINOR), _on(5, _MAJOR)),
        partials=(1, 0.5, 0.3, 0.2),
        decay=0.6,
        notes="x...x...x...x...",
        kick="x.......x.x.....",
        snare="....x.......x...",
        hat="x.x.x.x.x.x.x.x.",
        drive=0.6,
    ),
    "reggae": Style(
        tempo=(66, 80),
        chords=(_MAJOR, _on(5, _MAJOR), _MAJOR, _on(5, _MAJOR)),
        partials=(1, 0.7, 0.2),
        decay=0.12,
        notes="....x.......x...",
        kick="........x.......",
        snare="........x.......",
        hat="x.x.x.x.x.x.x.x.",
    ),
    "rock": Style(
        tempo=(108, 138),
        chords=(_FIFTH, _on(5, _FIFTH), _on(7, _FIFTH), _on(5, _FIFTH)),
        partials=(1, 0.9, 0.7, 0.5, 0.3),
        decay=0.6,
        notes="x.x.x.x.x.x.x.x.",
        kick="x.....x.x.....x.",
        snare="....x.......x...",
        hat="x.x.x.x.x.x.x.x.",
        drive=3.5,
    ),
}


class Options(Frozen):
    """Options of the source ``music_clips``."""

    classes: str = ""
    tracks_per_class: PositiveInt = 20
    test_per_class: PositiveInt = 4
    segments: PositiveInt = 2
    seconds: Annotated[float, Field(ge=SHORTEST_SEGMENT)] = 3.0
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


def load(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """Generate the pieces; each depends on the seed, its style and its number alone.

    Parameters
    ----------
    options
        ``classes``: some of the styles, separated by commas (all ten). ``tracks_per_class`` (20), of which
        ``test_per_class`` (4) test. ``segments`` (2) of ``seconds`` (3.0) of each piece. ``seed`` (0).
    data_root, download
        Of no effect.

    Returns
    -------
    LoadedDataset
        int16 samples (N, L) at 22,050 Hz; extra ``track`` and ``segment``.

    Raises
    ------
    PhasebenchError
        An option is unknown or out of range, or there is no such style.
    """
    chosen = parse_options("music_clips", Options, options)
    classes = chosen_classes(chosen.classes, list(STYLES), "data source music_clips")
    length = round(chosen.segments * chosen.seconds * SAMPLING_RATE)
    tracks = []
    for label, name in enumerate(classes):
        for number in range(chosen.tracks_per_class):
            random = np.random.RandomState([chosen.seed, list(STYLES).index(name), number])
            piece = play(STYLES[name], length, random)
            tracks.append(Track(f"{name}.{number:05}", label, cut(piece, chosen.segments, chosen.seconds)))
    tested = draw_test_tracks([track.label for track in tracks], chosen.test_per_class, chosen.seed)
    return as_dataset(tracks, tested, classes, {"source": "generated", "name": "music_clips"})


def play(style: Style, length: int, random: np.random.RandomState) -> NDArray[np.int16]:
    """A piece of so many samples."""
    key = _LOWEST_KEY * 2.0 ** (random.randint(12) / 12.0)
    sixteenth = 15.0 * SAMPLING_RATE / random.uniform(*style.tempo)
    drums = {"kick": _kick(), "snare": _burst(0.09, 0.6, random), "hat": np.diff(_burst(0.02, 0.5, random))}
    chords = [_chord(style, key, chord, random) for chord in style.chords]
    piece = _HISS * random.normal(size=length)
    # A piece does not start where a bar does.
    first = int(random.randint(16))
    for step in range(int(length / sixteenth) + 1):
        bar, place = divmod(step + first, 16)
        start = round(step * sixteenth)
        if _sounds(style.notes, place):
            _add(piece, start, chords[bar % len(chords)] * random.uniform(0.7, 1.0))
        for name, sound in drums.items():
            if _sounds(getattr(style, name), place):
                _add(piece, start, sound)
    piece = np.tanh(style.drive * piece)
    return np.asarray(np.rint(_PEAK * piece / np.abs(piece).max()), dtype=np.int16)


def _sounds(pattern: str, place: int) -> bool:
    return bool(pattern) and pattern[place] == "x"


def _add(piece: NDArray[np.float64], start: int, sound: NDArray[np.float64]) -> None:
    part = piece[start : start + len(sound)]
    part += sound[: len(part)]


def _chord(style: Style, key: float, chord: tuple[int, ...], random: np.random.RandomState) -> NDArray[np.float64]:
    """One stroke of a chord: decaying harmonics of its tones, in random phases."""
    time = np.arange(int(3.0 * style.decay * SAMPLING_RATE)) / SAMPLING_RATE
    frequency = np.outer(key * 2.0 ** (np.array(chord) / 12.0), np.arange(1, len(style.partials) + 1)).ravel()
    amplitude = np.tile(style.partials, len(chord))
    phase = random.uniform(0.0, 2.0 * np.pi, len(frequency))
    waves = np.sin(2.0 * np.pi * np.outer(frequency, time) + phase[:, np.newaxis])
    # Ten milliseconds of attack; without it every stroke would begin with a click.
    envelope = np.minimum(time / 0.01, 1.0) * np.exp(-time / style.decay)
    return np.asarray(envelope * (amplitude @ waves) / len(chord))


def _kick() -> NDArray[np.float64]:
    """A tone that falls from 150 to 50 Hz and dies away."""
    time = np.arange(int(0.3 * SAMPLING_RATE)) / SAMPLING_RATE
    turns = 50.0 * time + 100.0 * 0.03 * (1.0 - np.exp(-time / 0.03))
    return np.asarray(1.5 * np.sin(2.0 * np.pi * turns) * np.exp(-time / 0.1))


def _burst(decay: float, amplitude: float, random: np.random.RandomState) -> NDArray[np.float64]:
    """Noise that dies away."""
    time = np.arange(int(4.0 * decay * SAMPLING_RATE)) / SAMPLING_RATE
    return np.asarray(amplitude * random.normal(size=len(time)) * np.exp(-time / decay))
