"""What the spec file of each data set says of its raw files, which may be gone or still to be downloaded."""

import json
from pathlib import Path
from typing import Any

from phasebench.data.raw_files import Known, raw_checksums
from phasebench.data.sharded_registry import folder_times, raw_folder
from phasebench.experiments.datasets import DatasetSpec
from phasebench.files import canonical_json, write_plan

_KNOWN = "raw_files.json"


class RawListings:
    """The raw files of data sets.

    Parameters
    ----------
    results : Path
        ``results/<scale>``, with the spec files as they were, and with the checksums that are known by size and time.
    prepared : Path
        Folder of the prepared data sets.
    data_root : Path
        Folder of the raw ones.
    """

    def __init__(self, results: Path, prepared: Path, data_root: Path) -> None:
        self._results, self._prepared, self._data_root = results, prepared, data_root
        self._known: Known = _json_object(results / _KNOWN)

    def of(self, dataset: DatasetSpec) -> dict[str, str]:
        """The raw files of a data set and their checksums; of images in shards, folders and times of change.

        Where the files are not at hand, they are as they were: who has the prepared data needs the raw ones no more.
        Files that came with the preparation itself, which downloaded them, are no change.

        Raises
        ------
        PhasebenchError
            A raw file cannot be read.
        """
        spec = _json_object(self._results / "specs/datasets" / f"{dataset.name}.json")
        is_same = (spec.get("source"), spec.get("options")) == (dataset.source, dataset.options)
        before: dict[str, str] = spec.get("raw", {}) if is_same else {}
        found = self._found(dataset)
        if not found:
            return before
        is_prepared = (self._prepared / f"{dataset.name}.h5").is_file()
        downloaded = is_same and is_prepared and not before and not dataset.is_sharded
        return before if downloaded else found

    def save(self) -> None:
        """Keep the checksums, so that unchanged files are not read again."""
        if self._known:
            write_plan(self._results / _KNOWN, canonical_json(self._known))

    def _found(self, dataset: DatasetSpec) -> dict[str, str]:
        if not dataset.is_sharded:
            return raw_checksums(dataset.source, dataset.options, self._data_root, self._known)
        # Without looking at each of a million images.
        folder = raw_folder(dataset.source, dataset.options, self._data_root)
        return {name: str(time) for name, time in folder_times(folder).items()} if folder else {}


def _json_object(path: Path) -> dict[str, Any]:
    """What a file of our own holds; nothing where it is missing or cut, as it is written anew then."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
