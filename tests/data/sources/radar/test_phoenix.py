"""Phoenix chip files, against bytes laid out here by hand."""

import hashlib
import math
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from phasebench.common.errors import PhasebenchError
from phasebench.data.sources.radar.phoenix import read_chip, read_header, write_chip

ROWS, COLUMNS = 3, 4
MAGNITUDES = [0.5 + index / 7 for index in range(ROWS * COLUMNS)]
PHASES = [index * math.pi / 6 for index in range(ROWS * COLUMNS)]


def big_endian_block(magnitudes: list[float], phases: list[float]) -> bytes:
    return struct.pack(f">{len(magnitudes)}f", *magnitudes) + struct.pack(f">{len(phases)}f", *phases)


def phoenix_bytes(
    block: bytes, *, without: str = "", native: bytes = b"", changes: dict[str, str] | None = None
) -> bytes:
    """A file as the public distribution has them: a line feed first, numbers padded with zeros, a length of itself."""
    fields = {
        "PhoenixSigNum": "0001",
        "PhoenixHeaderCallingSequence": "",
        "HeaderVersionNumber": "2CM",
        "native_header_length": str(len(native)),
        "Filename": "hb03787.0015",
        "Chip_MD5_CheckSum": hashlib.md5(block).hexdigest(),
        "NumberOfColumns": str(COLUMNS),
        "NumberOfRows": str(ROWS),
        "TargetType": "t72_tank",
        "TargetSerNum": "132",
        "TargetAz": "10.790657",
        "TargetRoll": "0.428499",
        "DesiredDepression": "17",
        "MeasuredDepression": "17.093750",
        "RadarMode": "mode 5 - spot light",
        **(changes or {}),
    }
    lines = "".join(f"{key}= {value}\n" for key, value in fields.items() if key != without)
    length = len(f"\n[PhoenixHeaderVer01.04]\nPhoenixHeaderLength= 00000\n{lines}[EndofPhoenixHeader]\n")
    head = f"\n[PhoenixHeaderVer01.04]\nPhoenixHeaderLength= {length:05d}\n{lines}[EndofPhoenixHeader]\n"
    return head.encode("ascii") + native + block


@pytest.fixture
def block() -> bytes:
    return big_endian_block(MAGNITUDES, PHASES)


@pytest.fixture
def chip_path(tmp_path: Path) -> Path:
    return tmp_path / "HB03787.015"


def test_reads_magnitude_then_phase_row_by_row(chip_path: Path, block: bytes) -> None:
    chip_path.write_bytes(phoenix_bytes(block))
    chip = read_chip(chip_path)
    stored = struct.unpack(f">{2 * ROWS * COLUMNS}f", block)
    expected = [
        magnitude * complex(math.cos(phase), math.sin(phase))
        for magnitude, phase in zip(stored[: ROWS * COLUMNS], stored[ROWS * COLUMNS :], strict=True)
    ]
    assert chip.samples.dtype == np.complex64
    np.testing.assert_array_equal(chip.samples, np.array(expected, np.complex64).reshape(ROWS, COLUMNS))


def test_reads_what_the_header_says(chip_path: Path, block: bytes) -> None:
    chip_path.write_bytes(phoenix_bytes(block))
    chip = read_chip(chip_path)
    assert (chip.target_class, chip.serial) == ("t72_tank", "132")
    assert (chip.depression_angle, chip.azimuth) == (17.0, 10.790657)
    assert chip.checksum == hashlib.md5(block).hexdigest()
    assert chip.header["RadarMode"] == "mode 5 - spot light"
    assert chip.header["PhoenixHeaderCallingSequence"] == ""
    assert chip.header == read_header(chip_path)


def test_skips_the_native_header_and_what_follows_the_image(chip_path: Path, block: bytes) -> None:
    chip_path.write_bytes(phoenix_bytes(block))
    plain = read_chip(chip_path).samples
    chip_path.write_bytes(phoenix_bytes(block, native=b"\x01" * 512) + b"trailing bytes")
    np.testing.assert_array_equal(read_chip(chip_path).samples, plain)


def test_measured_depression_stands_in_for_a_desired_one(chip_path: Path, block: bytes) -> None:
    chip_path.write_bytes(phoenix_bytes(block, without="DesiredDepression"))
    assert read_chip(chip_path).depression_angle == 17.09375


def test_accepts_a_header_without_checksum_and_of_another_version(chip_path: Path, block: bytes) -> None:
    chip_path.write_bytes(phoenix_bytes(block, without="Chip_MD5_CheckSum").replace(b"Ver01.04", b"Ver01.05"))
    assert read_chip(chip_path).checksum == hashlib.md5(block).hexdigest()


@pytest.mark.parametrize(
    "key", ["PhoenixHeaderLength", "NumberOfColumns", "NumberOfRows", "TargetType", "TargetSerNum", "TargetAz"]
)
def test_a_missing_key_is_named(chip_path: Path, block: bytes, key: str) -> None:
    content = phoenix_bytes(block, without=key)
    if key == "PhoenixHeaderLength":
        content = content.replace(b"PhoenixHeaderLength", b"SomethingElse")
    chip_path.write_bytes(content)
    assert_refused(chip_path, f"{key}: missing")


