"""ImageNet (ILSVRC2012) and Tiny ImageNet in the folders and archives in which they are handed out."""

import io
import logging
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import PositiveInt
from scipy.io import loadmat

from phasebench.common.errors import PhasebenchError
from phasebench.data.labelled import check_names
from phasebench.data.shards.raw_images import RawImage, RawTree, Split, image_at, image_files, images_in, is_image_name
from phasebench.data.sources.options import parse_options
from phasebench.data.sources.raw_place import RawPlace
from phasebench.specs.run import Frozen, Scalar

RAW_IMAGENET = RawPlace("imagenet", option="folder", absent="no images below")
RAW_TINY_IMAGENET = RawPlace("tiny-imagenet-200", option="folder", absent="no images below")

_LOGGER = logging.getLogger(__name__)
_TRAIN_ARCHIVE = "ILSVRC2012_img_train.tar"
_TEST_ARCHIVE = "ILSVRC2012_img_val.tar"
_DEVKIT = "ILSVRC2012_devkit_t12"
_TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
_META = "data/meta.mat"


class _Shards(Frozen):
    train_shards: PositiveInt
    test_shards: PositiveInt

    @property
    def shards(self) -> dict[Split, int]:
        return {"train": self.train_shards, "test": self.test_shards}


class ImageNetOptions(_Shards):
    """Options of the source ``imagenet``: its folder below ``data_root``, and numbers of shards."""

    folder: str = str(RAW_IMAGENET.folder)
    train_shards: PositiveInt = 1024
    test_shards: PositiveInt = 48


class TinyImageNetOptions(_Shards):
    """Options of the source ``tiny_imagenet``: its folder below ``data_root``, and numbers of shards."""

    folder: str = str(RAW_TINY_IMAGENET.folder)
    train_shards: PositiveInt = 64
    test_shards: PositiveInt = 8


def list_imagenet(options: Mapping[str, Scalar], data_root: Path, workplace: Path) -> RawTree:
    """List ImageNet, its validation images as ``test``; the labels follow the sorted WordNet ids.

    Training images are ``train/<wnid>/*.JPEG`` or lie in ``ILSVRC2012_img_train.tar``, which holds one archive for each
    class. Test images are ``val/<wnid>/*.JPEG``; or ``val/*.JPEG`` or ``ILSVRC2012_img_val.tar`` together with the
    development kit ``ILSVRC2012_devkit_t12``, a folder or ``.tar.gz``, which names their classes.

    Parameters
    ----------
    options
        See :class:`ImageNetOptions`.
    data_root
        Folder of the raw data sets.
    workplace
        Of no effect.

    Raises
    ------
    PhasebenchError
        A part is missing or not as described.
    """
    chosen = parse_options("imagenet", ImageNetOptions, options)
    root = data_root / chosen.folder
    by_class: dict[str, list[RawImage]] = {}
    if (root / "train").is_dir():
        for folder in _class_folders(root / "train"):
            if images := list(images_in(root, folder, "train", 0)):
                by_class[folder.name] = images
            else:
                _LOGGER.warning("%s: holds no images; it is left out, and is no class", folder)
    elif (root / _TRAIN_ARCHIVE).is_file():
        by_class = dict(_archives_in_archive(root, _TRAIN_ARCHIVE))
    else:
        raise PhasebenchError(f"{root}: there is neither a folder train nor {_TRAIN_ARCHIVE}; put ImageNet there")
    classes = tuple(sorted(by_class))
    label_of = {name: label for label, name in enumerate(classes)}
    train = [_labelled(image, label_of[name]) for name in classes for image in by_class[name]]
    test, words = _imagenet_test(root, label_of)
    return _checked(RawTree(root, classes, (*train, *test), chosen.shards, words))


def list_tiny_imagenet(options: Mapping[str, Scalar], data_root: Path, workplace: Path) -> RawTree:
    """List Tiny ImageNet from its folder, its validation images as ``test``; the labels follow ``wnids.txt``.

    Training images are ``train/<wnid>/images/*`` or ``train/<wnid>/*``. Test images are ``val/images/*`` with
    ``val/val_annotations.txt``; or sorted, ``val/<wnid>/images/*`` or ``val/<wnid>/*``.

    Parameters
    ----------
    options
        See :class:`TinyImageNetOptions`.
    data_root
        Folder of the raw data sets.
    workplace
        Of no effect.

    Raises
    ------
    PhasebenchError
        A part is missing or not as the public archive has it.
    """
    chosen = parse_options("tiny_imagenet", TinyImageNetOptions, options)
    root = data_root / chosen.folder
    classes = tuple(line[0] for line in _table(root / "wnids.txt"))
    label_of = {name: label for label, name in enumerate(classes)}
    train = [
        image
        for name, label in label_of.items()
        for image in images_in(root, _images_of_class(root / "train" / name), "train", label)
    ]
    sorted_folders = [name for name in classes if (root / "val" / name).is_dir()]
    if sorted_folders:
        test = [
            image
            for name in sorted_folders
            for image in images_in(root, _images_of_class(root / "val" / name), "test", label_of[name])
        ]
    else:
        test = _annotated_images(root, label_of)
    known = {line[0]: line[1] for line in _table(root / "words.txt") if len(line) > 1 and line[0] in label_of}
    return _checked(RawTree(root, classes, (*train, *test), chosen.shards, known))


def _images_of_class(folder: Path) -> Path:
    """Folder of the images of a class: ``images`` as in the public archive, or the class's own."""
    return folder / "images" if (folder / "images").is_dir() else folder


