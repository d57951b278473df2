"""Preparation of a data set, from its source to one HDF5 file and a manifest."""

from collections.abc import Mapping
from pathlib import Path

from phasebench.data.sources.registry import load_source
from phasebench.data.store import write_store
from phasebench.specs.run import Scalar


def prepare_dataset(
    source: str,
    options: Mapping[str, Scalar],
    data_root: Path,
    download: bool,
    output: Path,
    manifest: Path,
    prepared_from: str = "",
) -> None:
    """Load a data set and write its HDF5 file and its manifest.

    Parameters
    ----------
    source, options, data_root, download
        See :func:`phasebench.data.sources.registry.load_source`.
    output, manifest
        The HDF5 and the JSON file to write.
    prepared_from
        The text of the spec file.

    Raises
    ------
    PhasebenchError
        The data set cannot be loaded or written; then neither file has changed.
    """
    loaded = load_source(source, options, data_root, download)
    write_store(
        output,
        manifest,
        samples=loaded.samples,
        labels=loaded.labels,
        splits=loaded.splits,
        classes=loaded.classes,
        source=loaded.source,
        extra=loaded.extra,
        prepared_from=prepared_from,
    )
