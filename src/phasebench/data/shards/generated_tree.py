"""A small data set in ImageNet's folders: JPEG files of generated images in many sizes, some of them damaged."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torchvision.io import encode_jpeg
from torchvision.transforms.v2 import functional

from phasebench.common.files import canonical_json, write_text
from phasebench.data.shards.imagenet import list_imagenet
from phasebench.data.shards.raw_images import RawTree
from phasebench.data.sources.images import colour_shapes
from phasebench.data.sources.options import parse_options
from phasebench.specs.run import Frozen, Scalar

RAW_GENERATED_IMAGENET = None

_FOLDER = "raw"
_STAMP = "generated.json"
_VERSION = 1


class Options(Frozen):
    """Options of the source ``generated_imagenet``."""

    n_train: Annotated[int, Field(ge=len(colour_shapes.CLASSES))] = 2000
    n_test: Annotated[int, Field(ge=len(colour_shapes.CLASSES))] = 200
    smallest: Annotated[int, Field(ge=16)] = 32
    largest: Annotated[int, Field(ge=16)] = 200
    damaged: Annotated[int, Field(ge=0)] = 8
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    train_shards: PositiveInt = 8
    test_shards: PositiveInt = 2


def list_generated(options: Mapping[str, Scalar], data_root: Path, workplace: Path) -> RawTree:
    """Write the tree below ``workplace``, unless it is there, and list it as ImageNet is listed.

    Parameters
    ----------
    options
        See :class:`Options`.
    data_root
        Of no effect.
    workplace
        A folder of the data set's own.

    Raises
    ------
    PhasebenchError
        An option is not right, or a file cannot be written.
    """
    chosen = parse_options("generated_imagenet", Options, options)
    folder = workplace / _FOLDER
    # Another number of shards asks for no other images.
    text = canonical_json({"version": _VERSION, **chosen.model_dump(exclude={"train_shards", "test_shards"})})
    stamp = folder / _STAMP
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != text:
        shutil.rmtree(folder, ignore_errors=True)
        write_tree(folder, chosen)
        write_text(stamp, text)
    shards: dict[str, Scalar] = {"train_shards": chosen.train_shards, "test_shards": chosen.test_shards}
    return list_imagenet({"folder": _FOLDER, **shards}, workplace, workplace)


def write_tree(folder: Path, options: Options) -> None:
    """Write ``train/<class>/*.JPEG`` and ``val/<class>/*.JPEG``; the first training images of each class are damaged.

    Parameters
    ----------
    folder
        Where the tree begins.
    options
        Numbers of images, sides from ``smallest`` to ``largest`` pixels, and the seed.
    """
    numbers = {"n_train": options.n_train, "n_test": options.n_test, "seed": options.seed}
    loaded = colour_shapes.load(numbers, folder, False)
    random = np.random.RandomState([options.seed, 2])
    images = torch.from_numpy(loaded.samples).permute(0, 3, 1, 2)
    for split, name in (("train", "train"), ("test", "val")):
        for position, index in enumerate(loaded.splits[split]):
            wnid = f"n{int(loaded.labels[index]):08d}"
            height, width = random.randint(options.smallest, options.largest + 1, 2).tolist()
            content = _jpeg(images[index], [height, width])
            if split == "train" and position < options.damaged:
                content = _damaged(content, position)
            path = folder / name / wnid / f"{wnid}_{split}_{position:06d}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _jpeg(image: Tensor, size: list[int]) -> bytes:
    return bytes(encode_jpeg(functional.resize(image, size, antialias=True), quality=90).numpy())


def _damaged(content: bytes, number: int) -> bytes:
    """Cut, empty, or something else altogether."""
    return (content[: len(content) // 2], b"", b"no image" * 20)[number % 3]
