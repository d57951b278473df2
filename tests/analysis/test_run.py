"""Analyses from the files of runs to a file."""

from pathlib import Path

import pandas as pd
import pytest
from support.analysed_runs import SPEC, finished_run, write_run

from phasebench.analysis.run import analyse_runs
from phasebench.common.errors import PhasebenchError


def test_from_files_to_a_file(tmp_path: Path) -> None:
    runs = [finished_run([0, 1, 1, 1], seed=0), finished_run([0, 1, 2, 1], seed=1)]
    for finished in runs:
        write_run(tmp_path, finished)
    analyse_runs("bias_variance", [r.spec.id for r in runs], [], tmp_path, tmp_path, tmp_path / "out.parquet")
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert set(table["item"].dropna()) == {"cat", "dog"}
    assert table["seed"].isna().all()
    assert table["stands_in_for"].isna().all()
    assert table["value"].between(0, 1).all()


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    write_run(tmp_path, finished_run([0, 1, 1, 1]))
    analyse_runs("trend", [SPEC.id], [], tmp_path, tmp_path, tmp_path / "out.parquet")
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert table.empty
    assert {"model", "seed", "metric", "item", "value"} <= set(table.columns)


def test_an_unknown_analysis_names_the_known() -> None:
    with pytest.raises(
        PhasebenchError, match="'nope' is not known; choose one of bias_variance, early_accuracy, projections, trend"
    ):
        analyse_runs("nope", [], [], Path(), Path(), Path("x"))
