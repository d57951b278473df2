import math

import pytest
from support.shipped import shipped_suite

from phasebench.reporting import labels


@pytest.mark.parametrize(
    ("fraction", "per_cent", "points"),
    [
        (0.6717, "67.17", "+67.17"),
        (-0.0025, "\N{MINUS SIGN}0.25", "\N{MINUS SIGN}0.25"),
        (-1e-9, "0.00", "0.00"),
        (math.nan, "\N{EN DASH}", "\N{EN DASH}"),
    ],
)
def test_fractions_in_print(fraction: float, per_cent: str, points: str) -> None:
    assert labels.per_cent(fraction) == per_cent
    assert labels.points(fraction) == points


def test_items_are_counted_from_one_and_sorted_as_numbers() -> None:
    assert [labels.item_name(item) for item in ("image0", "image10", "traffic_light")] == [
        "Image 1",
        "Image 11",
        "Traffic light",
    ]
    assert sorted(["image10", "image9", "cat"], key=labels.item_order) == ["cat", "image9", "image10"]


def test_long_names_are_cut() -> None:
    assert labels.shortened("automobile", 10) == "automobile"
    assert labels.shortened("automobiles", 10) == "automobil\N{HORIZONTAL ELLIPSIS}"


def test_file_names_have_no_paths_in_them() -> None:
    assert labels.slug("../a", "b/<c>") == "-a-b-c-"


def test_names_in_print() -> None:
    plain = labels.DisplayNames()
    assert [plain(name) for name in ("cifar10", "colour_shapes", "lab", "mfcc_and_phase")] == [
        "Cifar10",
        "Colour shapes",
        "LAB",
        "MFCC and phase",
    ]
    given = labels.DisplayNames({"mstar": "MSTAR", "fashion_mnist": "Fashion-MNIST", "mnist": "MNIST", "lab": "Lab"})
    assert [given(name) for name in ("simulated_mstar", "fashion_mnist", "mnist_lab")] == [
        "Simulated MSTAR",
        "Fashion-MNIST",
        "MNIST Lab",
    ]
    assert labels.DisplayNames.from_json('{"mnist": "MNIST"}')("mnist") == "MNIST"
    assert labels.DisplayNames.from_json("")("mnist") == "Mnist"


@pytest.mark.parametrize(
    ("suite", "names"),
    [
        (
            "co_domain_symmetry",
            {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "svhn": "SVHN", "mstar": "MSTAR"}
            | {"mstar_soc": "MSTAR SOC", "mstar_eoc_30": "MSTAR EOC 30", "mstar_eoc_45": "MSTAR EOC 45"}
            | {"co_domain_symmetry": "Co-domain symmetry", "simulated_mstar": "Simulated MSTAR"},
        ),
        (
            "complex_cnn_analysis",
            {"mnist": "MNIST", "kmnist": "KMNIST", "fashion_mnist": "Fashion-MNIST", "gtzan": "GTZAN"}
            | {"gtzan_binary": "GTZAN binary", "complex_cnn_analysis": "Complex CNN analysis"},
        ),
        ("phase_matters", {"mnist": "MNIST", "phase_matters": "Phase matters"}),
        (
            "spectral_batch_norm",
            {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet": "ImageNet", "tiny_imagenet": "Tiny ImageNet"},
        ),
    ],
)
def test_each_suite_names_its_own_data_sets(suite: str, names: dict[str, str]) -> None:
    own = shipped_suite(suite)
    assert names.keys() >= {data for experiment in own.experiments.values() for data in experiment.grid.datasets}
    display_names = labels.DisplayNames(own.display_names)
    assert {name: display_names(name) for name in names} == names


def test_commits_are_cut_but_keep_their_mark() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert labels.short_commit(commit) == "0123456789"
    assert labels.short_commit(f"{commit}-dirty") == "0123456789-dirty"
    assert labels.short_commit("unknown") == labels.short_commit("") == "unknown"


@pytest.mark.parametrize(("seconds", "text"), [(7.25, "7.2 s"), (61, "1 min 1 s"), (7322, "2 h 2 min")])
def test_durations(seconds: float, text: str) -> None:
    assert labels.duration(seconds) == text