def test_a_missing_depression_is_named(chip_path: Path, block: bytes) -> None:
    content = phoenix_bytes(block, without="DesiredDepression")
    chip_path.write_bytes(content.replace(b"MeasuredDepression", b"MeasuredDepressioN"))
    assert_refused(chip_path, "DesiredDepression: missing")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NumberOfRows", "many"),
        ("NumberOfRows", "-3"),
        ("NumberOfColumns", "4.5"),
        ("NumberOfColumns", "0"),
        ("native_header_length", "x"),
        ("TargetAz", "north"),
        ("TargetAz", "nan"),
        ("DesiredDepression", "steep"),
    ],
)
def test_a_value_that_is_no_number_is_named(chip_path: Path, block: bytes, key: str, value: str) -> None:
    chip_path.write_bytes(phoenix_bytes(block, changes={key: value}))
    assert_refused(chip_path, key)


def test_a_truncated_chip_is_refused(chip_path: Path, block: bytes) -> None:
    chip_path.write_bytes(phoenix_bytes(block)[:-1])
    assert_refused(chip_path, "NumberOfRows, NumberOfColumns: 3 x 4 samples take 96 bytes but only 95 follow")


def test_a_chip_cut_within_its_header_is_refused(chip_path: Path, block: bytes) -> None:
    chip_path.write_bytes(phoenix_bytes(block)[:120])
    assert_refused(chip_path, "EndofPhoenixHeader")


@pytest.mark.parametrize("position", [-1, -ROWS * COLUMNS * 8])
def test_a_changed_byte_anywhere_in_the_data_breaks_the_checksum(chip_path: Path, block: bytes, position: int) -> None:
    content = bytearray(phoenix_bytes(block))
    content[position] ^= 1
    chip_path.write_bytes(content)
    assert_refused(chip_path, "Chip_MD5_CheckSum")


def test_samples_that_are_not_finite_are_refused(chip_path: Path) -> None:
    chip_path.write_bytes(phoenix_bytes(big_endian_block([math.inf, *MAGNITUDES[1:]], PHASES)))
    assert_refused(chip_path, "not all finite")


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0JFIF", b"NITF02.00" * 20])
def test_another_kind_of_file_is_refused(chip_path: Path, content: bytes) -> None:
    chip_path.write_bytes(content)
    assert_refused(chip_path, "PhoenixHeaderVer")


def test_an_absent_file_is_refused(chip_path: Path) -> None:
    assert_refused(chip_path, "No such file")


def test_written_file_reads_back(chip_path: Path) -> None:
    random = np.random.default_rng(0)
    samples = (random.standard_normal((6, 9)) + 1j * random.standard_normal((6, 9))).astype(np.complex64)
    write(chip_path, samples, further_keys={"Polarization": "HH"})
    chip = read_chip(chip_path)
    np.testing.assert_allclose(chip.samples, samples, rtol=1e-6, atol=1e-6)
    assert (chip.target_class, chip.serial, chip.depression_angle, chip.azimuth) == ("2s1_gun", "b01", 15.0, 123.456789)
    assert chip.header["Polarization"] == "HH"


def test_written_file_has_the_layout_of_the_real_ones(chip_path: Path) -> None:
    write(chip_path, np.ones((5, 7), np.complex64))
    content = chip_path.read_bytes()
    head, _, data = content.partition(b"[EndofPhoenixHeader]\n")
    lines = head.decode("ascii").split("\n")
    length = len(head) + len("[EndofPhoenixHeader]\n")
    assert lines[:2] == ["", "[PhoenixHeaderVer01.04]"]
    assert lines[2:4] == [f"PhoenixHeaderLength= {length:05d}", f"PhoenixSigSize= {len(content):08d}"]
    assert {"NumberOfColumns= 7", "NumberOfRows= 5", f"Chip_MD5_CheckSum= {hashlib.md5(data).hexdigest()}"} < set(lines)
    assert len(data) == 2 * 5 * 7 * 4


def test_written_magnitude_and_phase_are_the_nearest_single_precision_numbers(chip_path: Path) -> None:
    random = np.random.default_rng(1)
    # The last phase rounds up to a full turn in single precision, which must become zero.
    phases = np.append(random.uniform(0, 2 * math.pi, 11), 2 * math.pi - 1e-9)
    magnitudes = random.uniform(0.1, 2.0, 12)
    samples = magnitudes * np.exp(1j * phases)
    write(chip_path, samples.reshape(3, 4))
    stored = struct.unpack(">24f", chip_path.read_bytes()[-96:])
    exact = [abs(z) for z in samples.tolist()] + [math.atan2(z.imag, z.real) % (2 * math.pi) for z in samples.tolist()]
    assert stored[:-1] == struct.unpack(">23f", struct.pack(">23f", *exact[:-1]))
    assert stored[-1] == 0.0


