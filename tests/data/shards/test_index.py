"""Encoded images: found in folders and archives, divided into shards, written and checked."""

import io
import json
import os
import resource
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from support.tiny_shards import generate_shards, prepare_shards

from phasebench.common.errors import PhasebenchError
from phasebench.data.shards.generated_tree import Options, list_generated, write_tree
from phasebench.data.shards.imagenet import list_imagenet, list_tiny_imagenet
from phasebench.data.shards.index import OpenShard, gather_shards, read_index, verify_shards, write_shard
from phasebench.data.shards.jpeg import decode
from phasebench.data.shards.plan import plan_shards, read_plan
from phasebench.data.shards.raw_images import RawImage, RawTree
from phasebench.data.shards.registry import folder_times, list_images

FEW = {"folder": "imagenet", "train_shards": 3, "test_shards": 2}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``data_root`` with ImageNet's folders."""
    folder = tmp_path_factory.mktemp("raw")
    write_tree(folder / "imagenet", Options(n_train=40, n_test=20, smallest=20, largest=40, damaged=3))
    return folder


def content(tree: RawTree) -> dict[tuple[str, str], tuple[int, bytes]]:
    return {(image.split, tree.key(image)): (image.label, image.read(tree.folder)) for image in tree.images}


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def pack(source: Path, target: Path) -> None:
    """ImageNet's archives: one for each training class within one, and the test images side by side."""
    target.mkdir(parents=True)
    with tarfile.open(target / "ILSVRC2012_img_train.tar", "w") as outer:
        for folder in sorted((source / "train").iterdir()):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as images:
                for path in sorted(folder.iterdir()):
                    add(images, path.name, path.read_bytes())
            add(outer, f"{folder.name}.tar", inner.getvalue())
    with tarfile.open(target / "ILSVRC2012_img_val.tar", "w") as images:
        for path in sorted((source / "val").rglob("*.JPEG")):
            add(images, path.name, path.read_bytes())


def write_devkit(source: Path, folder: Path) -> None:
    """Numbers that run against the sorted order of the classes."""
    classes = sorted(path.name for path in (source / "train").iterdir())
    number = {wnid: len(classes) - label for label, wnid in enumerate(classes)}
    synsets = np.zeros(len(classes), dtype=[("ILSVRC2012_ID", "i4"), ("WNID", "O"), ("words", "O")])
    for row, wnid in zip(synsets, classes, strict=True):
        row["ILSVRC2012_ID"], row["WNID"], row["words"] = number[wnid], wnid, f"thing {wnid}"
    images = sorted((source / "val").rglob("*.JPEG"), key=lambda path: path.name)
    data = folder / "ILSVRC2012_devkit_t12/data"
    data.mkdir(parents=True)
    savemat(data / "meta.mat", {"synsets": synsets})
    lines = "".join(f"{number[path.parent.name]}\n" for path in images)
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text(lines)


@pytest.mark.parametrize("packed_kit", [False, True])
def test_archives_hold_what_the_folders_hold(raw: Path, tmp_path: Path, packed_kit: bool) -> None:
    folders = list_imagenet(FEW, raw, tmp_path)
    pack(raw / "imagenet", tmp_path / "imagenet")
    write_devkit(raw / "imagenet", tmp_path / "imagenet")
    if packed_kit:
        kit = tmp_path / "imagenet/ILSVRC2012_devkit_t12"
        with tarfile.open(f"{kit}.tar.gz", "w:gz") as archive:
            archive.add(kit, kit.name)
        shutil.rmtree(kit)
    archives = list_imagenet(FEW, tmp_path, tmp_path)
    assert archives.classes == folders.classes
    assert content(archives) == content(folders)
    assert archives.words["n00000003"] == "thing n00000003"


