"""The baselines, on data whose answers are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from support.tiny_shards import generate_shards
from torch.nn import functional

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.in_memory import load_device_data
from phasebench.data.shards.index import read_index
from phasebench.data.splits import training_split
from phasebench.data.store import write_store
from phasebench.evaluation.baselines import (
    MOST_FEATURES,
    PENALTY,
    NetworkInput,
    baselines_of,
    linear_accuracy,
    measure_baselines,
    pooling_of,
)

N_TRAIN, N_TEST = 120, 60
CELLS = (
    {"experiment": "table_1", "stands_in_for": "cifar10", "variant": None},
    {"experiment": "table_2", "stands_in_for": None, "variant": "fraction050"},
)


def network_input(**changes: Any) -> NetworkInput:
    values = {"dataset": "data", "encoding": "rgb", "test_encoding": None, "train_fraction": 1.0}
    values |= {"validation_fraction": 0.1, "subset": "random", "seed": 3, "cells": CELLS[:1]}
    return NetworkInput.model_validate({**values, **changes})


def store(folder: Path, samples: np.ndarray, labels: np.ndarray, n_train: int = N_TRAIN) -> Path:
    path = folder / "data.h5"
    splits = {"train": np.arange(n_train), "test": np.arange(n_train, len(samples))}
    classes = [f"class {label}" for label in range(labels.max() + 1)]
    write_store(
        path,
        path.with_suffix(".json"),
        samples=samples,
        labels=labels,
        splits=splits,
        classes=classes,
        source={"source": "generated"},
    )
    return path


@pytest.fixture
def labels() -> np.ndarray:
    # The first class is the most frequent one of the training pool, and not of the test samples.
    generator = np.random.default_rng(0)
    train = generator.permutation(np.repeat([0, 1, 2], [60, 40, 20]))
    return np.concatenate((train, generator.permutation(np.repeat([0, 1, 2], [15, 30, 15]))))


@pytest.fixture
def images(labels: np.ndarray) -> np.ndarray:
    """Noise in which a colour is brighter, another one for each class."""
    samples = np.random.default_rng(1).integers(0, 100, (len(labels), 8, 8, 3), dtype=np.uint8)
    for label in range(3):
        samples[labels == label, :, :, label] += 100
    return samples


def test_what_a_line_separates_is_told_apart_and_the_rest_is_counted(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    n_test, values = baselines_of(network_input(), store(tmp_path, images, labels))
    assert n_test == N_TEST
    assert values == {
        "chance_accuracy": pytest.approx(1 / 3),
        "majority_accuracy": 15 / 60,
        "linear_accuracy": 1.0,
        "linear_features": 3 * 8 * 8,
        "linear_pooling": 1,
        "zero_share": pytest.approx((images[N_TRAIN:] == 0).mean()),
    }


def test_the_most_frequent_class_is_that_of_the_runs_own_training_samples(tmp_path: Path, images: np.ndarray) -> None:
    # One class more often in the first samples, another in the last.
    labels = np.concatenate((np.zeros(50), np.ones(70), np.repeat([0, 1], [45, 15]))).astype(np.int64)
    path = store(tmp_path, images, labels)
    shares = {}
    for fraction in (0.4, 1.0):
        read = network_input(train_fraction=fraction, subset="first", validation_fraction=0.0)
        shares[fraction] = baselines_of(read, path)[1]["majority_accuracy"]
    assert shares == {0.4: 45 / 60, 1.0: 15 / 60}
    for seed in range(5):
        train, _ = training_split(np.arange(N_TRAIN), seed, 0.1, 0.1)
        expected = (labels[N_TRAIN:] == np.bincount(labels[train]).argmax()).mean()
        values = baselines_of(network_input(seed=seed, train_fraction=0.1), path)[1]
        assert values["majority_accuracy"] == expected


def test_real_and_imaginary_parts_both_count(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 4, N_TRAIN + N_TEST)
    # Two classes differ in the real part alone, two in the imaginary part.
    means = np.array([1, -1, 1j, -1j])[labels]
    noise = generator.normal(size=(2, len(labels), 6, 6))
    samples = (means[:, None, None] + noise[0] + 1j * noise[1]).astype(np.complex64)
    values = baselines_of(network_input(encoding="complex"), store(tmp_path, samples, labels))[1]
    assert (values["linear_features"], values["linear_accuracy"]) == (2 * 6 * 6, 1.0)


def test_test_samples_are_encoded_as_for_a_test(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 2, N_TRAIN + N_TEST)
    samples = (labels[:, None, None, None] * 150 + generator.integers(0, 100, (len(labels), 8, 8, 1))).astype(np.uint8)
    path = store(tmp_path, samples, labels)
    same = baselines_of(network_input(encoding="grey_unit"), path)[1]
    assert same["linear_accuracy"] == 1.0
    # Less one half, every test image is as dark as the training images of the first class.
    darker = baselines_of(network_input(encoding="grey_unit", test_encoding="grey"), path)[1]
    assert darker["linear_accuracy"] == (labels[N_TRAIN:] == 0).mean()


def test_large_inputs_are_averaged_over_squares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_FEATURES == 4096
    sides = {(3, 32, 32): 1, (4, 32, 32): 1, (3, 64, 64): 2, (2, 128, 128): 3, (2, 13, 126): 1, (5000, 2, 2): 2}
    assert {shape: pooling_of(*shape) for shape in sides} == sides
    # Neighbours of opposite sign: their average tells nothing, the class is in what is left at the border.
    monkeypatch.setattr("phasebench.evaluation.baselines.MOST_FEATURES", 18)
    generator = np.random.default_rng(4)
    labels = generator.integers(0, 2, N_TRAIN + N_TEST)
    samples = np.zeros((len(labels), 5, 5), dtype=np.complex64)
    samples[:, 0, 0] = generator.normal(size=len(labels))
    samples[:, 0, 1] = -samples[:, 0, 0]
    samples[:, 4, 4] = 2 * labels - 1
    path = store(tmp_path, samples, labels)
    values = baselines_of(network_input(encoding="complex"), path)[1]
    assert (values["linear_pooling"], values["linear_features"], values["linear_accuracy"]) == (2, 2 * 3 * 3, 1.0)


def test_the_classifier_is_logistic_regression(images: np.ndarray, labels: np.ndarray) -> None:
    generator = np.random.default_rng(5)
    features = generator.normal(size=(400, 12)).astype(np.float32) * 7 + 3
    classes = (features[:, :3] + generator.normal(size=(400, 3)) * 9).argmax(axis=1)
    train, test = torch.tensor(features[:200]).double(), torch.tensor(features[200:]).double()
    mean, deviation = train.mean(dim=0), train.std(dim=0, correction=0)
    train, test, target = (train - mean) / deviation, (test - mean) / deviation, torch.tensor(classes[:200])
    weight, bias = torch.zeros(3, 12, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    parameters = [parameter.requires_grad_() for parameter in (weight, bias)]
    optimizer = torch.optim.LBFGS(parameters, max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(train @ weight.T + bias, target) + PENALTY / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    predicted = (test @ weight.T + bias).argmax(dim=1).numpy()
    expected = (predicted == classes[200:]).mean()
    assert 0.4 < expected < 0.9
    # One sample of two hundred may lie on the border.
    found = linear_accuracy(features[:200].copy(), classes[:200], features[200:].copy(), classes[200:])
    assert found == pytest.approx(expected, abs=0.005)


def test_of_a_single_class_there_is_nothing_to_learn() -> None:
    features = np.random.default_rng(6).normal(size=(10, 3)).astype(np.float32)
    assert linear_accuracy(features, np.ones(10, int), features[:4], np.array([0, 1, 1, 1])) == 0.75


def test_the_training_samples_are_the_networks_own(tmp_path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    path = store(tmp_path, images, labels)
    read = network_input(train_fraction=0.5)
    data = load_device_data(read, path, torch.device("cpu"))
    train, _ = training_split(np.arange(N_TRAIN), 3, 0.5, 0.1)
    features = images[train].transpose(0, 3, 1, 2).reshape(len(train), -1) / (255.0 * float(data.statistics))
    test = images[N_TRAIN:].transpose(0, 3, 1, 2).reshape(N_TEST, -1) / (255.0 * float(data.statistics))
    expected = linear_accuracy(features, labels[train], test, labels[N_TRAIN:])
    assert baselines_of(read, path)[1]["linear_accuracy"] == expected


def test_images_in_shards_have_the_most_frequent_class_alone(tmp_path: Path) -> None:
    path = generate_shards(tmp_path, shards=2)
    index = read_index(path)
    n_test, values = baselines_of(network_input(validation_fraction=0.0), path)
    most_frequent = np.bincount(index.labels[index.splits["train"]]).argmax()
    assert n_test == len(index.splits["test"])
    assert values == {
        "chance_accuracy": 1 / len(index.classes),
        "majority_accuracy": (index.labels[index.splits["test"]] == most_frequent).mean(),
    }


def test_of_images_in_shards_the_first_count_where_these_train(tmp_path: Path) -> None:
    path = generate_shards(tmp_path, shards=2)
    index = read_index(path)
    pool, test_labels = index.labels[index.splits["train"]], index.labels[index.splits["test"]]
    found, expected = [], []
    for size in range(1, 20):
        read = network_input(subset="first", train_fraction=size / len(pool), validation_fraction=0.0)
        found.append(baselines_of(read, path)[1]["majority_accuracy"])
        expected.append((test_labels == np.bincount(pool[:size]).argmax()).mean())
    assert found == expected


def test_every_cell_of_an_input_has_rows_and_again_the_same(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    store(tmp_path, images, labels)
    inputs = [network_input(cells=CELLS).model_dump(mode="json"), network_input(seed=4).model_dump(mode="json")]
    for name in ("first", "second"):
        measure_baselines(inputs, tmp_path, tmp_path / f"{name}.parquet", attributes={"origin": {"spec": "x"}})
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "second.parquet").read_bytes()
    table = pd.read_parquet(tmp_path / "first.parquet")
    assert table.attrs == {"origin": {"spec": "x"}}
    counts = table[table["metric"] == "linear_accuracy"].groupby(["experiment", "seed"])["n"].first()
    assert counts.to_dict() == {("table_1", 3): N_TEST, ("table_1", 4): N_TEST, ("table_2", 3): N_TEST}
    assert set(table.loc[table["experiment"] == "table_2", "variant"]) == {"fraction050"}
    assert table["model"].isna().all()


def test_data_of_another_kind_are_refused(tmp_path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    store(tmp_path, images, labels)
    inputs = [network_input(encoding="complex").model_dump(mode="json")]
    with pytest.raises(PhasebenchError, match="encoding: 'complex' is for complex samples"):
        measure_baselines(inputs, tmp_path, tmp_path / "baselines.parquet")
    assert not (tmp_path / "baselines.parquet").exists()
