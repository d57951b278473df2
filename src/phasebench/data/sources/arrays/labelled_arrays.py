"""Arrays and labels as people have them, turned into a data set: types, class names, a split by groups."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from phasebench.common.errors import PhasebenchError
from phasebench.data.store import LoadedDataset

KEYS = ("samples", "labels", "classes", "groups", "is_test")
"""Arrays of a data set; the first two are needed."""
TEST_FRACTION = 0.2
"""Share of the samples, or of the groups, that test where no split is given."""


def as_dataset(place: str, arrays: Mapping[str, Any], source: Mapping[str, Any], seed: int) -> LoadedDataset:
    """Build a data set of arrays.

    Parameters
    ----------
    place
        Name of what gave the arrays, for messages.
    arrays
        ``samples``: complex (N, H, W); uint8, or floats from 0 to 1, (N, H, W) or (N, H, W, 1 or 3); int16, or floats
        from -1 to 1, (N, L) for audio. ``labels``: integers or texts (N,). Optional: ``classes``, the names of the
        labels from 0 on; ``groups`` (N,), such as recordings, none of which trains and tests; ``is_test``, booleans
        (N,).
    source
        Where they come from, for the manifest.
    seed
        Of the split that is drawn if there is no ``is_test``.

    Raises
    ------
    PhasebenchError
        An array is missing, is not known, or has another shape, type or range.
    """
    if unknown := sorted(set(arrays) - set(KEYS)):
        raise PhasebenchError(f"{place}: '{unknown[0]}' is not known; give {', '.join(KEYS)}")
    for key in KEYS[:2]:
        if arrays.get(key) is None:
            raise PhasebenchError(f"{place}: {key}: is missing; give samples and labels")
    samples = _samples(place, np.asarray(arrays["samples"]))
    given = {key: np.asarray(arrays[key]) for key in KEYS[1:] if key != "classes" and arrays.get(key) is not None}
    for key, values in given.items():
        if values.shape != (len(samples),):
            raise PhasebenchError(f"{place}: {key}: shape {values.shape}, must be ({len(samples)},), one per sample")
    labels, classes = _labels(place, given["labels"], arrays.get("classes"))
    is_test = _is_test(place, given, len(samples), seed)
    return LoadedDataset(
        samples=samples,
        labels=labels,
        splits={"train": np.flatnonzero(~is_test), "test": np.flatnonzero(is_test)},
        classes=classes,
        source=dict(source),
    )


def _samples(place: str, samples: np.ndarray) -> np.ndarray:
    kind, ndim = samples.dtype.kind, samples.ndim
    if kind == "c" and ndim == 3:
        return samples.astype(np.complex64)
    if kind == "f" and ndim in (2, 3, 4):
        low, step = (-1.0, 32767.0) if ndim == 2 else (0.0, 255.0)
        if not (np.isfinite(samples).all() and low <= samples.min(initial=0.0) and samples.max(initial=0.0) <= 1.0):
            raise PhasebenchError(f"{place}: samples: floats must be finite and from {low:g} to 1; scale them")
        samples = np.rint(samples * step).astype(np.int16 if ndim == 2 else np.uint8)
    if samples.dtype == np.uint8 and samples.ndim == 3:
        samples = samples[..., np.newaxis]
    is_image = samples.dtype == np.uint8 and samples.ndim == 4 and samples.shape[-1] in (1, 3)
    if not (is_image or (samples.dtype == np.int16 and samples.ndim == 2)):
        raise PhasebenchError(
            f"{place}: samples: {samples.dtype} {samples.shape}, must be complex (N, H, W), uint8 or floats "
            "(N, H, W, 1 or 3) or, of audio, int16 or floats (N, L)"
        )
    return samples


def _labels(place: str, labels: np.ndarray, classes: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    if labels.dtype.kind not in "iuUS":
        raise PhasebenchError(f"{place}: labels: {labels.dtype}, must be integers or texts")
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8")
    if classes is not None and labels.dtype.kind in "iu":
        return labels.astype(np.int64), tuple(map(str, classes))
    names = list(map(str, classes)) if classes is not None else None
    found, positions = np.unique(labels, return_inverse=True)
    if names is None:
        return positions.astype(np.int64), tuple(map(str, found))
    if strange := sorted(set(map(str, found)) - set(names)):
        raise PhasebenchError(f"{place}: labels: '{strange[0]}' is none of the classes")
    return np.array([names.index(str(name)) for name in found], dtype=np.int64)[positions], tuple(names)


def _is_test(place: str, given: Mapping[str, np.ndarray], n_samples: int, seed: int) -> np.ndarray:
    if "is_test" in given:
        is_test = given["is_test"].astype(bool)
        both = (
            set(given["groups"][is_test].tolist()) & set(given["groups"][~is_test].tolist())
            if "groups" in given
            else ()
        )
        if both:
            raise PhasebenchError(f"{place}: groups: '{min(map(str, both))}' trains and tests; move it to one side")
        return is_test
    units, members = np.unique(given.get("groups", np.arange(n_samples)), return_inverse=True)
    if len(units) < 2:
        raise PhasebenchError(
            f"{place}: a split needs two {'groups' if 'groups' in given else 'samples'}; give is_test"
        )
    order = np.random.default_rng(seed).permutation(len(units))
    chosen = order[: max(1, round(TEST_FRACTION * len(units)))]
    return np.isin(members, chosen)
