"""MSTAR's raw Phoenix chip files: reader and writer.

A chip file is an ASCII header of ``key= value`` lines, ``PhoenixHeaderLength`` bytes long, then
``native_header_length`` bytes that are skipped, then the image's magnitude and, after all of it, its phase in radians,
both row by row as big-endian float32. ``Chip_MD5_CheckSum`` is the MD5 of those two blocks together.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phasebench.common.errors import PhasebenchError
from phasebench.common.files import write_bytes
from phasebench.data.labelled import check_names
from phasebench.data.saved_pages import SAVED_PAGE, is_page

_FIRST_LINE = re.compile(rb"\s*\[PhoenixHeaderVer[\d.]+\]")
_LAST_LINE = b"[EndofPhoenixHeader]"
_LONGEST_HEADER_BYTES = 1 << 16
_CHECKSUM = "Chip_MD5_CheckSum"
_PHASES = (-1e-3, 2 * math.pi + 1e-3)
# Bytes that are known to be those of the distribution may be rounded as they like, but not in another order.
_VERIFIED_PHASES = (-100.0, 100.0)
_LONGEST_COUNT = 9
"""Digits of a count; a chip has thousands of samples."""
_LARGEST_NUMBER = 1e6
_SAMPLE_TYPE = np.dtype(">f4")


@dataclass(frozen=True, eq=False)
class Chip:
    """One complex radar image and what its header says of it.

    Attributes
    ----------
    samples
        complex64, shape (rows, columns).
    target_class
        ``TargetType`` as the header spells it, for example ``t72_tank``.
    serial
        ``TargetSerNum``, the vehicle's serial number.
    depression_angle
        Degrees; ``DesiredDepression``, or ``MeasuredDepression`` where the header has no other.
    azimuth
        ``TargetAz`` in degrees.
    checksum
        MD5 of the magnitude and phase blocks, hexadecimal.
    header
        Every key of the header with its value as written.
    """

    samples: NDArray[np.complex64]
    target_class: str
    serial: str
    depression_angle: float
    azimuth: float
    checksum: str
    header: dict[str, str]


def read_header(path: Path | str) -> dict[str, str]:
    """Read the header alone.

    Raises
    ------
    PhasebenchError
        The file cannot be read or is not a Phoenix file.
    """
    try:
        with Path(path).open("rb") as handle:
            return _parse_header(path, handle.read(_LONGEST_HEADER_BYTES))
    except OSError as error:
        raise _unreadable(path, error) from error


def read_chip(path: Path | str) -> Chip:
    """Read a chip and check its samples against the header's MD5, if the header gives one.

    Raises
    ------
    PhasebenchError
        The file cannot be read, is not a Phoenix file, lacks a key, ends too early or has another MD5.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    header = _parse_header(path, content[:_LONGEST_HEADER_BYTES])
    offset = _whole_number(path, header, "PhoenixHeaderLength")
    if "native_header_length" in header:
        offset += _whole_number(path, header, "native_header_length")
    shape = (_whole_number(path, header, "NumberOfRows"), _whole_number(path, header, "NumberOfColumns"))
    block = _data_block(path, content[offset:], shape)
    checksum = _verified_checksum(path, header, block)
    is_verified = _CHECKSUM in header
    if not is_verified:
        _check_place(path, content, header)
    return Chip(
        samples=_decode_samples(path, block, shape, _VERIFIED_PHASES if is_verified else _PHASES),
        target_class=text(path, header, "TargetType"),
        serial=text(path, header, "TargetSerNum"),
        depression_angle=depression_angle(path, header),
        azimuth=number(path, header, "TargetAz"),
        checksum=checksum,
        header=header,
    )


def depression_angle(path: Path | str, header: Mapping[str, str]) -> float:
    """Return the depression angle that a header states, in degrees.

    Raises
    ------
    PhasebenchError
        The header states none, or not a number; ``path`` is named in the message.
    """
    # The measured angle wanders by some tenths of a degree within one collection.
    has_only_measured = "DesiredDepression" not in header and "MeasuredDepression" in header
    return number(path, header, "MeasuredDepression" if has_only_measured else "DesiredDepression")


