"""Recordings in folders, one for each class, such as GTZAN's ``genres/blues/blues.00000.wav``."""

import logging
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import partial
from math import gcd
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from scipy.signal import resample_poly

from phasebench.common.errors import PhasebenchError
from phasebench.common.progress import track
from phasebench.data.encodings.cepstrum import SAMPLING_RATE
from phasebench.data.saved_pages import SAVED_PAGE, is_saved_page
from phasebench.data.sources.audio.recordings import DEFAULT_LAYOUT, SUFFIXES, classes_of, recordings_of
from phasebench.data.sources.audio.tracks import (
    SHORTEST_SEGMENT,
    Track,
    as_dataset,
    cut,
    draw_test_tracks,
)
from phasebench.data.sources.options import chosen_classes, parse_options
from phasebench.data.sources.raw_place import RawPlace
from phasebench.data.store import LoadedDataset
from phasebench.specs.run import Frozen, Scalar

RAW_AUDIO_FOLDER = RawPlace(
    option="path", files="phasebench.data.sources.audio.recordings:used_recordings", absent="no recordings below"
)

_LOGGER = logging.getLogger(__name__)
_N_THREADS = 8
_FULL_SCALE = 32_768
_LOWEST_RATE, _HIGHEST_RATE = 1_000, 768_000
_LONGEST_SECONDS = 6 * 3600
_BLOCK = 1 << 20
_CORRECTED = re.compile(r"^\s*(?:data|Data Size|SSND)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
# Programs that write into a pipe do not know the size yet.
_UNKNOWN_SIZES = frozenset({"0", "2147483647", "4294967295"})


class Options(Frozen):
    """Options of the source ``audio_folder``."""

    path: str
    layout: Literal["folders", "names"] = DEFAULT_LAYOUT
    classes: str = ""
    segments: PositiveInt = 10
    seconds: Annotated[float, Field(ge=SHORTEST_SEGMENT)] = 3.0
    test_per_class: PositiveInt = 16
    test_files: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


def load(options: Mapping[str, Scalar], data_root: Path, download: bool) -> LoadedDataset:
    """Load recordings (WAV, AU, AIFF, FLAC, Ogg, MP3), mixed down to one channel and resampled to 22,050 Hz.

    Recordings that cannot be read, are empty or silent are left out; each is logged, and named in the manifest.

    Parameters
    ----------
    options
        ``path``: the folder, below ``data_root`` unless absolute. ``layout``: whether a file's class is the folder it
        lies in (``folders``) or the first part of its own name, as in ``blues.00000.wav`` (``names``). ``classes``:
        some of the classes, separated by commas (all). ``segments`` (10) of ``seconds`` (3.0): what is used of each
        recording. ``test_per_class`` (16): recordings of each class that test, drawn with ``seed`` (0); or
        ``test_files``: a pattern such as ``*_0[0-4].*`` of the names of those that test, some of each class.
    data_root
        Folder of the raw data sets.
    download
        Of no effect.

    Returns
    -------
    LoadedDataset
        int16 samples (N, L), sorted by class and name; extra ``track`` and ``segment``.

    Raises
    ------
    PhasebenchError
        An option is unknown, the folder is missing, a class is missing or has no recording that can be read, none that
        trains or none that tests.
    """
    chosen = parse_options("audio_folder", Options, options)
    folder = data_root / chosen.path
    by_class = _recordings(folder, chosen)
    classes = list(by_class)
    paths = [(path, label) for label, name in enumerate(classes) for path in by_class[name]]
    with ThreadPoolExecutor(_N_THREADS) as executor:
        read = executor.map(partial(_read_track, folder, chosen), *zip(*paths, strict=True))
        results = list(track(read, "Reading recordings", len(paths)))
    tracks = [result for result in results if isinstance(result, Track)]
    left_out = [result for result in results if isinstance(result, str)]
    for complaint in left_out:
        _LOGGER.warning("%s: %s; it is left out", folder, complaint)
    for label, name in enumerate(classes):
        if all(one.label != label for one in tracks):
            raise PhasebenchError(
                f"{folder}: class '{name}': none of its {len(by_class[name])} recordings can be read, for example "
                f"{next(complaint for complaint in left_out if complaint.startswith(_name(folder, by_class[name][0])))}"
            )
    source = {"source": "audio_folder", "tracks": len(tracks), "n_left_out": len(left_out), "left_out": left_out}
    return as_dataset(tracks, _tested(folder, chosen, tracks, classes), classes, source)


def read_recording(path: Path) -> NDArray[np.int16]:
    """Read a recording as 16-bit samples at 22,050 Hz, the mean of its channels.

    Raises
    ------
    ValueError
        The recording is empty, silent, cut or not finite, or of a rate or length that no sound has.
    soundfile.SoundFileError
        It is not a recording at all.
    """
    with soundfile.SoundFile(path) as file:
        if file.format == "RAW":
            # Whatever ends in .au and has no header counts as telephone sound to libsndfile.
            raise ValueError("has no header of a sound file")
        rate = file.samplerate
        if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
            raise ValueError(f"says {rate} Hz, which is no sampling rate of sound")
        if promised := _promised_bytes(file.extra_info):
            raise ValueError(f"is cut: its header promises {promised[0]} bytes of sound, and {promised[1]} are there")
        # In parts, so that memory is asked for what is there, not for what the header says.
        parts, read = [], 0
        while len(part := file.read(_BLOCK, dtype="float64", always_2d=True)):
            parts.append(part.mean(axis=1))
            read += len(part)
            if read > _LONGEST_SECONDS * rate:
                raise ValueError(f"lasts longer than {_LONGEST_SECONDS} s; cut it")
        if read < file.frames:
            raise ValueError(f"is cut: its header promises {file.frames} samples, and {read} are there")
        samples = np.concatenate(parts) if parts else np.empty(0)
    if not len(samples):
        raise ValueError("holds no sound")
    if not np.isfinite(samples).all():
        raise ValueError("holds values that are not finite")
    if rate != SAMPLING_RATE:
        divisor = gcd(rate, SAMPLING_RATE)
        samples = resample_poly(samples, SAMPLING_RATE // divisor, rate // divisor)
    quantised: NDArray[np.int16] = np.rint(samples * _FULL_SCALE).clip(-_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
    if not quantised.any():
        raise ValueError("is silent")
    return quantised


def _promised_bytes(log: str) -> tuple[str, str] | None:
    """Bytes of sound that the header says and that libsndfile found, from its log, where they differ."""
    match = _CORRECTED.search(log)
    return (match[1], match[2]) if match and match[1] not in _UNKNOWN_SIZES else None


def _recordings(folder: Path, options: Options) -> dict[str, list[Path]]:
    """Map from each chosen class to its recordings, of which there are some."""
    if not folder.is_dir():
        raise PhasebenchError(f"{folder}: path: no such folder; give the folder of the recordings in options.path")
    known = classes_of(folder, options.layout)
    if not known:
        wanted = "has no folders, one for each class" if options.layout == "folders" else "has no recordings"
        raise PhasebenchError(f"{folder}: path: {wanted}; they end in {', '.join(sorted(SUFFIXES))}")
    found = recordings_of(folder, options.layout, chosen_classes(options.classes, known, str(folder)))
    for name, paths in found.items():
        if not paths:
            raise PhasebenchError(
                f"{folder / name}: the class has no recordings (they end in {', '.join(sorted(SUFFIXES))}); add them, "
                "or leave the class out with options.classes"
            )
    return found


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _read_track(folder: Path, options: Options, path: Path, label: int) -> Track | str:
    """The track, or its name and why it cannot be used."""
    name = _name(folder, path)
    try:
        samples = read_recording(path)
    except MemoryError:
        return f"{name}: takes more memory than there is"
    except (soundfile.SoundFileError, ValueError, OSError) as error:
        reason = str(error) if isinstance(error, ValueError) else "cannot be read as sound"
        if is_saved_page(path):
            reason = SAVED_PAGE
        return f"{name}: {reason}"
    return Track(name, label, cut(samples, options.segments, options.seconds))


def _tested(folder: Path, options: Options, tracks: list[Track], classes: list[str]) -> NDArray[np.bool_]:
    labels = np.array([one.label for one in tracks])
    if not options.test_files:
        return draw_test_tracks(labels.tolist(), options.test_per_class, options.seed)
    tested = np.array([fnmatchcase(Path(one.name).name, options.test_files) for one in tracks])
    for label, name in enumerate(classes):
        of_class = tested[labels == label]
        if of_class.all() or not of_class.any():
            which, purpose = ("every", "train") if of_class.any() else ("no", "test")
            raise PhasebenchError(
                f"{folder}: options.test_files: {which} recording of class '{name}' matches '{options.test_files}', "
                f"which leaves none to {purpose} on; give a pattern that some of each class match, but not all"
            )
    return tested