def test_unsorted_test_images_take_their_classes_from_the_kit(raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw / "imagenet/train", tmp_path / "imagenet/train")
    (tmp_path / "imagenet/val").mkdir()
    for path in (raw / "imagenet/val").rglob("*.JPEG"):
        shutil.copy(path, tmp_path / "imagenet/val")
    with pytest.raises(PhasebenchError, match=r"devkit_t12: the development kit says no classes"):
        list_imagenet(FEW, tmp_path, tmp_path)
    write_devkit(raw / "imagenet", tmp_path / "imagenet")
    assert content(list_imagenet(FEW, tmp_path, tmp_path)) == content(list_imagenet(FEW, raw, tmp_path))


def test_tiny_imagenet_in_its_public_layout(raw: Path, tmp_path: Path) -> None:
    root = tmp_path / "tiny-imagenet-200"
    (root / "val/images").mkdir(parents=True)
    # The order of the classes is that of the file, not of the alphabet.
    classes = sorted((path.name for path in (raw / "imagenet/train").iterdir()), reverse=True)
    (root / "wnids.txt").write_text("\n".join(classes) + "\n")
    (root / "words.txt").write_text(f"{classes[0]}\tsome thing, a thing\nn99999999\tno class here\n")
    for name in classes:
        shutil.copytree(raw / "imagenet/train" / name, root / "train" / name / "images")
    tests = sorted((raw / "imagenet/val").rglob("*.JPEG"))
    for path in tests:
        shutil.copy(path, root / "val/images")
    (root / "val/val_annotations.txt").write_text("".join(f"{p.name}\t{p.parent.name}\t0\t0\t9\t9\n" for p in tests))
    tree = list_tiny_imagenet({}, tmp_path, tmp_path)
    assert tree.classes == tuple(classes)
    assert tree.words == {classes[0]: "some thing, a thing"}
    by_name = {key: data for key, (_, data) in content(list_imagenet(FEW, raw, tmp_path)).items()}
    assert {key: data for key, (_, data) in content(tree).items()} == by_name
    assert all(key.split("/")[0] == classes[label] for (_, key), (label, _) in content(tree).items())
    (root / "val/images" / tests[0].name).unlink()
    with pytest.raises(PhasebenchError, match=rf"{tests[0].name}: cannot be read: .*complete data set"):
        list_tiny_imagenet({}, tmp_path, tmp_path)


def cut_archive(root: Path) -> None:
    path = root / "ILSVRC2012_img_train.tar"
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda root: (root / "ILSVRC2012_img_train.tar").unlink(), r"imagenet: there is neither a folder train nor"),
        (lambda root: (root / "ILSVRC2012_img_val.tar").unlink(), r"imagenet: there is neither a folder val nor"),
        (cut_archive, r"ILSVRC2012_img_train\.tar: no complete archive"),
        (lambda root: write_devkit_short(root), r"20 validation images, but .* has 1 lines"),
    ],
)
def test_what_is_missing_is_named(raw: Path, tmp_path: Path, harm: Callable[[Path], object], message: str) -> None:
    pack(raw / "imagenet", tmp_path / "imagenet")
    write_devkit(raw / "imagenet", tmp_path / "imagenet")
    harm(tmp_path / "imagenet")
    with pytest.raises(PhasebenchError, match=message) as caught:
        list_imagenet(FEW, tmp_path, tmp_path)
    assert "\n" not in str(caught.value)


def write_devkit_short(root: Path) -> None:
    (root / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt").write_text("1\n")


def test_an_unknown_source_or_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match=r"data source 'imagnet' is not known; .*imagenet, tiny_imagenet"):
        list_images("imagnet", {}, tmp_path, tmp_path)
    with pytest.raises(
        PhasebenchError, match=r"imagenet: options: key 'shards' is not known; known keys: .*train_shards"
    ):
        list_images("imagenet", {"shards": 3}, tmp_path, tmp_path)


@pytest.fixture
def prepared(raw: Path, tmp_path: Path) -> Path:
    prepare_shards(list_imagenet(FEW, raw, tmp_path), tmp_path)
    return tmp_path