def text(path: Path | str, header: Mapping[str, str], key: str) -> str:
    """Return a header's value; raise a :class:`PhasebenchError` naming ``path`` and ``key`` where there is none."""
    value = header.get(key, "")
    if not value:
        raise PhasebenchError(f"{path}: {key}: missing from the header; copy the file again or remove it")
    check_names(f"{path}: {key}", [value])
    return value


def number(path: Path | str, header: Mapping[str, str], key: str) -> float:
    """Return a header's value as a finite number; raise a :class:`PhasebenchError` where it is none."""
    value = text(path, header, key)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not abs(number) <= _LARGEST_NUMBER:
        raise PhasebenchError(f"{path}: {key}: {value!r} is not a number; copy the file again or remove it")
    return number


def write_chip(
    path: Path | str,
    samples: NDArray[np.complexfloating],
    *,
    target_class: str,
    serial: str,
    depression_angle: float,
    azimuth: float,
    further_keys: Mapping[str, str] | None = None,
) -> None:
    """Write a Phoenix file, whole or not at all.

    Parameters
    ----------
    path
        The file.
    samples
        Complex, shape (rows, columns).
    target_class, serial
        Written as ``TargetType`` and ``TargetSerNum``.
    depression_angle, azimuth
        Degrees; written as ``DesiredDepression`` and ``TargetAz``.
    further_keys
        More header lines, after the usual ones.

    Raises
    ------
    ValueError
        A header value is not plain ASCII on one line, or ``further_keys`` repeats a usual key.
    PhasebenchError
        The file cannot be written.
    """
    block = _encode_samples(samples)
    rows, columns = samples.shape
    fields = {
        "PhoenixSigNum": "0001",
        "PhoenixHeaderCallingSequence": "",
        "native_header_length": "0",
        "Filename": Path(path).name,
        _CHECKSUM: _md5(block),
        "NumberOfColumns": str(columns),
        "NumberOfRows": str(rows),
        "TargetType": target_class,
        "TargetSerNum": serial,
        "TargetAz": f"{azimuth:.6f}",
        "DesiredDepression": f"{depression_angle:g}",
    }
    if repeated := sorted(set(fields) & set(further_keys or {})):
        raise ValueError(f"further_keys repeats {', '.join(repeated)}")
    header = _format_header(fields | dict(further_keys or {}), len(block))
    write_bytes(path, header + block)


def _parse_header(path: Path | str, content: bytes) -> dict[str, str]:
    first_line = _FIRST_LINE.match(content)
    if first_line is None:
        if is_page(content):
            raise PhasebenchError(f"{path}: {SAVED_PAGE}")
        raise PhasebenchError(f"{path}: PhoenixHeaderVer: the file does not begin as a Phoenix file; remove it")
    end = content.find(_LAST_LINE)
    if end < 0:
        raise PhasebenchError(f"{path}: EndofPhoenixHeader: the header has no end; copy the file again")
    lines = content[first_line.end() : end].decode("latin-1").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _format_header(fields: Mapping[str, str], n_data_bytes: int) -> bytes:
    for key, value in fields.items():
        if not (f"{key}{value}".isascii() and f"{key}{value}".isprintable()):
            raise ValueError(f"{key}: {value!r} is not plain ASCII on one line")
    body = "".join(f"{key}= {value}\n" for key, value in fields.items()) + f"{_LAST_LINE.decode()}\n"
    template = "\n[PhoenixHeaderVer01.04]\nPhoenixHeaderLength= {:05d}\nPhoenixSigSize= {:08d}\n"
    length = len(template.format(0, 0)) + len(body)
    return (template.format(length, length + n_data_bytes) + body).encode("ascii")


