"""One evaluation of one run, from the files in its folder to a table."""

from collections.abc import Mapping
from pathlib import Path

from phasebench.common.devices import find_device
from phasebench.common.files import write_table
from phasebench.common.memory import keep_freed_memory
from phasebench.evaluation.registry import load_evaluation
from phasebench.evaluation.trained import load_trained_run


def evaluate_run(
    name: str,
    data_path: Path,
    folder: Path,
    output: Path,
    *,
    device: str = "auto",
    attributes: Mapping[str, object] | None = None,
) -> None:
    """Evaluate a trained run and write a tidy table.

    Its columns are ``metric``, ``condition`` (none: NaN), ``draw`` (repetitions of a random condition, averaged later)
    and ``value``; and ``item`` where some rows are about a part of the run, such as one image or a pair of filters.

    Parameters
    ----------
    name : str
        The evaluation.
    data_path : Path
        The prepared HDF5 file.
    folder : Path
        The run's folder.
    output : Path
        The Parquet file to write.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes a GPU if there is one.
    attributes : mapping, optional
        Kept with the table, as JSON.

    Raises
    ------
    PhasebenchError
        The evaluation is not known, or a file is missing or corrupt.
    """
    keep_freed_memory()
    evaluate = load_evaluation(name)
    table = evaluate(load_trained_run(folder, data_path, find_device(device)))
    write_table(output, table, attributes)