def test_a_header_value_that_would_break_the_header_is_refused(chip_path: Path) -> None:
    with pytest.raises(ValueError, match="Site"):
        write(chip_path, np.ones((2, 2), np.complex64), further_keys={"Site": "a\n[EndofPhoenixHeader]"})
    with pytest.raises(ValueError, match="NumberOfRows"):
        write(chip_path, np.ones((2, 2), np.complex64), further_keys={"NumberOfRows": "1"})
    assert list(chip_path.parent.iterdir()) == []


@pytest.mark.skipif(
    "PHASEBENCH_MSTAR_CHIPS" not in os.environ,
    reason="PHASEBENCH_MSTAR_CHIPS names no folder with chips of the public MSTAR distribution",
)
def test_real_chips_match_their_checksums() -> None:
    paths = sorted(path for path in Path(os.environ["PHASEBENCH_MSTAR_CHIPS"]).rglob("*.[0-9][0-9][0-9]"))
    assert paths
    for path in paths:
        chip = read_chip(path)
        content = path.read_bytes()
        block = content[int(chip.header["PhoenixHeaderLength"]) :]
        assert int(chip.header["PhoenixSigSize"]) == len(content)
        assert chip.header["Chip_MD5_CheckSum"] == hashlib.md5(block).hexdigest() == chip.checksum
        n_samples = chip.samples.size
        numbers = struct.unpack(f">{2 * n_samples}f", block)
        np.testing.assert_allclose(np.abs(chip.samples).ravel(), numbers[:n_samples], rtol=3e-7)
        turned = chip.samples.ravel() * np.exp(-1j * np.array(numbers[n_samples:]))
        np.testing.assert_allclose(turned.imag, 0.0, atol=2e-7 * max(numbers[:n_samples]))


def write(path: Path, samples: np.ndarray, further_keys: dict[str, str] | None = None) -> None:
    write_chip(
        path,
        samples,
        target_class="2s1_gun",
        serial="b01",
        depression_angle=15,
        azimuth=123.456789,
        further_keys=further_keys,
    )


def assert_refused(path: Path, expected: str) -> None:
    with pytest.raises(PhasebenchError) as refused:
        read_chip(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert "\n" not in message


def little_endian(block: bytes) -> bytes:
    return np.frombuffer(block, ">f4").astype("<f4").tobytes()


@pytest.mark.parametrize(
    ("block", "key"),
    [
        (little_endian(big_endian_block(MAGNITUDES, PHASES)), "magnitude, phase|magnitude|phase"),
        (big_endian_block(MAGNITUDES, [phase * 57.3 for phase in PHASES]), "phase"),
        (big_endian_block(MAGNITUDES, [1e30] * 12), "phase"),
        (big_endian_block(MAGNITUDES, [phase - 3 for phase in PHASES]), "phase"),
        (big_endian_block([-value for value in MAGNITUDES], PHASES), "magnitude"),
    ],
)
def test_samples_without_md5_are_judged_by_their_values(chip_path: Path, block: bytes, key: str) -> None:
    chip_path.write_bytes(phoenix_bytes(block, without="Chip_MD5_CheckSum"))
    with pytest.raises(PhasebenchError, match=rf"015: ({key}): .*; copy the file again"):
        read_chip(chip_path)


@pytest.mark.parametrize("offset", [-100, -4, -1, 1, 4, 1000])
def test_a_length_of_the_header_that_is_not_true_is_refused_without_md5(
    chip_path: Path, block: bytes, offset: int
) -> None:
    content = phoenix_bytes(block, without="Chip_MD5_CheckSum")
    chip_path.write_bytes(content)
    assert read_chip(chip_path).samples.shape == (ROWS, COLUMNS)
    length = int(read_header(chip_path)["PhoenixHeaderLength"])
    changed = content.replace(f"Length= {length:05d}".encode(), f"Length= {length + offset:05d}".encode(), 1)
    chip_path.write_bytes(changed + bytes(2000))
    with pytest.raises(PhasebenchError, match=rf"015: PhoenixHeaderLength: says {length + offset}, but the"):
        read_chip(chip_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"NumberOfRows": "9" * 5000}, r"NumberOfRows: '9+' is not a count"),
        ({"TargetSerNum": "1\0"}, r"TargetSerNum: '1\\x00' has a control character"),
        ({"TargetAz": "1e300"}, r"TargetAz: '1e300' is not a number"),
    ],
)
def test_a_value_that_cannot_be_stored_is_one_line(
    chip_path: Path, block: bytes, changes: dict[str, str], message: str
) -> None:
    chip_path.write_bytes(phoenix_bytes(block, changes=changes))
    with pytest.raises(PhasebenchError, match=message):
        read_chip(chip_path)


def test_a_saved_web_page_is_no_chip(chip_path: Path) -> None:
    chip_path.write_text("<html>404")
    with pytest.raises(PhasebenchError, match="015: it is a saved web page, not data; delete it"):
        read_chip(chip_path)
