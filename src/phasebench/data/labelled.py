"""Consistency of labelled samples: labels within the classes, names without control characters, splits apart."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from phasebench.common.errors import PhasebenchError
from phasebench.common.validation import is_line

REQUIRED_SPLITS = ("train", "test")


def check_labelled(
    path: Path | str, n_samples: int, labels: np.ndarray, splits: Mapping[str, np.ndarray], classes: Sequence[str]
) -> None:
    """Refuse labels, splits and classes that do not fit together.

    Parameters
    ----------
    path
        The file that holds them, for the message.
    n_samples
        Number of samples.
    labels
        int64 (N,), each from 0 to ``len(classes) - 1``.
    splits
        Split name to int64 indices; at least ``train`` and ``test``, without overlap.
    classes
        One name per label.

    Raises
    ------
    PhasebenchError
        The message names the file and the key.
    """
    if not classes or len(set(map(str, classes))) < len(classes):
        raise PhasebenchError(f"{path}: classes: must be at least one name, and none twice")
    check_names(f"{path}: classes", classes)
    if labels.dtype != np.int64 or labels.shape != (n_samples,):
        raise PhasebenchError(f"{path}: labels: {labels.dtype} {labels.shape}, must be int64 ({n_samples},)")
    if n_samples and (labels.min() < 0 or labels.max() >= len(classes)):
        raise PhasebenchError(f"{path}: labels: from {labels.min()} to {labels.max()}, must be 0 to {len(classes) - 1}")
    uses = np.zeros(n_samples, dtype=np.int64)
    for name in sorted({*REQUIRED_SPLITS, *splits}):
        indices = splits.get(name)
        if indices is None or indices.dtype != np.int64 or indices.ndim != 1 or not len(indices):
            raise PhasebenchError(f"{path}: splits/{name}: must be an int64 array of at least one index")
        if indices.min() < 0 or indices.max() >= n_samples:
            raise PhasebenchError(f"{path}: splits/{name}: an index is outside 0 to {n_samples - 1}")
        uses += np.bincount(indices, minlength=n_samples)
    if uses.max() > 1:
        raise PhasebenchError(f"{path}: splits: sample {uses.argmax()} occurs more than once")


def check_names(where: str, names: Iterable[object]) -> None:
    """Refuse names that are no text of one line.

    Raises
    ------
    PhasebenchError
        One holds a control character, or what is no character; it begins with ``where``.
    """
    for name in names:
        if not is_line(str(name)):
            raise PhasebenchError(f"{where}: {name!a} has a control character; rename it")
