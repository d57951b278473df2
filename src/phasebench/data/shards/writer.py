"""One shard, from the images that its listing names."""

from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.data.shards.index import ShardContent, write_shard_file
from phasebench.data.shards.jpeg import decode
from phasebench.data.shards.plan import listed_images, read_listing


def write_shard(listing_path: Path, locations: Path, output: Path) -> ShardContent:
    """Read a shard's images, decode each to see whether it is whole, and write the shard.

    Parameters
    ----------
    listing_path
        The shard's listing.
    locations
        Where the images lie.
    output
        The HDF5 file to write.

    Returns
    -------
    ShardContent
        What was written; its ``damaged`` names what was left out.

    Raises
    ------
    PhasebenchError
        An image is missing or is another than the listing says, or the shard cannot be written.
    """
    listing = read_listing(listing_path)
    content = ShardContent(listing.split, [], [], [])
    for key, label, image in listed_images(listing, locations):
        try:
            decode(image)
        except PhasebenchError as error:
            content.damaged[key] = str(error)
        else:
            content.keys.append(key)
            content.labels.append(label)
            content.images.append(image)
    write_shard_file(output, content)
    return content