def _data_block(path: Path | str, content: bytes, shape: tuple[int, int]) -> bytes:
    size = f"{shape[0]} x {shape[1]}"
    n_bytes = 2 * math.prod(shape) * _SAMPLE_TYPE.itemsize
    if not n_bytes:
        raise PhasebenchError(f"{path}: NumberOfRows, NumberOfColumns: {size} is no image; copy the file again")
    if len(content) < n_bytes:
        raise PhasebenchError(
            f"{path}: NumberOfRows, NumberOfColumns: {size} samples take {n_bytes} bytes but only {len(content)} "
            "follow the header; the file was cut off, copy it again"
        )
    return content[:n_bytes]


def _check_place(path: Path | str, content: bytes, header: Mapping[str, str]) -> None:
    """Refuse a length of the header that does not lead behind its last line, which an MD5 would tell as well."""
    stated = _whole_number(path, header, "PhoenixHeaderLength")
    end = content.find(_LAST_LINE) + len(_LAST_LINE)
    end += next((len(feed) for feed in (b"\r\n", b"\n") if content.startswith(feed, end)), 0)
    if stated != end:
        raise PhasebenchError(
            f"{path}: PhoenixHeaderLength: says {stated}, but the header ends at byte {end}; copy the file again"
        )


def _decode_samples(
    path: Path | str, block: bytes, shape: tuple[int, int], phases: tuple[float, float]
) -> NDArray[np.complex64]:
    # In double precision the rounded result is the same whatever vector instructions the processor has.
    with np.errstate(invalid="ignore"):
        magnitude, phase = np.frombuffer(block, _SAMPLE_TYPE).reshape(2, *shape).astype(np.float64)
    if not (np.isfinite(magnitude).all() and np.isfinite(phase).all()):
        raise PhasebenchError(f"{path}: magnitude, phase: the samples are not all finite; copy the file again")
    if magnitude.min() < 0:
        raise PhasebenchError(f"{path}: magnitude: {magnitude.min():g} is negative; copy the file again, big-endian")
    if not phases[0] <= phase.min() <= phase.max() <= phases[1]:
        raise PhasebenchError(
            f"{path}: phase: from {phase.min():g} to {phase.max():g}, must be radians from 0 to 2 pi; copy the file "
            "again, big-endian"
        )
    samples = np.empty(shape, np.complex64)
    samples.real = magnitude * np.cos(phase)
    samples.imag = magnitude * np.sin(phase)
    return samples


def _encode_samples(samples: NDArray[np.complexfloating]) -> bytes:
    two_pi = np.float32(2 * np.pi)
    # Adding zero turns -0.0 into 0.0, so that the phase of zero is 0.
    phase = np.mod(np.angle(samples + 0), 2 * np.pi).astype(np.float32)
    # Rounded to single precision, an angle just below the full turn becomes one.
    phase[phase >= two_pi] = 0.0
    return np.stack([np.abs(samples).astype(np.float32), phase]).astype(_SAMPLE_TYPE).tobytes()


def _verified_checksum(path: Path | str, header: Mapping[str, str], block: bytes) -> str:
    measured = _md5(block)
    stated = header.get(_CHECKSUM, measured).lower()
    if stated != measured:
        raise PhasebenchError(
            f"{path}: {_CHECKSUM}: the header says {stated} but the samples give {measured}; "
            "the file is damaged, copy it again"
        )
    return measured


def _md5(block: bytes) -> str:
    return hashlib.md5(block, usedforsecurity=False).hexdigest()


def _whole_number(path: Path | str, header: Mapping[str, str], key: str) -> int:
    value = text(path, header, key)
    if not (value.isascii() and value.isdigit() and len(value.lstrip("0")) <= _LONGEST_COUNT):
        raise PhasebenchError(f"{path}: {key}: {value[:20]!r} is not a count; copy the file again or remove it")
    return int(value)


def _unreadable(path: Path | str, error: OSError) -> PhasebenchError:
    return PhasebenchError(f"{path}: cannot be read: {error.strerror or error}")
