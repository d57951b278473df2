import math

import pytest

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
    assert [labels.display_name(name) for name in ("cifar10", "simulated_mstar", "lab", "cifarnet_dcn")] == [
        "CIFAR-10",
        "Simulated MSTAR",
        "LAB",
        "CIFARnet DCN",
    ]


def test_commits_are_cut_but_keep_their_mark() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert labels.short_commit(commit) == "0123456789"
    assert labels.short_commit(f"{commit}-dirty") == "0123456789-dirty"
    assert labels.short_commit("unknown") == labels.short_commit("") == "unknown"


@pytest.mark.parametrize(("seconds", "text"), [(7.25, "7.2 s"), (61, "1 min 1 s"), (7322, "2 h 2 min")])
def test_durations(seconds: float, text: str) -> None:
    assert labels.duration(seconds) == text
