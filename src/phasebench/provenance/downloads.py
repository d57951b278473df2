"""The raw files that came with a preparation, which downloaded them after its spec file was written.

They are recorded beside the prepared data, so that they count as what the data were made from.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phasebench.common.files import canonical_json, write_text
from phasebench.data.sources.raw_files import raw_checksums, raw_files
from phasebench.specs.run import Scalar
from phasebench.specs.stage import DatasetIdentity


def record_downloads(identity: DatasetIdentity, data_root: Path, prepared: Path) -> None:
    """Keep the checksums of the raw files, if there are more than the spec file names.

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
