"""Staleness of the evaluations of a run: which tables have to be computed, and which are kept."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.provenance.record import ORIGIN
from phasebench.specs.run_folder import evaluation_file, read_run_table


def stale_evaluations(folder: Path, origins: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Evaluations whose table is missing or damaged, or was made from something else than it would be made from now.

    Parameters
    ----------
    folder
        The run's folder.
    origins
        Evaluation -> what its table would be made from now.
    """
    return tuple(name for name, current in origins.items() if _recorded(folder, name) != current)


def remove_other_evaluations(folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Remove the tables of all evaluations but these, which nobody asks for any more; return what was removed."""
    kept = {folder / evaluation_file(name) for name in names}
    others = sorted(path for path in (folder / evaluation_file("*")).parent.glob("*.parquet") if path not in kept)
    for path in others:
        path.unlink(missing_ok=True)
    return tuple(path.stem for path in others)


def _recorded(folder: Path, name: str) -> object:
    """The origin that a table states; None where it cannot be read as a whole."""
    try:
        return read_run_table(folder, evaluation_file(name)).attrs.get(ORIGIN)
    except PhasebenchError:
        return None
