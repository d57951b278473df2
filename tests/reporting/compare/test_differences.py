"""Cells of two results folders: their marks, intervals and correction."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.synthetic_tables import write_tables

from phasebench.common.errors import PhasebenchError
from phasebench.common.statistics import holm
from phasebench.reporting.compare.differences import CELL, MARKS, differences, read_side

Change = Callable[[pd.DataFrame], pd.DataFrame]


def pair(folder: Path, **changes: Change) -> tuple[Path, Path]:
    """Two results folders with the same tables, but for what is done to those of B."""
    for name in ("a", "b"):
        write_tables(folder / name / "tables", with_studies=True)
    for table, change in changes.items():
        path = folder / f"b/tables/{table}.parquet"
        change(pd.read_parquet(path)).to_parquet(path)
    return folder / "a", folder / "b"


def compared(folder: Path, **changes: Change) -> pd.DataFrame:
    a, b = pair(folder, **changes)
    return differences(read_side(a), read_side(b))


def accuracy(cells: pd.DataFrame, model: str, dataset: str = "svhn") -> pd.Series:
    chosen = (cells["metric"] == "test_accuracy") & (cells["model"] == model) & (cells["dataset"] == dataset)
    (row,) = (row for _, row in cells[chosen].iterrows())
    return row


def shift(model: str, amounts: list[float]) -> Change:
    """Add an amount for each seed to a model's accuracies on SVHN."""

    def change(metrics: pd.DataFrame) -> pd.DataFrame:
        chosen = (metrics["metric"] == "test_accuracy") & (metrics["model"] == model) & (metrics["dataset"] == "svhn")
        metrics.loc[chosen, "value"] += metrics.loc[chosen, "seed"].map(dict(enumerate(amounts)))
        return metrics

    return change


def test_a_folder_equals_itself(tmp_path: Path) -> None:
    cells = compared(tmp_path)
    assert set(cells["mark"]) == {"equal"}
    # Those of a single value as well.
    assert {1, 3} <= set(cells["n_a"])
    assert not cells.duplicated(["table", *CELL]).any()
    metrics = pd.read_parquet(tmp_path / "a/tables/metrics.parquet").dropna(subset=["value"])
    assert cells.loc[cells["table"] == "metrics", "n_a"].sum() == len(metrics)


def test_an_embedding_has_no_axes_to_compare(tmp_path: Path) -> None:
    items = pd.read_parquet(pair(tmp_path)[0] / "tables/items.parquet")
    assert "tsne_x" in set(items["metric"])
    side = read_side(tmp_path / "a")
    assert set(side.values.loc[side.values["table"] == "items", "metric"]) == set(items["metric"]) - {
        "tsne_x",
        "tsne_y",
    }


def test_a_cell_differs_by_welchs_test_after_the_correction(tmp_path: Path) -> None:
    cells = compared(tmp_path, metrics=shift("cifarnet_real", [0.5, 0.51, 0.52]))
    row = accuracy(cells, "cifarnet_real")
    values = [
        frame.loc[
            (frame["metric"] == "test_accuracy") & (frame["model"] == "cifarnet_real") & (frame["dataset"] == "svhn"),
            "value",
        ]
        for frame in (pd.read_parquet(tmp_path / f"{name}/tables/metrics.parquet") for name in "ab")
    ]
    expected = stats.ttest_ind(values[1], values[0], equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert (row["mark"], row["n_a"], row["n_b"]) == ("differs", 3, 3)
    assert (row["mean_a"], row["std_b"]) == pytest.approx((values[0].mean(), values[1].std()))
    assert row["difference"] == pytest.approx(values[1].mean() - values[0].mean())
    assert (row["low"], row["high"], row["p"]) == pytest.approx((interval.low, interval.high, expected.pvalue))
    family = cells.loc[cells["table"] == "metrics", "p"]
    assert row["p_holm"] == pytest.approx(holm(list(family))[family.index.get_loc(row.name)])
    assert row["p_holm"] > row["p"]
    assert (cells["mark"] == "differs").sum() == 1


def test_a_small_difference_agrees_and_a_middling_one_is_apart(tmp_path: Path) -> None:
    cells = compared(tmp_path, metrics=shift("cifarnet_real", [0.001, -0.001, 0.001]))
    assert accuracy(cells, "cifarnet_real")["mark"] == "agrees"
    cells = compared(tmp_path, metrics=shift("cifarnet_real", [0.04, 0.041, 0.042]))
    row = accuracy(cells, "cifarnet_real")
    assert row["p"] < 0.05 < row["p_holm"]
    assert row["mark"] == "apart"


def test_a_single_value_that_differs_has_no_interval(tmp_path: Path) -> None:
    def change(metrics: pd.DataFrame) -> pd.DataFrame:
        metrics.loc[metrics["model"] == "mstar_cds", "value"] += 0.25
        return metrics

    cells = compared(tmp_path, metrics=change)
    changed = cells[cells["mark"] == "single"]
    assert set(changed["model"]) == {"mstar_cds"}
    assert changed["difference"].to_numpy() == pytest.approx(0.25)
    assert changed[["low", "high", "p", "p_holm"]].isna().all(axis=None)


def test_cells_of_one_side_alone(tmp_path: Path) -> None:
    cells = compared(
        tmp_path,
        metrics=lambda metrics: metrics[metrics["model"] != "mstar_real"],
        analyses=lambda analyses: pd.concat([analyses, analyses.assign(metric="new")]),
    )
    assert set(cells.loc[cells["mark"] == "only in A", "model"]) == {"mstar_real"}
    only_b = cells[cells["mark"] == "only in B"]
    assert set(only_b["metric"]) == {"new"}
    assert (only_b["n_a"] == 0).all()
    assert set(cells["mark"]) == {"equal", "only in A", "only in B"}
    assert list(dict.fromkeys(cells["mark"])) == [mark for mark in MARKS if mark in set(cells["mark"])]


def test_other_seeds_are_no_equal_cell(tmp_path: Path) -> None:
    def change(metrics: pd.DataFrame) -> pd.DataFrame:
        return metrics[(metrics["model"] != "cifarnet_real") | (metrics["seed"] != 2)]

    row = accuracy(compared(tmp_path, metrics=change), "cifarnet_real")
    assert (row["mark"], row["n_a"], row["n_b"]) == ("agrees", 3, 2)
    assert np.isfinite(row["p"])


def test_a_folder_without_tables_is_named(tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match=r"nowhere: holds no folder 'tables'; give a folder such as results/demo"):
        read_side(tmp_path / "nowhere")
    pair(tmp_path)
    (tmp_path / "a/tables/metrics.parquet").write_bytes(b"PAR1")
    with pytest.raises(PhasebenchError, match=r"metrics\.parquet: not a complete Parquet file"):
        read_side(tmp_path / "a")
