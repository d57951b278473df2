"""Plan of a sharded data set: the images of each shard.

An image's key alone decides its shard, so that adding or removing images changes no other shard. What identifies a
shard is its listing: keys, labels, sizes and SHA-256 sums of its images, and the code that writes it. A listing is
written only where its bytes change. Where the images lie stands beside it, with the time stamps that save a second
reading of files that have not changed.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json, write_if_different, write_text
from phasebench.common.progress import track
from phasebench.common.validation import read_json_model
from phasebench.data.shards.raw_images import RawImage, RawTree, Split
from phasebench.specs.paths import SHARD_LISTINGS, SHARD_LOCATIONS, SHARD_PLAN
from phasebench.specs.run import Frozen

_REMEDY = "run snakemake again, which plans the shards again"


class ListedImage(Frozen):
    """Identity of an image."""

    label: int
    size: int
    sha256: str


class ShardListing(Frozen):
    """Identity of a shard."""

    split: Split
    images: dict[str, ListedImage]
    code: dict[str, str]
    environment: dict[str, str]


class Location(Frozen):
    """Location of an image, and its bytes' identity when the file had this time stamp."""

    file: str
    offset: int
    size: int
    mtime_ns: int
    sha256: str


class ShardLocations(Frozen):
    """Locations of the images of a shard."""

    folder: str
    images: dict[str, Location]


class ShardPlan(Frozen):
    """Every shard of a data set, and what its labels mean."""

    source: str
    classes: tuple[str, ...]
    words: dict[str, str]
    shards: dict[str, Split]


def plan_shards(
    tree: RawTree,
    source: str,
    folder: Path,
    *,
    code: Mapping[str, str],
    environment: Mapping[str, str],
    threads: int = 1,
) -> None:
    """Write the listing and the locations of every shard, and then the plan that names them.

    Parameters
    ----------
    tree
        The images; a shard that gets none is left out.
    source
        Name of the data source.
    folder
        Where ``plan.json``, ``listings`` and ``locations`` stand or are to stand.
    code, environment
        What else identifies a shard.
    threads
        Files that are read at a time.

    Raises
    ------
    PhasebenchError
        An image cannot be read.
    """
    shards: dict[str, list[RawImage]] = defaultdict(list)
    for image in tree.images:
        shards[_shard_of(tree.key(image), image.split, tree.shards[image.split])].append(image)
    with ThreadPoolExecutor(threads) as pool:
        for name in track(sorted(shards), "reading images"):
            images = sorted(shards[name], key=tree.key)
            known = dict(_known(folder / SHARD_LOCATIONS / f"{name}.json"))
            sums = list(pool.map(lambda image: known.get(_place(image)) or _sha256(image.read(tree.folder)), images))  # noqa: B023
            _write_shard_plan(tree, name, images, sums, folder, code, environment)
    for path in (path for part in (SHARD_LISTINGS, SHARD_LOCATIONS) for path in (folder / part).glob("*.json")):
        if path.stem not in shards:
            path.unlink()
    splits = {name: images[0].split for name, images in sorted(shards.items())}
    plan = ShardPlan(source=source, classes=tree.classes, words=tree.words, shards=splits)
    write_text(folder / SHARD_PLAN, canonical_json(plan.model_dump(mode="json")))


def read_plan(path: Path) -> ShardPlan:
    """Read ``plan.json``."""
    return read_json_model(ShardPlan, path, _REMEDY)


def read_listing(path: Path) -> ShardListing:
    """Read a shard's listing."""
    return read_json_model(ShardListing, path, _REMEDY)


def listed_images(listing: ShardListing, locations: Path) -> Iterator[tuple[str, int, bytes]]:
    """Key, label and bytes of each image of a shard, in the order of the keys.

    Raises
    ------
    PhasebenchError
        An image cannot be read, or is another than the listing says.
    """
    places = read_json_model(ShardLocations, locations, _REMEDY)
    for key, listed in listing.images.items():
        place = places.images.get(key)
        if place is None:
            raise PhasebenchError(f"{locations}: images.{key}: the place of this image is missing; {_REMEDY}")
        image = RawImage(key, listing.split, listed.label, place.file, place.offset, place.size, place.mtime_ns)
        content = image.read(Path(places.folder))
        if _sha256(content) != listed.sha256:
            raise PhasebenchError(
                f"{Path(places.folder) / place.file}: {key} has changed since it was listed; {_REMEDY}"
            )
        yield key, listed.label, content


def _shard_of(key: str, split: Split, count: int) -> str:
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % count
    return f"{split}-{number:04d}"


def _write_shard_plan(
    tree: RawTree,
    name: str,
    images: list[RawImage],
    sums: list[str],
    folder: Path,
    code: Mapping[str, str],
    environment: Mapping[str, str],
) -> None:
    pairs = [(tree.key(image), image, checksum) for image, checksum in zip(images, sums, strict=True)]
    listing = ShardListing(
        split=images[0].split,
        images={key: ListedImage(label=image.label, size=image.size, sha256=s) for key, image, s in pairs},
        code=dict(code),
        environment=dict(environment),
    )
    locations = ShardLocations(
        folder=str(tree.folder.absolute()),
        images={
            key: Location(file=image.file, offset=image.offset, size=image.size, mtime_ns=image.mtime_ns, sha256=s)
            for key, image, s in pairs
        },
    )
    # First where the images are: a listing that has changed calls for its shard at once.
    for part, content in ((SHARD_LOCATIONS, locations), (SHARD_LISTINGS, listing)):
        write_if_different(folder / part / f"{name}.json", canonical_json(content.model_dump(mode="json")))


def _known(path: Path) -> Iterator[tuple[tuple[str, int, int, int], str]]:
    """The sums that were taken before, by place and time stamp."""
    if path.is_file():
        try:
            places = read_json_model(ShardLocations, path, _REMEDY)
        except PhasebenchError:
            return
        for place in places.images.values():
            yield (place.file, place.offset, place.size, place.mtime_ns), place.sha256


def _place(image: RawImage) -> tuple[str, int, int, int]:
    return image.file, image.offset, image.size, image.mtime_ns


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
