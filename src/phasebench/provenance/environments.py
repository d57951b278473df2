"""The package versions that a conda environment file pins, and those of them that identify a result.

An environment holds the packages that its rules import, listed in the ``.in`` file beside it, and all that these need.
Only the former are part of identities: a new version of a helper that no rule imports repeats nothing.
"""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field

from phasebench.common.errors import PhasebenchError
from phasebench.plan.yaml_files import read_model
from phasebench.specs.run import Frozen

_CONDA_PIN = re.compile(r"([A-Za-z0-9_.-]+)=([0-9][^=*,<>]*)")
_PIP_PIN = re.compile(r"([A-Za-z0-9_.-]+)==([0-9][^=*,<>;\s]*)(?: ; .*?)?(?: --hash=sha256:[0-9a-f]{64})*")


class EnvironmentFile(Frozen):
    """A conda environment: ``name=version`` for conda, ``name==version`` in the pip section."""

    name: str | None = Field(default=None, description="not used")
    channels: list[str] = Field(description="where conda looks")
    dependencies: list[str | dict[Literal["pip"], list[str]]] = Field(description="pinned packages")


def read_pins(path: Path, shown: str) -> dict[str, str]:
    """Package -> pinned version, of Python and of the packages in the ``.in`` file; of all where there is no such file.

    Parameters
    ----------
    path
        The environment file.
    shown
        Its name in messages.

    Raises
    ------
    PhasebenchError
        The file is missing or malformed, or does not pin a package to one version.
    """
    pins: dict[str, str] = {}
    for dependency in read_model(EnvironmentFile, path, shown).dependencies:
        lines = [dependency] if isinstance(dependency, str) else dependency.get("pip", [])
        pattern = _CONDA_PIN if isinstance(dependency, str) else _PIP_PIN
        for line in lines:
            pin = pattern.fullmatch(line)
            if pin is not None:
                pins[pin[1]] = pin[2]
            elif line != "pip":
                raise PhasebenchError(f"{shown}: dependencies: '{line}' does not pin one version")
    listed = path.with_suffix(".in")
    if not listed.is_file():
        return pins
    lines = listed.read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    if missing := [name for name in names if name not in pins]:
        raise PhasebenchError(f"{shown}: dependencies: '{missing[0]}' is missing; run `make lock`")
    return {name: pins[name] for name in pins if name in {"python", *names}}
