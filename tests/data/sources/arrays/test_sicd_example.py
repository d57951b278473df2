"""The example that reads SICD files, with a stand-in for the library that decodes them."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.checkout import ROOT

from phasebench.common.errors import PhasebenchError
from phasebench.data.sources.registry import load_source

PAIR = np.dtype([("real", "i2"), ("imag", "i2")])


class NitfReader:
    def __init__(self, file: object) -> None:
        self.file = file

    def __enter__(self) -> "NitfReader":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def read_image(self) -> np.ndarray:
        return np.load(self.file)


def test_the_middle_of_chips_in_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sarkit", SimpleNamespace(sicd=SimpleNamespace(NitfReader=NitfReader)))
    real = np.arange(30).reshape(5, 6)
    pairs = np.zeros((5, 6), dtype=PAIR)
    pairs["real"], pairs["imag"] = real, -real
    for name, pixels in (("a/1.nitf", pairs), ("b/1.nitf", (real - 1j * real).astype(np.complex64))):
        (tmp_path / name).parent.mkdir()
        with (tmp_path / name).open("wb") as file:
            np.save(file, pixels)
    options = {"target": f"{ROOT}/examples/sicd_chips.py:load", "folder": str(tmp_path)}
    loaded = load_source("function", {**options, "size": 3}, tmp_path, False)
    assert (loaded.samples == (real - 1j * real)[1:4, 1:4]).all()
    assert (loaded.labels.tolist(), loaded.classes) == ([0, 1], ("a", "b"))
    with pytest.raises(PhasebenchError, match="5 x 6 pixels, smaller than 6"):
        load_source("function", {**options, "size": 6}, tmp_path, False)
