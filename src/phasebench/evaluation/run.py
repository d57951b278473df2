"""Evaluations of one run in one process, from the files in its folder to a table each."""

import logging
from collections.abc import Mapping
from pathlib import Path

from phasebench.common.devices import find_device
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import write_table
from phasebench.common.memory import keep_freed_memory
from phasebench.evaluation.registry import load_evaluation
from phasebench.evaluation.trained import TrainedRun, load_trained_run
from phasebench.specs.run_folder import evaluation_file

_LOGGER = logging.getLogger(__name__)


def evaluate_run(
    evaluations: Mapping[str, Mapping[str, object]],
    data_path: Path,
    folder: Path,
    *,
    samples: Mapping[str, int] | None = None,
    device: str = "auto",
) -> None:
    """Load a trained run once, evaluate it, and write a tidy table for each evaluation as soon as it is finished.

    The columns of a table are ``metric``, ``condition`` (none: NaN), ``draw`` (repetitions of a random condition,
    averaged later) and ``value``; and ``item`` where some rows are about a part of the run, such as one image or a pair
    of filters. The tables are the ``evaluation/<name>.parquet`` of the run's folder.

    Parameters
    ----------
    evaluations : mapping
        Name of each evaluation -> attributes, kept with its table as JSON.
    data_path : Path
        The prepared HDF5 file.
    folder : Path
        The run's folder.
    samples : mapping, optional
        Name of an evaluation -> number of test samples, the first ones, that it works on; all of them if not given.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes a GPU if there is one.

    Raises
    ------
    PhasebenchError
        An evaluation is not known, a file is missing or corrupt, or some evaluations cannot work on the run; the others
        are finished then.
    """
    keep_freed_memory()
    functions = {name: load_evaluation(name) for name in evaluations}
    run = load_trained_run(folder, data_path, find_device(device))
    wanted = samples or {}
    # Evaluations of equally many samples share one object, and with it the logits of the unchanged samples.
    views: dict[int | None, TrainedRun] = {None: run, **{count: run.first(count) for count in wanted.values()}}
    failures = []
    for name, evaluate in functions.items():
        try:
            table = evaluate(views[wanted.get(name)])
        except PhasebenchError as error:
            failures.append(str(error))
            continue
        write_table(folder / evaluation_file(name), table, evaluations[name])
        _LOGGER.info("%s: computed", name)
    if failures:
        raise PhasebenchError("; ".join(failures))
