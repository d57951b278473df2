"""Steps that are done in a checkpoint, read without torch: nothing is unpickled, nor are the weights read."""

import pickletools
import zipfile
from pathlib import Path

_KEY = "step"
_MEMO = frozenset({"BINPUT", "LONG_BINPUT", "MEMOIZE"})


def steps_done(checkpoint: Path) -> int | None:
    """Steps that :func:`phasebench.training.checkpoint.save_checkpoint` has written down; None where it cannot be told.

    Parameters
    ----------
    checkpoint
        The file. It is a ZIP archive, whose ``data.pkl`` names the step first.
    """
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            (name,) = (one for one in archive.namelist() if one.endswith("/data.pkl"))
            return _first_step(archive.read(name))
    except (OSError, ValueError, zipfile.BadZipFile):
        return None


def _first_step(pickled: bytes) -> int | None:
    """The number behind the first key ``step``. The operations are read, never executed."""
    is_next = False
    for operation, argument, _ in pickletools.genops(pickled):
        if is_next and operation.name not in _MEMO:
            return argument if isinstance(argument, int) else None
        is_next = is_next or argument == _KEY
    return None
