"""Timing of several computations in turns, so that other load on the machine affects all of them alike."""

import time
from collections.abc import Callable, Mapping

WARM_UP = 2


def interleaved_seconds(
    computations: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = WARM_UP
) -> dict[str, list[float]]:
    """Time each call of each computation, ``rounds`` of them, in seconds, after ``warm_up`` calls that do not count.

    A computation on a graphics card has to wait for it itself.
    """
    for compute in computations.values():
        for _ in range(warm_up):
            compute()
    seconds: dict[str, list[float]] = {name: [] for name in computations}
    for _ in range(rounds):
        for name, compute in computations.items():
            start = time.perf_counter()
            compute()
            seconds[name].append(time.perf_counter() - start)
    return seconds
