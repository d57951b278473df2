"""Complex radar chips in SICD files, in a folder for each class, as a data set of the configuration.

It needs ``pip install 'phasebench[sicd]'``; docs/extending/data_set.md names it in ``datasets:``.
"""

from pathlib import Path
from typing import Any

import numpy as np

_PATTERNS = ("*.nitf", "*.ntf", "*.sicd")


def load(folder: str, size: int = 128) -> dict[str, Any]:
    """Read the middle of each chip below ``folder/<class>``.

    Parameters
    ----------
    folder : str
        One folder for each class, with a file for each chip.
    size : int
        Height and width, in pixels, of what is read.

    Returns
    -------
    dict
        ``samples``, complex64 ``(N, size, size)``, and ``labels``, the names of the folders.

    Raises
    ------
    ValueError
        There is no chip, or one is smaller than ``size`` or stored as amplitudes and phases of 8 bits.
    """
    paths = sorted(path for pattern in _PATTERNS for path in Path(folder).glob(f"*/{pattern}"))
    if not paths:
        raise ValueError(f"{folder}: there are no chips, such as {folder}/CLASS/CHIP.nitf")
    return {
        "samples": np.stack([read_chip(path, size) for path in paths]),
        "labels": [path.parent.name for path in paths],
    }


def read_chip(path: Path, size: int) -> np.ndarray:
    """Read the middle of one file as complex64 ``(size, size)``."""
    from sarkit import sicd

    with path.open("rb") as file, sicd.NitfReader(file) as reader:
        pixels = reader.read_image()
    if min(pixels.shape) < size:
        raise ValueError(f"{path}: {pixels.shape[0]} x {pixels.shape[1]} pixels, smaller than {size}")
    top, left = ((length - size) // 2 for length in pixels.shape)
    pixels = pixels[top : top + size, left : left + size]
    if pixels.dtype.kind == "c":
        return pixels.astype(np.complex64)
    if pixels.dtype.names != ("real", "imag"):
        raise ValueError(f"{path}: amplitudes and phases of 8 bits; convert them to RE32F_IM32F")
    return (pixels["real"] + 1j * pixels["imag"]).astype(np.complex64)
