"""One analysis of the runs of one experiment, from their folders to a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from phasebench.analysis.finished import read_run
from phasebench.analysis.registry import load_analysis
from phasebench.specs.paths import Results
from phasebench.specs.run import coordinates
from phasebench.specs.value_tables import write_values

_PUBLISHED_COLUMNS = (
    *coordinates("suite", "experiment", "stands_in_for", "variant", "seed"),
    "metric",
    "condition",
    "value",
)


def analyse_runs(
    name: str,
    run_ids: Sequence[str],
    published: Sequence[Mapping[str, object]],
    results: Path,
    prepared: Path,
    output: Path,
    attributes: Mapping[str, object] | None = None,
) -> None:
    """Analyse finished runs and write a tidy table.

    Its columns are what the runs of a cell have in common, ``seed`` (none for a value over all seeds), ``n`` (networks
    that the value is computed from), ``metric``, ``condition``, ``item`` (a class, for instance) and ``value``.

    Parameters
    ----------
    name : str
        The analysis.
    run_ids : sequence of str
        All runs of the experiment.
    published : sequence of mapping
        Those of the study's own numbers of this experiment that the analysis reads, as the aggregation has them.
    results : Path
        ``results/<scale>``.
    prepared : Path
        Folder of the prepared data sets' manifests.
    output : Path
        The Parquet file to write.
    attributes : mapping, optional
        Kept with the table, as JSON.

    Raises
    ------
    PhasebenchError
        The analysis is not known, or a run's file is missing or damaged.
    """
    analyse = load_analysis(name)
    runs = [read_run(Results(results).run(run_id), prepared) for run_id in run_ids]
    table = analyse(runs, pd.DataFrame(list(published), columns=list(_PUBLISHED_COLUMNS)))
    write_values(output, table, attributes)
