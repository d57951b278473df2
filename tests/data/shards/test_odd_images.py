"""Image folders as people have them: hidden files, other layouts, and images that are not plain JPEG."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phasebench.common.errors import PhasebenchError
from phasebench.data.shards.imagenet import list_imagenet, list_tiny_imagenet
from phasebench.data.shards.jpeg import decode
from phasebench.data.shards.raw_images import RawTree

FEW = {"train_shards": 1, "test_shards": 1}


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, rows: bytes, bits: int = 8, colour: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def deep_png(colour: int, planes: int) -> bytes:
    values = np.full((4, 5 * planes), 0x80FF, dtype=">u2")
    return png(5, 4, b"".join(b"\0" + row.tobytes() for row in values), 16, colour)


RED = Image.new("RGB", (5, 4), (200, 30, 10))
READ = {
    "jpeg": saved(RED, "JPEG"),
    "cmyk": saved(RED.convert("CMYK"), "JPEG"),
    "grey": saved(RED.convert("L"), "JPEG"),
    "png": saved(RED, "PNG"),
    "rgba": saved(RED.convert("RGBA"), "PNG"),
    "palette": saved(RED.convert("P"), "PNG"),
    "gif": saved(RED, "GIF"),
    "animated": saved(RED, "GIF", save_all=True, append_images=[Image.new("RGB", (5, 4), (0, 0, 9))]),
    "deep rgb": deep_png(2, 3),
    "deep grey": deep_png(0, 1),
}


@pytest.mark.parametrize("kind", READ)
def test_every_image_becomes_three_planes_of_bytes(kind: str) -> None:
    image = decode(READ[kind])
    assert (image.dtype, tuple(image.shape)) == (torch.uint8, (3, 4, 5))
    if kind.startswith("deep"):
        assert (image == 0x80).all()
    elif kind != "grey":
        assert (image[0] > 150).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"no image" * 20, "no JPEG, PNG, GIF or WebP image"),
        (b"<!DOCTYPE html><html>", "it is a saved web page"),
        (png(30_000, 30_000, b""), "it says that it has"),
        (png(10_000, 9_000, b""), "it says that it has 10000 x 9000 pixels"),
        (READ["jpeg"].replace(struct.pack(">HH", 4, 5), struct.pack(">HH", 30_000, 30_000)), "it says that it has"),
    ],
)
@pytest.mark.filterwarnings("ignore:Image size")
def test_what_is_no_image_is_called_that(content: bytes, reason: str) -> None:
    with pytest.raises(PhasebenchError, match=f"^{reason}"):
        decode(content)


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(READ["jpeg"])


def found(tree: RawTree) -> list[tuple[str, str]]:
    return sorted((image.split, tree.key(image)) for image in tree.images)


WANTED = [("test", "n1/v.JPEG"), ("test", "n2/w.JPEG"), ("train", "n1/a.JPEG"), ("train", "n2/b.JPEG")]


def test_hidden_files_and_empty_folders_are_no_classes_and_no_images(tmp_path: Path) -> None:
    root = tmp_path / "imagenet"
    put(root / "train/n1/a.JPEG", root / "train/n2/b.JPEG", root / "val/n1/v.JPEG", root / "val/n2/w.JPEG")
    put(root / "train/.ipynb_checkpoints/a.JPEG", root / "val/.Trash/x.JPEG")
    put(root / "train/n1/._a.JPEG", root / "val/n1/._v.JPEG", root / "train/._n1", root / "val/._v.JPEG")
    for folder in ("train/lost+found", "val/lost+found", "train/.git"):
        (root / folder).mkdir(exist_ok=True)
    tree = list_imagenet(FEW, tmp_path, tmp_path)
    assert tree.classes == ("n1", "n2")
    assert found(tree) == WANTED


def tiny_public(val: Path) -> None:
    put(val / "images/v.JPEG", val / "images/w.JPEG", val / "images/._v.JPEG")
    (val / "val_annotations.txt").write_text("v.JPEG\tn1\t0\nw.JPEG\tn2\t0\n")


def tiny_sorted(val: Path) -> None:
    put(val / "n1/v.JPEG", val / "n2/w.JPEG", val / "n1/._v.JPEG", val / ".x/a.JPEG")


def tiny_sorted_images(val: Path) -> None:
    put(val / "n1/images/v.JPEG", val / "n2/images/w.JPEG")


@pytest.mark.parametrize("train", ["train/{}/images/{}", "train/{}/{}"])
@pytest.mark.parametrize("write_val", [tiny_public, tiny_sorted, tiny_sorted_images])
def test_tiny_imagenet_flat_or_sorted(tmp_path: Path, train: str, write_val: Callable[[Path], None]) -> None:
    root = tmp_path / "tiny-imagenet-200"
    put(root / train.format("n1", "a.JPEG"), root / train.format("n2", "b.JPEG"), root / train.format("n1", "._a.JPEG"))
    (root / "wnids.txt").write_text("n1\nn2\n")
    (root / "words.txt").write_text("n1\tone\nn2\ttwo\n")
    write_val(root / "val")
    assert found(list_tiny_imagenet(FEW, tmp_path, tmp_path)) == WANTED


def test_a_class_with_a_control_character_is_refused_before_any_shard(tmp_path: Path) -> None:
    root = tmp_path / "imagenet"
    put(root / "train/n\x1b/a.JPEG", root / "val/n\x1b/v.JPEG")
    with pytest.raises(PhasebenchError, match=r"imagenet: classes: 'n\\x1b' has a control character; rename it"):
        list_imagenet(FEW, tmp_path, tmp_path)
