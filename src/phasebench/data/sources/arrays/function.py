"""A data set of somebody's own code, ``module:name`` in the configuration: a function, or torch's ``Dataset``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phasebench.common.errors import PhasebenchError
from phasebench.common.targets import in_one_line, load_target
from phasebench.data.sources.arrays.labelled_arrays import as_dataset
from phasebench.data.sources.arrays.map_style import is_map_style, is_split, read_map_style, read_split
from phasebench.data.sources.raw_place import RawPlace
from phasebench.data.store import LoadedDataset
from phasebench.specs.run import Scalar

RAW_FUNCTION = RawPlace(option="watch", deep=True, absent="nothing at")

_OWN = ("target", "watch", "split_seed", "crop")
"""Options of the source; all others are arguments of the function or class."""


def load(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """Call the function, or build the ``Dataset``, of the option ``target``.

    Parameters
    ----------
    options
        ``target``; ``watch``, a file or folder below ``data_root`` whose change calls the function again;
        ``split_seed``, of the split where none is given; ``crop``, height and width of what is cut out of the middle of
        a ``Dataset``'s samples; and keyword arguments of the function or class.
    data_root
        Folder of the raw data sets.
    download
        Of no effect.

    Raises
    ------
    PhasebenchError
        The target cannot be imported or called, or gives neither a map-style data set, nor two as ``train`` and
        ``test``, nor such arrays as :func:`~phasebench.data.sources.arrays.labelled_arrays.as_dataset` takes.
    """
    target, seed = str(options["target"]), int(options.get("split_seed", 0))
    place = f"data set of '{target}'"
    found = _call(place, load_target(target), {name: value for name, value in options.items() if name not in _OWN})
    arrays = _arrays(place, found, options.get("crop"))
    return as_dataset(place, arrays, {"source": "function", "name": target.rpartition("/")[2]}, seed)


def _call(place: str, definition: Any, arguments: Mapping[str, Scalar]) -> object:
    if is_map_style(definition) and not arguments:
        return definition
    # The author's code may raise anything.
    try:
        return definition(**arguments)
    except Exception as error:
        raise PhasebenchError(f"{place}: {in_one_line(error)}; mend it") from error


def _arrays(place: str, found: object, crop: Scalar | None) -> Mapping[str, Any]:
    if crop is not None and (isinstance(crop, bool) or not isinstance(crop, int) or crop < 1):
        raise PhasebenchError(f"{place}: options.crop: must be a whole number from 1 on; found {crop!r}")
    if is_map_style(found):
        return read_map_style(place, found, crop)
    if not isinstance(found, Mapping):
        raise PhasebenchError(f"{place}: returns {type(found).__name__}, must be a dict of arrays or a torch Dataset")
    if is_split(found):
        return read_split(place, found, crop)
    if crop is not None:
        raise PhasebenchError(f"{place}: options.crop: is for a torch Dataset; crop the arrays in the function")
    return found
