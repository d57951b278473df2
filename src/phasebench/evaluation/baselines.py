"""Baselines of a network's accuracy: chance, the majority class and the linear classifier on its input.

The linear classifier is multinomial logistic regression on what a real-valued network of the same table reads: the
planes of the encoding that are not zero for every sample, as real numbers, of the training samples of the same seed
and without augmentation. Each number is standardised over these samples. Where there are more than
:data:`MOST_FEATURES` of them, the planes are averaged over squares first.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional

from phasebench.common.memory import keep_freed_memory
from phasebench.common.seeding import Stream, generator
from phasebench.data.batches.in_memory import DeviceData, load_device_data
from phasebench.data.shards.index import is_index, read_index
from phasebench.data.splits import split_as_specified
from phasebench.specs.paths import Prepared
from phasebench.specs.run import Fraction, Frozen, Name, Subset, coordinates
from phasebench.specs.value_tables import write_values

MOST_FEATURES = 4096
PENALTY = 0.1
"""Half the weights' squared norm counts this much beside the mean cross-entropy of a sample."""
MOST_ITERATIONS = 100
_BATCH = 512


class Cell(Frozen):
    """Cell of the tables that an input belongs to."""

    experiment: Name
    stands_in_for: Name | None
    variant: Name | None


class NetworkInput(Frozen):
    """Samples that a network reads, and how it reads them; the fields are those of a run's spec."""

    dataset: Name
    encoding: Name
    test_encoding: Name | None
    train_fraction: Fraction
    validation_fraction: float
    subset: Subset
    seed: int
    cells: tuple[Cell, ...]


def measure_baselines(
    inputs: Sequence[Mapping[str, Any]], prepared: Path, output: Path, *, attributes: Mapping[str, object] | None = None
) -> None:
    """Measure the baselines on each input and write a tidy table with the columns of an analysis and ``experiment``.

    Parameters
    ----------
    inputs : sequence of mapping
        The fields of :class:`NetworkInput`.
    prepared : Path
        Folder of the prepared data sets.
    output : Path
        The Parquet file to write.
    attributes : mapping, optional
        Kept with the table, as JSON.

    Raises
    ------
    PhasebenchError
        A data set is missing or damaged, or an encoding is not for its kind of samples.
    """
    keep_freed_memory()
    rows: list[dict[str, Any]] = []
    for one in map(NetworkInput.model_validate, inputs):
        n_test, values = baselines_of(one, Prepared(prepared).data(one.dataset))
        keys = one.model_dump(include={*coordinates("suite", "experiment", "stands_in_for", "variant", "model")})
        rows += (
            {**keys, **cell.model_dump(), "n": n_test, "metric": metric, "value": value}
            for cell in one.cells
            for metric, value in values.items()
        )
    write_values(output, pd.DataFrame(rows), attributes, further={"experiment": "string"})


def baselines_of(read: NetworkInput, path: Path) -> tuple[int, dict[str, float]]:
    """The number of test samples and, by metric, the baselines of one input.

    ``chance_accuracy`` is one over the number of classes, ``majority_accuracy`` the share of test samples of the most
    frequent class among the training samples, ``linear_accuracy`` that of the linear classifier on ``linear_features``
    numbers, which are averages over squares of ``linear_pooling`` pixels. ``zero_share`` is the share of the complex
    numbers of the encoded test samples that are exactly 0, which have no phase. Images in shards have neither.

    Raises
    ------
    PhasebenchError
        The data set is missing or damaged, or the encoding is not for its kind of samples.
    """
    if is_index(path):
        index = read_index(path)
        train, _ = split_as_specified(index.splits["train"], read)
        labels = index.labels[index.splits["test"]]
        return len(labels), label_baselines(index.labels[train], labels, len(index.classes))
    data = load_device_data(read, path, torch.device("cpu"))
    labels, test_labels = data.labels[data.train].numpy(), data.labels[data.test].numpy()
    values = label_baselines(labels, test_labels, len(data.classes))
    pooling = pooling_of(len(data.encoding.nonzero_planes), *next(data.batches(data.test[:1], 1)).shape[-2:])
    features = _features(_training_batches(data, read.seed), data.encoding.nonzero_planes, pooling)
    test_features = _features(data.batches(data.test, _BATCH), data.encoding.nonzero_planes, pooling)
    values |= {"linear_features": features.shape[1], "linear_pooling": pooling}
    values["zero_share"] = zero_share(data.batches(data.test, _BATCH))
    return len(test_labels), values | {"linear_accuracy": linear_accuracy(features, labels, test_features, test_labels)}


def zero_share(batches: Iterable[Tensor]) -> float:
    """Share of complex numbers that are exactly 0, of planes ``(B, 2, C, H, W)``."""
    zeros, count = 0, 0
    for planes in batches:
        is_zero = (planes == 0.0).all(dim=1)
        zeros, count = zeros + int(is_zero.sum()), count + is_zero.numel()
    return zeros / count


def label_baselines(labels: np.ndarray, test_labels: np.ndarray, n_classes: int) -> dict[str, float]:
    """Baselines of int64 labels alone: chance, and the most frequent class, the first one of several."""
    most_frequent = np.bincount(labels, minlength=n_classes).argmax()
    return {"chance_accuracy": 1 / n_classes, "majority_accuracy": float((test_labels == most_frequent).mean())}


def linear_accuracy(
    features: np.ndarray, labels: np.ndarray, test_features: np.ndarray, test_labels: np.ndarray
) -> float:
    """Test accuracy of logistic regression with a quadratic penalty on standardised features.

    Parameters
    ----------
    features, test_features
        float32 ``(N, F)`` and ``(M, F)``; both are standardised in place.
    labels, test_labels
        int64 ``(N,)`` and ``(M,)``.
    """
    if len(np.unique(labels)) < 2:
        # There is nothing to tell apart.
        return float((test_labels == labels[0]).mean())
    strength = 1 / (PENALTY * len(labels))
    classifier = make_pipeline(StandardScaler(copy=False), LogisticRegression(C=strength, max_iter=MOST_ITERATIONS))
    with warnings.catch_warnings():
        # A bounded effort is part of what the baseline is.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(features, labels)
    return float((classifier.predict(test_features) == test_labels).mean())


def pooling_of(n_planes: int, height: int, width: int) -> int:
    """Side of the smallest squares that leave at most :data:`MOST_FEATURES` numbers of a sample."""
    sides = range(1, max(height, width) + 1)
    return next((k for k in sides if n_planes * -(-height // k) * -(-width // k) <= MOST_FEATURES), sides[-1])


def _training_batches(data: DeviceData, seed: int) -> Iterable[Tensor]:
    """The training samples once and in order, with the noise that the encoding adds for training."""
    for number, indices in enumerate(data.train.split(_BATCH)):
        yield data.training_batch(indices, generator(seed, Stream.AUGMENTATION, number))


def _features(batches: Iterable[Tensor], planes: Sequence[int], pooling: int) -> np.ndarray:
    """Encoded batches, float32 ``(B, 2, C, H, W)``, as float32 ``(N, F)``."""
    kept = (batch.flatten(1, 2)[:, list(planes)] for batch in batches)
    # At the borders a square is averaged over what is inside.
    pooled = (functional.avg_pool2d(part, pooling, ceil_mode=True) if pooling > 1 else part for part in kept)
    return torch.cat([part.flatten(1) for part in pooled]).numpy()
