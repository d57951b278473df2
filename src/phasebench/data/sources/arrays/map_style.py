"""Map-style data sets, as torch's ``Dataset`` defines them, read into arrays: an object with a length and items."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from phasebench.common.errors import PhasebenchError
from phasebench.common.targets import in_one_line

PARTS = ("train", "test")
"""Keys of a mapping that holds two data sets, whose split is thereby given."""


def is_map_style(found: object) -> bool:
    """True for an object that has a length and items but is neither a mapping nor a class."""
    return not isinstance(found, Mapping | type) and hasattr(found, "__len__") and hasattr(found, "__getitem__")


def is_split(found: object) -> bool:
    """True for a mapping of a training and a test set, both map-style data sets."""
    return isinstance(found, Mapping) and set(found) == set(PARTS) and all(map(is_map_style, found.values()))


def read_split(place: str, parts: Mapping[str, Any], crop: int | None) -> dict[str, Any]:
    """Read a training and a test set.

    Parameters
    ----------
    place
        Name of what gave the data sets, for messages.
    parts
        The data sets ``train`` and ``test``.
    crop
        As of :func:`read_map_style`.

    Returns
    -------
    dict
        Arrays for :func:`~phasebench.data.sources.arrays.labelled_arrays.as_dataset`, with ``is_test``.

    Raises
    ------
    PhasebenchError
        As of :func:`read_map_style`, or the classes of the two sets differ.
    """
    train, test = (read_map_style(f"{place}: {part}", parts[part], crop) for part in PARTS)
    if train.get("classes") != test.get("classes"):
        raise PhasebenchError(f"{place}: classes: differ between train and test; give both the same")
    shapes = [part["samples"].shape[1:] for part in (train, test)]
    if shapes[0] != shapes[1]:
        raise PhasebenchError(f"{place}: samples: {shapes[0]} to train and {shapes[1]} to test; {_remedy(crop)}")
    joined = {key: np.concatenate([train[key], test[key]]) for key in ("samples", "labels")}
    is_test = np.repeat([False, True], [len(train["labels"]), len(test["labels"])])
    return {**joined, "is_test": is_test, "classes": train.get("classes")}


def read_map_style(place: str, dataset: Any, crop: int | None) -> dict[str, Any]:
    """Read all items of a data set.

    Parameters
    ----------
    place
        Name of what gave the data set, for messages.
    dataset
        Its items are ``(sample, label, ...)``; what follows the label is ignored. A sample is an array, a tensor or an
        image: one axis of length 1 beside two others is dropped, and channels may come first, as in torch, or last.
        Its ``class_names`` or ``classes``, if it has them and the labels count them, name the classes.
    crop
        Height and width of what is cut out of the middle of each sample; None for the whole.

    Returns
    -------
    dict
        ``samples``, ``labels`` and ``classes`` for
        :func:`~phasebench.data.sources.arrays.labelled_arrays.as_dataset`.

    Raises
    ------
    PhasebenchError
        There is no item, one cannot be read or is of another form, or the samples are not of one shape.
    """
    if not len(dataset):
        raise PhasebenchError(f"{place}: has no samples; correct its folder")
    items = [_item(f"{place}: item {index}", dataset, index, crop) for index in range(len(dataset))]
    shapes = sorted({sample.shape for sample, _ in items})
    if len(shapes) > 1:
        raise PhasebenchError(f"{place}: samples: {shapes[0]} and {shapes[-1]}; {_remedy(crop)}")
    labels = np.array([label for _, label in items])
    return {"samples": np.stack([sample for sample, _ in items]), "labels": labels, "classes": _names(dataset, labels)}


def _item(place: str, dataset: Any, index: int, crop: int | None) -> tuple[np.ndarray, Any]:
    # The author's code may raise anything.
    try:
        item = dataset[index]
    except Exception as error:
        raise PhasebenchError(f"{place}: {in_one_line(error)}; mend it") from error
    if not isinstance(item, tuple | list) or len(item) < 2:
        raise PhasebenchError(f"{place}: is {type(item).__name__}, must be a tuple of sample and label")
    try:
        sample, label = np.asarray(item[0]), np.asarray(item[1])
    except (TypeError, ValueError, RuntimeError) as error:
        raise PhasebenchError(
            f"{place}: is no array ({in_one_line(error)}); give it a transform that returns one"
        ) from error
    if label.size != 1:
        raise PhasebenchError(
            f"{place}: label: shape {label.shape}, must be one number or text; such as masks are not read"
        )
    return _cropped(place, _channels_last(sample), crop), label.reshape(()).item()


def _channels_last(sample: np.ndarray) -> np.ndarray:
    """A sample without an axis of length 1, or with its three colours last."""
    if sample.ndim != 3:
        return sample
    if sample.shape[0] == 1 or sample.shape[-1] == 1:
        return sample.squeeze(0 if sample.shape[0] == 1 else -1)
    return np.moveaxis(sample, 0, -1) if sample.shape[0] == 3 and sample.shape[-1] != 3 else sample


def _cropped(place: str, sample: np.ndarray, crop: int | None) -> np.ndarray:
    if crop is None:
        return sample
    if sample.ndim < 2 or min(sample.shape[:2]) < crop:
        raise PhasebenchError(f"{place}: sample: shape {sample.shape}, smaller than options.crop, which is {crop}")
    top, left = ((length - crop) // 2 for length in sample.shape[:2])
    return sample[top : top + crop, left : left + crop]


def _names(dataset: Any, labels: np.ndarray) -> tuple[str, ...] | None:
    """Names of the classes; those of a data set that is part of another are the other's."""
    while hasattr(dataset, "dataset") and not (hasattr(dataset, "class_names") or hasattr(dataset, "classes")):
        dataset = dataset.dataset
    names = getattr(dataset, "class_names", None) or getattr(dataset, "classes", None)
    if not isinstance(names, list | tuple) or labels.dtype.kind not in "iu":
        return None
    return tuple(map(str, names)) if labels.min() >= 0 and labels.max() < len(names) else None


def _remedy(crop: int | None) -> str:
    return "give them one size, such as by options.crop" if crop is None else "give them the same channels"
