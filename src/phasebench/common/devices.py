"""Choice of the device, CPU or GPU."""

import torch

from phasebench.common.errors import PhasebenchError


def find_device(name: str) -> torch.device:
    """The device of that name: ``cpu``, ``cuda``, or ``auto``, which takes a GPU if there is one.

    Raises
    ------
    PhasebenchError
        ``cuda`` is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise PhasebenchError("config.yaml: device: 'cuda' is asked for, but this machine shows no GPU; use 'auto'")
    return torch.device("cuda" if available and name != "cpu" else "cpu")