def _annotated_images(root: Path, label_of: Mapping[str, int]) -> list[RawImage]:
    annotations = root / "val" / "val_annotations.txt"
    images = []
    for line in _table(annotations):
        if len(line) < 2 or line[1] not in label_of:
            raise PhasebenchError(f"{annotations}: '{' '.join(line)}' names no class of wnids.txt")
        images.append(image_at(root, root / "val" / "images" / line[0], "test", label_of[line[1]]))
    return images


def _imagenet_test(root: Path, label_of: Mapping[str, int]) -> tuple[list[RawImage], dict[str, str]]:
    folders = _filled_folders(root / "val") if (root / "val").is_dir() else []
    if folders:
        unknown = [folder for folder in folders if folder.name not in label_of]
        if unknown:
            raise PhasebenchError(f"{unknown[0]}: there are no training images of this class; complete the data set")
        return [image for folder in folders for image in images_in(root, folder, "test", label_of[folder.name])], {}
    if (root / "val").is_dir():
        images = [image_at(root, path, "test", 0) for path in image_files(root / "val")]
    elif (root / _TEST_ARCHIVE).is_file():
        images = sorted(_archive(root, _TEST_ARCHIVE, "test"), key=lambda image: image.name)
    else:
        raise PhasebenchError(f"{root}: there is neither a folder val nor {_TEST_ARCHIVE}; put ImageNet there")
    truth, words = _devkit(root)
    if len(truth) != len(images):
        raise PhasebenchError(f"{root}: {len(images)} validation images, but {_TRUTH} has {len(truth)} lines")
    unknown_ids = sorted(set(truth) - label_of.keys())
    if unknown_ids:
        raise PhasebenchError(f"{root}: there are no training images of class {unknown_ids[0]}; complete the data set")
    # The kit's lines follow the sorted file names.
    return [_labelled(image, label_of[name]) for image, name in zip(images, truth, strict=True)], words


def _devkit(root: Path) -> tuple[list[str], dict[str, str]]:
    """The class of each validation image, and what the classes mean."""
    folder, archive = root / _DEVKIT, root / f"{_DEVKIT}.tar.gz"
    try:
        if folder.is_dir():
            truth, meta = (folder / _TRUTH).read_bytes(), (folder / _META).read_bytes()
        else:
            with tarfile.open(archive) as kit:
                parts = [kit.extractfile(f"{_DEVKIT}/{name}") for name in (_TRUTH, _META)]
                truth, meta = (part.read() if part else b"" for part in parts)
        synsets = loadmat(io.BytesIO(meta), squeeze_me=True, struct_as_record=False)["synsets"]
        by_number = {int(synset.ILSVRC2012_ID): str(synset.WNID) for synset in synsets}
        words = {str(synset.WNID): str(synset.words) for synset in synsets}
        return [by_number[int(line)] for line in truth.split()], words
    except (OSError, tarfile.TarError, KeyError, ValueError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise PhasebenchError(
            f"{folder}: the development kit says no classes of the validation images ({reason}); put it there, or sort "
            "the images into folders val/<wnid>"
        ) from error


def _class_folders(folder: Path) -> list[Path]:
    """The folders in a folder; hidden ones are of programs, not of classes."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise PhasebenchError(f"{folder}: cannot be read: {error.strerror}; put the complete data set there") from error


def _filled_folders(folder: Path) -> list[Path]:
    return [path for path in _class_folders(folder) if image_files(path)]


def _archives_in_archive(root: Path, name: str) -> Iterator[tuple[str, list[RawImage]]]:
    """Class and images of each archive in an archive; nothing is unpacked."""
    try:
        with tarfile.open(root / name, "r:") as outer:
            for member in outer:
                name_of_class = Path(member.name).name
                if member.isfile() and name_of_class.endswith(".tar") and not name_of_class.startswith("."):
                    inner = outer.extractfile(member)
                    with tarfile.open(fileobj=inner, mode="r:") as images:
                        found = list(_members(root, name, images, "train", member.offset_data))
                    yield Path(member.name).stem, found
    except (OSError, tarfile.TarError) as error:
        raise PhasebenchError(f"{root / name}: no complete archive ({error}); fetch it again") from error


def _archive(root: Path, name: str, split: Split) -> list[RawImage]:
    try:
        with tarfile.open(root / name, "r:") as images:
            return list(_members(root, name, images, split, 0))
    except (OSError, tarfile.TarError) as error:
        raise PhasebenchError(f"{root / name}: no complete archive ({error}); fetch it again") from error


def _members(root: Path, name: str, archive: tarfile.TarFile, split: Split, start: int) -> Iterator[RawImage]:
    """The images of an archive that begins at byte ``start`` of the file ``name``."""
    changed = (root / name).stat().st_mtime_ns
    for member in archive:
        if member.isfile() and is_image_name(Path(member.name).name):
            yield RawImage(Path(member.name).name, split, 0, name, start + member.offset_data, member.size, changed)


def _labelled(image: RawImage, label: int) -> RawImage:
    return replace(image, label=label)


def _table(path: Path) -> list[list[str]]:
    """The lines of a text file, split at tabs."""
    try:
        return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as error:
        raise PhasebenchError(f"{path}: cannot be read ({error}); put the complete data set there") from error


def _checked(tree: RawTree) -> RawTree:
    check_names(f"{tree.folder}: classes", tree.classes)
    check_names(f"{tree.folder}: names of images", (image.name for image in tree.images))
    for split in ("train", "test"):
        keys = Counter(tree.key(image) for image in tree.images if image.split == split)
        if not keys:
            raise PhasebenchError(f"{tree.folder}: there are no {split} images; complete the data set")
        key, times = keys.most_common(1)[0]
        if times > 1:
            raise PhasebenchError(f"{tree.folder}: the {split} image {key} is there {times} times; keep one")
    return tree
