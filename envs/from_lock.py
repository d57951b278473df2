"""Write the conda environments beside this file from ``requirements.lock``: ``python envs/from_lock.py``.

``<name>.in`` lists the packages that an environment is for; ``<name>.yaml`` gets these and all that they need, with
the versions, hashes and markers of the lock. pip checks the hashes, also those of packages that nobody named.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker

FOLDER = Path(__file__).resolve().parent
LOCK = FOLDER.parent / "requirements.lock"
PYTHON = "3.11"
_PLATFORMS = (
    {"sys_platform": "linux", "platform_system": "Linux"},
    {"sys_platform": "darwin", "platform_system": "Darwin"},
)
_HEAD = re.compile(r"(?P<name>[a-z0-9-]+)(?:\[[a-z0-9,_-]+\])?==(?P<version>[^ ;]+)(?: ; (?P<marker>.*?))? \\")
_HASH = re.compile(r"    (--hash=\S+?)(?: \\)?")
_PARENT = re.compile(r"    #(?: via)? +(?!via$)([A-Za-z0-9_.-]+)(?: .*)?")


@dataclass(frozen=True)
class Locked:
    """A package of the lock."""

    line: str
    """Version, marker and hashes, as pip reads them."""
    parents: frozenset[str]
    """Packages that need it."""


def read_lock(text: str) -> dict[str, Locked]:
    """Packages of a lock by name, those that :data:`PYTHON` has."""
    found: dict[str, Locked] = {}
    for block in re.split(r"(?m)^(?=[a-z0-9])", text)[1:]:
        head, *rest = block.splitlines()
        match = _HEAD.fullmatch(head)
        if match is None:
            raise ValueError(f"{LOCK.name}: '{head}' does not pin one version with hashes")
        hashes = [hit[1] for line in rest if (hit := _HASH.fullmatch(line))]
        parents = frozenset(hit[1] for line in rest if (hit := _PARENT.fullmatch(line)))
        if _is_used(match["marker"]):
            if match["name"] in found:
                raise ValueError(f"{LOCK.name}: {match['name']}: two versions for Python {PYTHON}")
            marker = f" ; {match['marker']}" if match["marker"] else ""
            line = " ".join([f"{match['name']}=={match['version']}{marker}", *hashes])
            found[match["name"]] = Locked(line, parents)
    return found


def environment(name: str, wanted: Iterable[str], locked: Mapping[str, Locked]) -> str:
    """Text of an environment with these packages and all that they need."""
    chosen = set(wanted)
    if unknown := sorted(chosen - locked.keys()):
        raise ValueError(f"{name}.in: {unknown[0]}: not in {LOCK.name}")
    while more := {each for each, package in locked.items() if package.parents & chosen} - chosen:
        chosen |= more
    lines = [f"      - {_quoted(locked[package].line)}" for package in sorted(chosen)]
    return "\n".join(
        [
            f"# Written by `make lock` from requirements.lock, for the packages in {name}.in.",
            "channels:",
            "  - conda-forge",
            "dependencies:",
            f"  - python={PYTHON}",
            "  - pip",
            "  - pip:",
            *lines,
            "",
        ]
    )


def wanted_of(name: str) -> list[str]:
    """Packages in ``<name>.in``."""
    lines = (FOLDER / f"{name}.in").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def texts() -> dict[Path, str]:
    """File of each environment -> its text."""
    locked = read_lock(LOCK.read_text(encoding="utf-8"))
    names = sorted(path.stem for path in FOLDER.glob("*.in"))
    return {FOLDER / f"{name}.yaml": environment(name, wanted_of(name), locked) for name in names}


def _is_used(marker: str | None) -> bool:
    here = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.9", "platform_machine": "x86_64"}
    return marker is None or any(Marker(marker).evaluate({**here, **platform}) for platform in _PLATFORMS)


def _quoted(line: str) -> str:
    # A marker has quotation marks of the other kind.
    return f'"{line}"' if " ; " in line else line


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")
