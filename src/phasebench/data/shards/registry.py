"""Registry of the data sources that are prepared in shards, and the time stamps of their folders."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from phasebench.common.registry import Registry
from phasebench.data.sources.raw_place import raw_place
from phasebench.specs.run import Scalar

if TYPE_CHECKING:
    from phasebench.data.shards.raw_images import RawTree

    ListImages = Callable[[Mapping[str, Scalar], Path, Path], RawTree]

SHARDED_SOURCES: Registry[str] = Registry(
    "data source",
    {
        "imagenet": "phasebench.data.shards.imagenet:list_imagenet",
        "tiny_imagenet": "phasebench.data.shards.imagenet:list_tiny_imagenet",
        "generated_imagenet": "phasebench.data.shards.generated_tree:list_generated",
    },
)
_DEPTH = 3


def list_images(name: str, options: Mapping[str, Scalar], data_root: Path, workplace: Path) -> "RawTree":
    """List a source's images.

    Parameters
    ----------
    name
        A key of :data:`SHARDED_SOURCES`.
    options
        The source's own options.
    data_root
        Folder of the raw data sets.
    workplace
        The prepared data set's own folder.

    Raises
    ------
    PhasebenchError
        There is no such source, an option is not right, or the images are not there.
    """
    listed: ListImages = SHARDED_SOURCES.load(name)
    return listed(options, data_root, workplace)


def raw_folder(name: str, options: Mapping[str, Scalar], data_root: Path) -> Path | None:
    """Folder that a source reads; None if it reads nothing."""
    place = raw_place(name, SHARDED_SOURCES.find(name))
    return place.within(data_root, options) if place else None


def folder_times(folder: Path) -> dict[str, int]:
    """Times of the last change of the folders of a tree, and of the files at its top.

    A folder's time changes when a file in it appears, goes or is replaced, so a million images cost a thousand looks.
    A file that is overwritten in place is not noticed.

    Returns
    -------
    dict
        Path below ``folder`` to nanoseconds; empty where there is no such folder.
    """
    return dict(sorted(_times(folder, folder, _DEPTH)))


def read_shard_names(plan: str) -> list[str]:
    """Names of the shards in a plan, for the workflow."""
    return sorted(json.loads(Path(plan).read_text(encoding="utf-8"))["shards"])


def _times(root: Path, folder: Path, depth: int) -> Iterator[tuple[str, int]]:
    if not folder.is_dir():
        return
    yield folder.relative_to(root).as_posix(), folder.stat().st_mtime_ns
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if depth > 0:
                    yield from _times(root, Path(entry.path), depth - 1)
            elif folder == root:
                yield entry.name, entry.stat().st_mtime_ns
