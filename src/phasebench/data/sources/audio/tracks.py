"""Recordings cut into segments and divided into training and test, never both from one recording."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasebench.common.errors import PhasebenchError
from phasebench.data.encodings.cepstrum import SAMPLING_RATE
from phasebench.data.store import LoadedDataset

SHORTEST_SEGMENT = 0.1
"""Seconds; one frame of the features is a little shorter."""


@dataclass(frozen=True, eq=False)
class Track:
    """A recording: its name, its class, and its segments, int16 ``(n, L)``."""

    name: str
    label: int
    segments: NDArray[np.int16]


def cut(samples: NDArray[np.int16], n_segments: int, seconds: float) -> NDArray[np.int16]:
    """Cut a recording into segments from its beginning.

    Parameters
    ----------
    samples : int16 (n,)
        At 22,050 Hz, at least one.
    n_segments : int
        At most so many; what follows is left out.
    seconds : float
        Length of a segment.

    Returns
    -------
    int16 (k, L)
        The last one is filled with zeros; unless it is the only one, it is left out if it is not even half full.
    """
    length = round(seconds * SAMPLING_RATE)
    count = min(max(int(len(samples) / length + 0.5), 1), n_segments)
    segments = np.zeros(count * length, np.int16)
    used = samples[: count * length]
    segments[: len(used)] = used
    return segments.reshape(count, length)


def draw_test_tracks(labels: Sequence[int], n_per_class: int, seed: int) -> NDArray[np.bool_]:
    """Draw the tracks that are tested: so many of each class, with the seed.

    Raises
    ------
    PhasebenchError
        A class has no more tracks than that, so that none would be left to train on.
    """
    of_class = np.asarray(labels)
    tested = np.zeros(len(of_class), bool)
    for label in np.unique(of_class):
        tracks = np.flatnonzero(of_class == label)
        if len(tracks) <= n_per_class:
            raise PhasebenchError(
                f"options.test_per_class: {n_per_class} test tracks leave none to train on in a class of {len(tracks)}"
            )
        tested[np.random.RandomState([seed, int(label)]).permutation(tracks)[:n_per_class]] = True
    return tested


def as_dataset(
    tracks: Sequence[Track], tested: NDArray[np.bool_], classes: Sequence[str], source: dict[str, Any]
) -> LoadedDataset:
    """Put the segments of all tracks one after the other, with the track's name and the segment's number beside each.

    Parameters
    ----------
    tracks : sequence of Track
        In the order of their classes.
    tested : bool (n,)
        Which of them are tested.
    classes, source
        See :class:`~phasebench.data.store.LoadedDataset`.
    """
    counts = [len(track.segments) for track in tracks]
    in_test = np.repeat(tested, counts)
    return LoadedDataset(
        samples=np.concatenate([track.segments for track in tracks]),
        labels=np.repeat(np.array([track.label for track in tracks], np.int64), counts),
        splits={"train": np.flatnonzero(~in_test), "test": np.flatnonzero(in_test)},
        classes=tuple(classes),
        source=source,
        extra={
            "track": np.repeat([track.name for track in tracks], counts),
            "segment": np.concatenate([np.arange(count) for count in counts]),
        },
    )
