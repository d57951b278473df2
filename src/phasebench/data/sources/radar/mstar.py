"""MSTAR: complex radar chips of ten vehicles, read from the public distribution's folders.

Training chips are those at 17 degrees of depression, test chips those at 15 unless an option says otherwise. Clutter,
the SLICY calibration target and other angles are left out. Every chip is cut to its central 128 x 128 samples; none is
padded or resized, because the chips' sizes differ by class and would give it away.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from phasebench.common.errors import PhasebenchError
from phasebench.common.progress import track
from phasebench.data.sources.options import chosen_classes, listed_names, parse_options
from phasebench.data.sources.radar import phoenix
from phasebench.data.sources.raw_files import files_below
from phasebench.data.sources.raw_place import RawPlace
from phasebench.data.store import LoadedDataset
from phasebench.specs.run import Frozen, Scalar

RAW_MSTAR = RawPlace("mstar", option="folder", names=r"[^.].*\.[0-9]{3}", deep=True, absent="no chips below")
CHIPS: Mapping[str, tuple[int, int]] = {
    "bmp2": (698, 587),
    "btr70": (233, 196),
    "t72": (3079, 2771),
    "btr60": (256, 195),
    "2s1": (299, 274),
    "brdm2": (298, 274),
    "d7": (299, 274),
    "t62": (299, 273),
    "zil131": (299, 274),
    "zsu23-4": (299, 274),
}
"""Class -> chips of the whole distribution, all serial numbers: for training (17 degrees) and for the test (15)."""
CLASSES = tuple(CHIPS)
CROP = 128
SPLIT_DEPRESSION_ANGLES = {"train": 17, "test": 15}
SOC_SERIALS = ("9563", "c71", "132", "k10yt7532", "b01", "e71", "92v13015", "a51", "e12", "d08")
"""Serial numbers of the standard operating conditions, one of each class: 2,747 chips to train on and 2,425 to test."""
STANDARD = "soc"

_LOGGER = logging.getLogger(__name__)
_LABELS = {name.replace("-", ""): label for label, name in enumerate(CLASSES)}
_TARGET_TYPE = re.compile(rf"({'|'.join(_LABELS)})([a-z].*)?")
_LEFT_OUT_TYPE = re.compile(r"(slic|clutter).*")
# Most of the time goes into waiting for the disk, often a network's.
_N_THREADS = 16


class Options(Frozen):
    """Options of the source ``mstar``: folder of the distribution, size cut out, and the chips that are used."""

    folder: str = str(RAW_MSTAR.folder)
    crop: PositiveInt = CROP
    serials: str = ""
    classes: str = ""
    test_angle: Literal[15, 30, 45] = 15


@dataclass(frozen=True)
class _Entry:
    """A chip that is used, and what sorts it."""

    path: Path
    label: int
    split: str
    serial: str
    depression_angle: float
    azimuth: float

    def sort_key(self) -> tuple[int, str, float, float, str, str]:
        name = self.path.name.casefold()
        return (self.label, self.serial, self.depression_angle, self.azimuth, name, self.path.as_posix())


def load(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """Load the chips that lie anywhere below a folder.

    Parameters
    ----------
    options
        ``folder``: where the distribution was unpacked, below ``data_root`` unless absolute (``mstar``). ``crop``: the
        side of the square that is cut out of the middle, in pixels (128, as in the studies). ``serials``: serial
        numbers, separated by commas, or ``soc`` for those of the standard operating conditions (all). ``classes``: some
        of the vehicles, separated by commas (all). ``test_angle``: depression angle of the test chips, 15, 30 or 45
        degrees (15).
    data_root
        Folder of the raw data sets.
    download
        Of no effect: the distribution is handed out to registered users only.

    Returns
    -------
    LoadedDataset
        complex64 samples (N, crop, crop), sorted by class, serial, depression angle, azimuth and file name; splits
        ``train`` and ``test``; extra ``serial``, ``depression_angle`` and ``azimuth`` (float32, degrees).

    Raises
    ------
    PhasebenchError
        An option is unknown, the folder is missing or has no chip for one of the splits, or a chip is damaged,
        incomplete, too small, of an unknown class, or occurs twice under different classes or angles.
    """
    chosen = parse_options("mstar", Options, options)
    folder = data_root / chosen.folder
    loaded = read_folder(folder, chosen.crop, chosen.test_angle)
    is_part = bool(chosen.serials or chosen.classes) or chosen.test_angle != SPLIT_DEPRESSION_ANGLES["test"]
    if is_part:
        return _part(loaded, chosen, folder)
    missing = missing_chips(loaded.labels, loaded.splits, loaded.classes)
    if missing:
        # A part of the distribution is good for a trial; results from it are not comparable with the studies'.
        _LOGGER.warning("%s: this is not the whole distribution: %s", folder, "; ".join(missing))
    return loaded


def _part(loaded: LoadedDataset, chosen: Options, folder: Path) -> LoadedDataset:
    """The chips of some vehicles; labels count the classes that are kept."""
    names = chosen_classes(chosen.classes, CLASSES, "data source mstar")
    serials = [*SOC_SERIALS] if chosen.serials == STANDARD else [_plain(one) for one in listed_names(chosen.serials)]
    kept = np.isin(loaded.labels, [CLASSES.index(name) for name in names])
    if serials:
        found = np.array([_plain(serial) for serial in loaded.extra["serial"]])
        if absent := [one for one in serials if one not in found]:
            raise PhasebenchError(f"{folder}: options.serials: no chip of {', '.join(absent)}; add it or leave it out")
        kept &= np.isin(found, serials)
    places = np.cumsum(kept) - 1
    used = [label for label in range(len(CLASSES)) if (loaded.labels[kept] == label).any()]
    splits = {name: places[indices[kept[indices]]].astype(np.int64) for name, indices in loaded.splits.items()}
    if empty := [name for name, indices in splits.items() if not len(indices)]:
        raise PhasebenchError(
            f"{folder}: options: no chip is left for the {empty[0]} set; choose other classes or serials"
        )
    return LoadedDataset(
        samples=loaded.samples[kept],
        labels=np.searchsorted(used, loaded.labels[kept]).astype(np.int64),
        splits=splits,
        classes=tuple(CLASSES[label] for label in used),
        source={**loaded.source, **chosen.model_dump(include={"serials", "classes", "test_angle"})},
        extra={name: values[kept] for name, values in loaded.extra.items()},
    )


def read_folder(folder: Path, crop: int = CROP, test_angle: int = SPLIT_DEPRESSION_ANGLES["test"]) -> LoadedDataset:
    """Read the chips below ``folder``; see :func:`load`."""
    angles = {**SPLIT_DEPRESSION_ANGLES, "test": test_angle}
    with ThreadPoolExecutor(_N_THREADS) as executor:
        paths = _chip_paths(folder)
        found = track(executor.map(partial(_inspect, folder, angles), paths), "Reading MSTAR headers", len(paths))
        entries = sorted((entry for entry in found if entry is not None), key=_Entry.sort_key)
        _require_splits(folder, entries, len(paths), angles)
        samples = np.empty((len(entries), crop, crop), np.complex64)
        read_into = executor.map(partial(_read_into, samples), range(len(entries)), entries)
        checksums = list(track(read_into, "Reading MSTAR chips", len(entries)))
    kept = _first_of_each(entries, checksums)
    if len(kept) < len(entries):
        _LOGGER.warning("%s: %d chips are there more than once; each is used once", folder, len(entries) - len(kept))
        samples, entries = samples[kept], [entries[index] for index in kept]
    return _dataset(samples, entries)


def class_label(name: str) -> int | None:
    """Return the index into :data:`CLASSES` that a ``TargetType`` means, or None if it means none of them.

    Case, separators and a word after the designation are ignored: ``bmp2_tank``, ``BTR-60``, ``ZSU_23_4``.
    """
    match = _TARGET_TYPE.fullmatch(_plain(name))
    return _LABELS[match[1]] if match else None


def centre_crop(samples: NDArray[np.complex64], path: Path | str, crop: int = CROP) -> NDArray[np.complex64]:
    """Return the central ``crop`` x ``crop`` samples of a chip.

    Raises
    ------
    PhasebenchError
        The chip is smaller than that; ``path`` is named in the message.
    """
    rows, columns = samples.shape
    if min(rows, columns) < crop:
        raise PhasebenchError(
            f"{path}: NumberOfRows, NumberOfColumns: {rows} x {columns} is smaller than the crop of {crop} x {crop}; "
            "padding would give the class away, remove the file"
        )
    top, left = (rows - crop) // 2, (columns - crop) // 2
    return samples[top : top + crop, left : left + crop]


def missing_chips(labels: np.ndarray, splits: Mapping[str, np.ndarray], classes: tuple[str, ...]) -> list[str]:
    """List where a data set differs from the whole distribution, such as ``t72: 2000 of 3079 train``.

    Parameters
    ----------
    labels : int (N,)
        Indices into ``classes``.
    splits : mapping
        ``train`` and ``test``: indices into ``labels``.
    classes : tuple of str
        Keys of :data:`CHIPS`.

    Returns
    -------
    list of str
        In the order of the classes; empty for the whole distribution.
    """
    found = {split: np.bincount(labels[indices], minlength=len(classes)) for split, indices in splits.items()}
    return [
        f"{name}: {found[split][label]} of {expected} {split}"
        for label, name in enumerate(classes)
        for split, expected in zip(("train", "test"), CHIPS[name], strict=True)
        if found[split][label] != expected
    ]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _chip_paths(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise PhasebenchError(
            f"{folder}: folder: no such folder; unpack the public MSTAR distribution there (it cannot be downloaded "
            "without registering) or name its place in the data set's option 'folder'"
        )

    def refuse(error: OSError) -> None:
        raise PhasebenchError(f"{error.filename}: folder: cannot be read: {error.strerror}") from error

    paths = [path for path in files_below(folder, on_error=refuse) if re.fullmatch(RAW_MSTAR.names, path.name)]
    if not paths:
        raise PhasebenchError(f"{folder}: folder: holds no chip files (their names end in .000 to .999)")
    return paths


def _inspect(folder: Path, angles: Mapping[str, int], path: Path) -> _Entry | None:
    """Read the header; None if the chip is not used."""
    header = phoenix.read_header(path)
    label = _label_of(folder, path, header)
    if label is None:
        return None
    angle = phoenix.depression_angle(path, header)
    split = next((name for name, degrees in angles.items() if round(angle) == degrees), None)
    if split is None:
        return None
    serial, azimuth = phoenix.text(path, header, "TargetSerNum"), phoenix.number(path, header, "TargetAz")
    return _Entry(path, label, split, serial, angle, azimuth)


def _label_of(folder: Path, path: Path, header: Mapping[str, str]) -> int | None:
    target_type = header.get("TargetType", "")
    if not target_type:
        # The distribution's clutter scenes name no target. A target's chip must: its folder is no proof of its class.
        named = [part for part in path.relative_to(folder).parent.parts if class_label(part) is not None]
        if named:
            raise PhasebenchError(
                f"{path}: TargetType: missing from the header, though the folder is called {named[-1]}; copy the file "
                "again or remove it"
            )
        return None
    label = class_label(target_type)
    if label is None and not _LEFT_OUT_TYPE.fullmatch(_plain(target_type)):
        raise PhasebenchError(
            f"{path}: TargetType: {target_type!r} is none of {', '.join(CLASSES)}, slicy, clutter; remove the file"
        )
    return label


def _require_splits(folder: Path, entries: Iterable[_Entry], n_files: int, angles: Mapping[str, int]) -> None:
    present = {entry.split for entry in entries}
    for split, degrees in angles.items():
        if split not in present:
            raise PhasebenchError(
                f"{folder}: DesiredDepression: none of the {n_files} chip files shows a target at {degrees} degrees "
                f"({split} set); add that part of the distribution"
            )


def _read_into(samples: NDArray[np.complex64], index: int, entry: _Entry) -> str:
    chip = phoenix.read_chip(entry.path)
    samples[index] = centre_crop(chip.samples, entry.path, samples.shape[1])
    return chip.checksum


def _first_of_each(entries: list[_Entry], checksums: list[str]) -> list[int]:
    """Return the indices of the chips whose samples have not come before."""
    first: dict[str, int] = {}
    for index, (entry, checksum) in enumerate(zip(entries, checksums, strict=True)):
        other = entries[first.setdefault(checksum, index)]
        if (other.label, other.split) != (entry.label, entry.split):
            raise PhasebenchError(
                f"{entry.path}: TargetType, DesiredDepression: the samples are those of {other.path}, which has "
                "another class or angle; remove the wrong file"
            )
    return sorted(first.values())


def _dataset(samples: NDArray[np.complex64], entries: list[_Entry]) -> LoadedDataset:
    splits = np.array([entry.split for entry in entries])
    return LoadedDataset(
        samples=samples,
        labels=np.array([entry.label for entry in entries], np.int64),
        splits={name: np.flatnonzero(splits == name).astype(np.int64) for name in SPLIT_DEPRESSION_ANGLES},
        classes=CLASSES,
        source={"source": "mstar"},
        extra={
            "serial": np.array([entry.serial for entry in entries]),
            "depression_angle": np.array([entry.depression_angle for entry in entries], np.float32),
            "azimuth": np.array([entry.azimuth for entry in entries], np.float32),
        },
    )
