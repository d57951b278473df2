"""Arrays in files: a folder of ``.npy``, an ``.npz``, or a ``.mat`` of MATLAB 7.3.

Each array is called as in :data:`~phasebench.data.sources.arrays.labelled_arrays.KEYS`: ``samples.npy``,
``labels.npy`` and so on in a folder, or the names of the arrays in one file. In MATLAB, ``samples(:, :, k)`` is the
``k``-th chip.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from phasebench.common.errors import PhasebenchError
from phasebench.data.hdf5 import open_hdf5, require_dataset
from phasebench.data.sources.arrays.labelled_arrays import KEYS, as_dataset
from phasebench.data.sources.options import parse_options
from phasebench.data.sources.raw_place import RawPlace
from phasebench.data.store import LoadedDataset
from phasebench.specs.run import Frozen, Scalar

RAW_ARRAYS = RawPlace(option="path", names=r".*\.npy", absent="no arrays at")

_MATLAB = "save it in MATLAB with -v7.3, and samples, labels as numbers"


class Options(Frozen):
    """Options of the source ``arrays``."""

    path: str
    split_seed: int = 0


def load(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """Read the folder or file that the option ``path`` names, relative to ``data_root`` unless absolute.

    Parameters
    ----------
    options
        ``path``; ``split_seed``, of the split where the arrays give none.
    data_root
        Folder of the raw data sets.
    download
        Of no effect.

    Raises
    ------
    PhasebenchError
        A file is missing or damaged, needs pickle, or an array is not as it has to be.
    """
    chosen = parse_options("arrays", Options, options)
    path = data_root / chosen.path
    arrays = _of_matlab(path) if path.suffix == ".mat" else _of_numpy(path)
    return as_dataset(str(path), arrays, {"source": "arrays", "name": path.name}, chosen.split_seed)


def _of_numpy(path: Path) -> dict[str, np.ndarray]:
    try:
        if path.is_dir():
            files = {key: path / f"{key}.npy" for key in KEYS}
            return {key: np.load(file, allow_pickle=False) for key, file in files.items() if file.is_file()}
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:120]
        raise PhasebenchError(
            f"{path}: cannot be read as arrays: {reason}; save plain arrays with numpy.save"
        ) from error


def _of_matlab(path: Path) -> dict[str, np.ndarray]:
    with open_hdf5(path, _MATLAB) as file:
        return {key: _matlab_array(file, key) for key in KEYS if key in file}


def _matlab_array(file: h5py.File, key: str) -> np.ndarray:
    values = np.asarray(require_dataset(file, key, _MATLAB)[()])
    if values.dtype.names == ("real", "imag"):
        values = values["real"] + 1j * values["imag"]
    if key == "samples":
        # MATLAB's first axis comes last in the file.
        return values.swapaxes(1, 2) if values.ndim == 3 else values
    if values.dtype.kind == "O" or (values.dtype.kind == "f" and (values != np.rint(values)).any()):
        raise PhasebenchError(f"{file.filename}: {key}: must be whole numbers; {_MATLAB}")
    return values.reshape(-1).astype(np.int64)
