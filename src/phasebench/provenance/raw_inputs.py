"""Raw files of each data set as its spec file names them, also where they are gone or still to be downloaded.

Raw files that a preparation downloads come after its spec file was written. They are recorded beside the prepared
data, so that they count among what the data were made from.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json, read_json_if_whole, write_plan, write_text
from phasebench.data.shards.registry import SHARDED_SOURCES, folder_times, raw_folder
from phasebench.data.sources.raw_files import Known, raw_checksums, raw_files
from phasebench.specs.paths import Prepared, Results, raw_record
from phasebench.specs.run import Scalar
from phasebench.specs.stage import DatasetIdentity


class RawListings:
    """The raw files of data sets.

    Parameters
    ----------
    results : Results
        Of the scale, with the spec files as they were, and with the checksums that are known by size and time.
    prepared : Prepared
        The prepared data sets of the scale.
    data_root : Path
        Folder of the raw ones.
    """

    def __init__(self, results: Results, prepared: Prepared, data_root: Path) -> None:
        self._results, self._prepared, self._data_root = results, prepared, data_root
        self._known: Known = {
            file: (known[0], known[1], known[2])
            for file, known in read_json_if_whole(results.raw_checksums).items()
            if isinstance(known, list) and list(map(type, known)) == [int, int, str]
        }

    def of(self, name: str, source: str, options: Mapping[str, Scalar]) -> dict[str, str]:
        """The raw files of a data set and their checksums; of images in shards, folders and times of change.

        Where the files are not at hand, they count as unchanged: prepared data are used without their raw files.
        Files that came with the preparation itself, which downloaded them, are no change until they are replaced.

        Raises
        ------
        PhasebenchError
            A raw file cannot be read.
        """
        spec = read_json_if_whole(self._results.spec("datasets", name))
        is_same = (spec.get("source"), spec.get("options")) == (source, options)
        before = spec.get("raw", {}) if is_same else {}
        before = before if isinstance(before, dict) else {}
        found = self._found(source, options)
        if not found:
            return before
        if source in SHARDED_SOURCES:
            return found
        prepared = self._prepared.data(name)
        recorded = raw_before_download(source, options, found, prepared)
        if recorded is not None:
            return recorded
        # Downloads of an older version have left no record.
        return before if is_same and not before and prepared.is_file() else found

    def save(self) -> None:
        """Keep the checksums, so that unchanged files are not read again."""
        if self._known:
            # Somebody else's folder may be looked at all the same.
            with contextlib.suppress(PhasebenchError):
                write_plan(self._results.raw_checksums, canonical_json(self._known))

    def _found(self, source: str, options: Mapping[str, Scalar]) -> dict[str, str]:
        if source not in SHARDED_SOURCES:
            return raw_checksums(source, options, self._data_root, self._known)
        # Without looking at each of a million images.
        folder = raw_folder(source, options, self._data_root)
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
    path = raw_record(prepared)
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
    """Raw files by the spec file of the prepared data, if all that were added came with the preparation.

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
    record = read_json_if_whole(raw_record(prepared)) if prepared.is_file() else {}
    if (record.get("source"), record.get("options")) != (source, options):
        return None
    before = record.get("raw")
    return dict(before if isinstance(before, dict) and record.get("found") == found else found)