def test_every_whole_image_is_in_one_shard_and_damaged_ones_are_named(raw: Path, prepared: Path) -> None:
    tree, index = list_imagenet(FEW, raw, prepared), read_index(prepared / "data.h5")
    manifest = json.loads((prepared / "data.json").read_text())
    images = [bytes(shard[i]) for shard in map(OpenShard, index.paths) for i in range(len(shard))]
    damaged = set(manifest["damaged"])
    expected = {s: [v for (p, k), v in content(tree).items() if p == s and k not in damaged] for s in ("train", "test")}
    for split, indices in index.splits.items():
        found = sorted((int(index.labels[i]), images[i]) for i in indices)
        assert found == sorted(expected[split])
    assert (manifest["n_train"], manifest["n_test"], manifest["n_damaged"]) == (37, 20, 3)
    assert damaged == {
        tree.key(image)
        for image in tree.images
        if image.name[-11:-5] in ("000000", "000001", "000002") and image.split == "train"
    }
    verify_shards(index)


def listings(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.stem: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("data/listings/*.json")}


def test_a_listing_changes_only_with_its_own_images(
    raw: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(raw / "imagenet", prepared / "raw/imagenet")
    root = prepared / "raw"
    before = listings(prepared)
    prepare_shards(list_imagenet(FEW, root, prepared), prepared)
    assert listings(prepared) == before, "the same images in another place"

    read: list[str] = []
    original = RawImage.read
    monkeypatch.setattr(RawImage, "read", lambda image, folder: read.append(image.name) or original(image, folder))

    def plan() -> set[str]:
        """Plan again; return the listings that were written."""
        read.clear()
        earlier = listings(prepared)
        plan_shards(list_imagenet(FEW, root, prepared), "imagenet", prepared / "data", code={}, environment={})
        later = listings(prepared)
        return {name for name in later if later[name] != earlier.get(name)}

    assert plan() == set()
    assert read == []
    images = sorted(root.glob("imagenet/train/*/*.JPEG"))
    images[5].touch()
    assert plan() == set()
    assert read == [images[5].name]
    images[5].write_bytes(images[6].read_bytes())
    assert len(plan()) == 1
    shutil.copy(images[6], images[6].with_name("new.JPEG"))
    assert len(plan()) == 1
    images[7].unlink()
    assert len(plan()) == 1


def test_equal_images_give_equal_manifests_and_other_code_other_listings(raw: Path, prepared: Path) -> None:
    other = prepared / "other"
    tree = list_imagenet(FEW, raw, prepared)
    backwards = RawTree(tree.folder, tree.classes, tree.images[::-1], tree.shards, tree.words)
    prepare_shards(backwards, other)
    assert (other / "data.json").read_bytes() == (prepared / "data.json").read_bytes()
    prepare_shards(tree, other, code={"phasebench.data.shards.index": "0"})
    assert (other / "data.json").read_bytes() == (prepared / "data.json").read_bytes()
    assert {n: c for n, (_, c) in listings(other).items()} != {n: c for n, (_, c) in listings(prepared).items()}


def test_fewer_shards_leave_nothing_behind(raw: Path, prepared: Path) -> None:
    prepare_shards(list_imagenet(FEW | {"train_shards": 1}, raw, prepared), prepared)
    for part in ("listings", "locations", "shards"):
        assert {path.stem for path in (prepared / "data" / part).iterdir()} == {"train-0000", "test-0000", "test-0001"}


@contextmanager
def few_files(number: int) -> Iterator[None]:
    """No more than about so many further files can be open at a time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + number, hard))
    # Free numbers below the highest would count as well.
    fillers = [os.open(os.devnull, os.O_RDONLY)]
    while fillers[-1] < highest:
        fillers.append(os.open(os.devnull, os.O_RDONLY))
    try:
        yield
    finally:
        for filler in fillers:
            os.close(filler)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_shards_are_gathered_than_files_may_be_open(tmp_path: Path) -> None:
    generate_shards(tmp_path, shards=30)
    before = [(tmp_path / f"data.{kind}").read_bytes() for kind in ("h5", "json")]
    with few_files(12):
        gather_shards(
            read_plan(tmp_path / "data/plan.json"),
            tmp_path / "data/shards",
            tmp_path / "data.h5",
            tmp_path / "data.json",
        )
    assert [(tmp_path / f"data.{kind}").read_bytes() for kind in ("h5", "json")] == before


def test_an_image_that_changed_after_planning_is_refused(raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw / "imagenet", tmp_path / "imagenet")
    plan_shards(list_imagenet(FEW, tmp_path, tmp_path), "imagenet", tmp_path / "data", code={}, environment={})
    for path in (tmp_path / "imagenet/train").rglob("*.JPEG"):
        path.write_bytes(b"other")
    with pytest.raises(PhasebenchError, match=r"\.JPEG: .* has changed since it was listed; run snakemake again"):
        write_shard(
            tmp_path / "data/listings/train-0000.json",
            tmp_path / "data/locations/train-0000.json",
            tmp_path / "shard.h5",
        )
    assert not (tmp_path / "shard.h5").exists()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (Path.unlink, "the shard is missing"),
        (flip, "another checksum"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), "no complete HDF5 file"),
        (lambda path: shutil.copy(path.with_name("train-0000.h5"), path), "another checksum"),
    ],
)
def test_a_missing_or_damaged_shard_is_named(prepared: Path, harm: Callable[[Path], object], message: str) -> None:
    harm(prepared / "data/shards/train-0001.h5")
    with pytest.raises(PhasebenchError, match=rf"train-0001\.h5: .*{message}.* run snakemake") as caught:
        verify_shards(read_index(prepared / "data.h5"), threads=2)
    assert "\n" not in str(caught.value)


def test_decoding_agrees_with_another_library_and_refuses_damage(raw: Path) -> None:
    whole = next(iter(sorted((raw / "imagenet/val").rglob("*.JPEG"))))
    image = decode(whole.read_bytes())
    expected = torch.from_numpy(np.asarray(Image.open(whole).convert("RGB")).copy()).permute(2, 0, 1)
    assert (image.int() - expected.int()).abs().max() <= 1
    grey, stream = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)), io.BytesIO()
    grey.save(stream, "PNG")
    assert torch.equal(
        decode(stream.getvalue()), torch.arange(256, dtype=torch.uint8).view(1, 16, 16).expand(3, -1, -1)
    )
    for damage in (whole.read_bytes()[:-200], b"", b"text" * 100):
        with pytest.raises(PhasebenchError) as caught:
            decode(damage)
        assert "\n" not in str(caught.value)


def test_the_generated_tree_is_written_once(tmp_path: Path) -> None:
    options = {"n_train": 20, "n_test": 10, "smallest": 20, "largest": 30, "damaged": 1}
    first = list_generated(options, tmp_path, tmp_path)
    before = content(first)
    sizes = {Image.open(path).size for path in (tmp_path / "raw/val").rglob("*.JPEG")}
    assert len(sizes) > 5
    assert {max(pair) <= 30 and min(pair) >= 20 for pair in sizes} == {True}
    assert list_generated(options | {"train_shards": 3}, tmp_path, tmp_path).images == first.images
    assert content(list_generated(options | {"seed": 1}, tmp_path, tmp_path)) != before


def test_the_folders_times_tell_of_what_comes_and_goes(raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw / "imagenet", tmp_path / "tree")
    before = folder_times(tmp_path / "tree")
    assert folder_times(tmp_path / "tree") == before
    assert folder_times(tmp_path / "nowhere") == {}
    (image,) = sorted((tmp_path / "tree/val").rglob("*.JPEG"))[:1]
    image.unlink()
    after = folder_times(tmp_path / "tree")
    assert {name for name in after if after[name] != before[name]} == {f"val/{image.parent.name}"}
