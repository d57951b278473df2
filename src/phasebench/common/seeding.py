"""Independent streams of random numbers from a run's one seed."""

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """Purpose of the random numbers; each has a stream of its own."""

    INITIALISATION = 0
    ORDER = 1
    AUGMENTATION = 2
    ROTATION = 3
    DROPOUT = 4
    PROJECTION = 5
    DISTURBANCE = 6


def generator(seed: int, stream: Stream, index: int = 0) -> torch.Generator:
    """A CPU generator for one stream and one position in it.

    A position (an epoch, a step, a draw) has its own generator, so that a resumed run needs no saved random state.

    Parameters
    ----------
    seed : int
        The run's seed.
    stream : Stream
        Purpose of the numbers.
    index : int
        Position in the stream, at least 0.
    """
    state = np.random.SeedSequence((seed, int(stream), index)).generate_state(1, dtype=np.uint64)[0]
    # manual_seed takes 64 bits but warns of the top one on some devices.
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
