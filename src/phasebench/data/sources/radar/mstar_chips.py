"""How many chips the public MSTAR distribution has, of all serial numbers of the ten classes."""

from collections.abc import Mapping

import numpy as np

# Class -> chips at 17 degrees of depression (training) and at 15 (test).
CHIPS: Mapping[str, tuple[int, int]] = {
    "bmp2": (698, 587),
    "btr70": (233, 196),
    "t72": (3079, 2771),
    "btr60": (256, 195),
    "2s1": (299, 274),
    "brdm2": (298, 274),
    "d7": (299, 274),
    "t62": (299, 273),
    "zil131": (299, 274),
    "zsu23-4": (299, 274),
}


def missing_chips(labels: np.ndarray, splits: Mapping[str, np.ndarray], classes: tuple[str, ...]) -> list[str]:
    """Where a data set differs from the whole distribution, such as ``t72: 2000 of 3079 train``.

    Parameters
    ----------
    labels : int (N,)
        Indices into ``classes``.
    splits : mapping
        ``train`` and ``test``: indices into ``labels``.
    classes : tuple of str
        Keys of :data:`CHIPS`.

    Returns
    -------
    list of str
        In the order of the classes; empty for the whole distribution.
    """
    found = {split: np.bincount(labels[indices], minlength=len(classes)) for split, indices in splits.items()}
    return [
        f"{name}: {found[split][label]} of {expected} {split}"
        for label, name in enumerate(classes)
        for split, expected in zip(("train", "test"), CHIPS[name], strict=True)
        if found[split][label] != expected
    ]
