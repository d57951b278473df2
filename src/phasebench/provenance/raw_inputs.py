"""Raw files of each data set as its spec file names them, also where they are gone or still to be downloaded.

Raw files that a preparation downloads come after its spec file was written. They are recorded beside the prepared
data, so that they count among what the data were made from.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phasebench.common.files import canonical_json, write_plan, write_text
from phasebench.data.shards.registry import folder_times, raw_folder
from phasebench.data.sources.raw_files import Known, raw_checksums, raw_files
from phasebench.plan.datasets import DatasetSpec
from phasebench.specs.run import Scalar
from phasebench.specs.stage import DatasetIdentity

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
        self._known: Known = read_object(results / _KNOWN)

    def of(self, dataset: DatasetSpec) -> dict[str, str]:
        """The raw files of a data set and their checksums; of images in shards, folders and times of change.

        Where the files are not at hand, they are as they were: who has the prepared data needs the raw ones no longer.
        Files that came with the preparation itself, which downloaded them, are no change until they are replaced.

        Raises
        ------
        PhasebenchError
            A raw file cannot be read.
        """
        spec = read_object(self._results / "specs/datasets" / f"{dataset.name}.json")
        is_same = (spec.get("source"), spec.get("options")) == (dataset.source, dataset.options)
        before: dict[str, str] = spec.get("raw", {}) if is_same else {}
        found = self._found(dataset)
        if not found:
            return before
        if dataset.is_sharded:
            return found
        prepared = self._prepared / f"{dataset.name}.h5"
        recorded = raw_before_download(dataset.source, dataset.options, found, prepared)
        if recorded is not None:
            return recorded
        # Downloads of an older version have left no record.
        return before if is_same and not before and prepared.is_file() else found

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


def record_downloads(identity: DatasetIdentity, data_root: Path, prepared: Path) -> None:
    """Keep the checksums of the raw files where the preparation has downloaded some that the spec file does not name.

    Parameters
    ----------
    identity : DatasetIdentity
        What has just been prepared.
    data_root : Path
        Folder of the raw data sets.
    prepared : Path
        The prepared HDF5 file.

    Raises
    ------
    PhasebenchError
        A raw file cannot be read, or the record cannot be written.
    """
    path = _record_of(prepared)
    # Files are read again only where there are more of them.
    if identity.raw.keys() < raw_files(identity.source, identity.options, data_root).keys():
        found = raw_checksums(identity.source, identity.options, data_root, {})
        if identity.raw.items() < found.items():
            asked = identity.model_dump(mode="json", include={"source", "options", "raw"})
            write_text(path, canonical_json({**asked, "found": found}))
            return
    path.unlink(missing_ok=True)


def raw_before_download(
    source: str, options: Mapping[str, Scalar], found: Mapping[str, str], prepared: Path
) -> dict[str, str] | None:
    """What the spec file of the prepared data says of raw files, if all that were added came with the preparation.

    Parameters
    ----------
    source, options
        Of the data set as it is asked for now.
    found : mapping
        Its raw files and their checksums as they are now.
    prepared : Path
        The prepared HDF5 file.

    Returns
    -------
    dict or None
        None if no download is recorded; ``found`` itself if a file has changed since.
    """
    record = read_object(_record_of(prepared)) if prepared.is_file() else {}
    if (record.get("source"), record.get("options")) != (source, options):
        return None
    return dict(record["raw"] if record["found"] == found else found)


def read_object(path: Path) -> dict[str, Any]:
    """What a file of our own holds; nothing where it is missing or cut, as it is written anew then."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _record_of(prepared: Path) -> Path:
    return prepared.with_suffix(".raw.json")
