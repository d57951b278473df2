"""A data set that a function of somebody's own returns; the configuration names it as ``module:function``."""

from collections.abc import Mapping
from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.common.targets import in_one_line, load_target
from phasebench.data.sources.arrays.labelled_arrays import as_dataset
from phasebench.data.sources.raw_place import RawPlace
from phasebench.data.store import LoadedDataset
from phasebench.specs.run import Scalar

RAW_FUNCTION = RawPlace(option="watch", deep=True, absent="nothing at")

_OWN = ("target", "watch", "split_seed")
"""Options of the source; all others are arguments of the function."""


def load(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """Call the function of the option ``target``.

    Parameters
    ----------
    options
        ``target``; ``watch``, a file or folder below ``data_root`` whose change calls the function again;
        ``split_seed``, of the split where the function gives none; and keyword arguments of the function.
    data_root
        Folder of the raw data sets.
    download
        Of no effect.

    Raises
    ------
    PhasebenchError
        The function cannot be imported or called, or does not return such arrays as
        :func:`~phasebench.data.sources.arrays.labelled_arrays.as_dataset` takes.
    """
    target, seed = str(options["target"]), int(options.get("split_seed", 0))
    function = load_target(target)
    # The author's code may raise anything.
    try:
        arrays = function(**{name: value for name, value in options.items() if name not in _OWN})
    except Exception as error:
        raise PhasebenchError(f"data set of '{target}': {in_one_line(error)}; mend it") from error
    if not isinstance(arrays, Mapping):
        raise PhasebenchError(f"data set of '{target}': returns {type(arrays).__name__}, must be a dict of arrays")
    return as_dataset(
        f"data set of '{target}'", arrays, {"source": "function", "name": target.rpartition("/")[2]}, seed
    )
