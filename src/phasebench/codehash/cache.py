"""Cache of the hashes of closures, valid for exactly the bytes of a package's sources.

It lies beside the package's bytecode and is as disposable. Planning writes it, so that a job compares its code without
parsing it.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import read_json_if_whole, write_plan

CACHE_FILE = "__pycache__/code_hashes.json"
_SUFFIXES = (".py", ".pyi")


def digest_of_sources(folder: Path) -> str:
    """SHA-256 of the names and bytes of all Python files below a folder; no time stamps count."""
    digest = hashlib.sha256()
    # Links to folders are followed, as an import does.
    found = (Path(place, name) for place, _, names in os.walk(folder, followlinks=True) for name in names)
    for path in sorted(path for path in found if path.suffix in _SUFFIXES):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


class HashCache:
    """Hashes of the closures of one package, by what was asked for.

    Parameters
    ----------
    folder : Path
        The package's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sources = digest_of_sources(folder)
        content = read_json_if_whole(folder / CACHE_FILE)
        self._closures: dict[str, dict[str, str]] = {}
        if content.get("sources") == self._sources:
            self._closures = content.get("closures", {})

    def find(self, key: str) -> dict[str, str] | None:
        """Module to hash, or None where this was not asked for since the sources changed."""
        return self._closures.get(key)

    def add(self, key: str, hashes: Mapping[str, str]) -> None:
        """Remember the hashes of a closure; :meth:`save` writes them."""
        self._closures[key] = dict(hashes)

    def save(self) -> None:
        """Write the cache where it changes, unless the sources have changed meanwhile or their folder is read-only."""
        if digest_of_sources(self._folder) != self._sources:
            return
        content = {"sources": self._sources, "closures": self._closures}
        try:
            write_plan(self._folder / CACHE_FILE, json.dumps(content, sort_keys=True))
        except PhasebenchError:
            return
