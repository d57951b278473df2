"""Reading a finished run."""

from pathlib import Path

import pandas as pd
import pytest
from support.analysed_runs import SPEC, finished_run, write_run

from phasebench.analysis.finished import read_run
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import write_table
from phasebench.specs.run_folder import read_record, write_record


@pytest.mark.parametrize("file", ["run.json", "predictions.parquet", "history.parquet"])
def test_a_damaged_run_is_named(tmp_path: Path, file: str) -> None:
    write_run(tmp_path, finished_run([0, 1, 1, 1]))
    folder = tmp_path / "runs" / SPEC.id
    (folder / file).write_bytes(b"PAR1")
    with pytest.raises(PhasebenchError, match=rf"{file}: not a complete"):
        read_run(folder, tmp_path)


@pytest.mark.parametrize("file", ["predictions.parquet", "history.parquet"])
def test_a_table_of_another_run_is_named(tmp_path: Path, file: str) -> None:
    write_run(tmp_path, finished_run([0, 1, 1, 1]))
    folder = tmp_path / "runs" / SPEC.id
    write_record(folder, read_record(folder))
    write_table(folder / file, pd.read_parquet(folder / file).iloc[::-1])
    with pytest.raises(PhasebenchError, match=rf"{file}: has .*; delete the run's folder"):
        read_run(folder, tmp_path)
