"""Reading a finished run."""

from pathlib import Path

import pytest
from support.analysed_runs import SPEC, finished_run, write_run

from phasebench.analysis.finished import read_run
from phasebench.common.errors import PhasebenchError


@pytest.mark.parametrize("file", ["run.json", "predictions.parquet", "history.parquet"])
def test_a_damaged_run_is_named(tmp_path: Path, file: str) -> None:
    write_run(tmp_path, finished_run([0, 1, 1, 1]))
    folder = tmp_path / "runs" / SPEC.id
    (folder / file).write_bytes(b"PAR1")
    with pytest.raises(PhasebenchError, match=rf"{file}: not a complete"):
        read_run(folder, tmp_path)
