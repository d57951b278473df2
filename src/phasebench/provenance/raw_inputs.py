"""What the spec file of each data set says of its raw files, which may be gone or still to be downloaded."""

from pathlib import Path

from phasebench.common.files import canonical_json, write_plan
from phasebench.data.shards.registry import folder_times, raw_folder
from phasebench.data.sources.raw_files import Known, raw_checksums
from phasebench.plan.datasets import DatasetSpec
from phasebench.provenance.downloads import raw_before_download, read_object

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

        Where the files are not at hand, they are as they were: who has the prepared data needs the raw ones no more.
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
