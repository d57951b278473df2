"""The MSTAR source, on small folders of chips written here."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phasebench.common.errors import PhasebenchError
from phasebench.data.sources.radar import mstar
from phasebench.data.sources.radar.mstar import CHIPS, CLASSES, missing_chips
from phasebench.data.sources.radar.phoenix import read_chip, write_chip
from phasebench.data.splits import training_split
from phasebench.data.store import LoadedDataset


def put_chip(path: Path, *, size: tuple[int, int] = (128, 128), seed: int | None = None, **fields: Any) -> Path:
    """Write a chip of noise, other noise for every path unless a seed is given."""
    random = np.random.default_rng(sum(map(ord, str(path))) if seed is None else seed)
    samples = random.standard_normal(size) + 1j * random.standard_normal(size)
    known: dict[str, Any] = {"target_class": "t72_tank", "serial": "132", "depression_angle": 17, "azimuth": 10.0}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_chip(path, samples, **(known | fields))
    return path


def load(folder: Path) -> LoadedDataset:
    return mstar.load({"folder": str(folder)}, folder, False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The smallest folder that loads: one chip for each split."""
    put_chip(tmp_path / "17_DEG" / "T72" / "HB00001.015")
    put_chip(tmp_path / "15_DEG" / "T72" / "HB00002.015", depression_angle=15)
    return tmp_path


@pytest.mark.parametrize(
    ("target_type", "expected"),
    [
        ("bmp2_tank", "bmp2"),
        ("BMP-2", "bmp2"),
        ("btr70_transport", "btr70"),
        ("t72_tank", "t72"),
        ("T-72", "t72"),
        ("btr_60", "btr60"),
        ("btr60_transport", "btr60"),
        ("2s1_gun", "2s1"),
        ("2S1", "2s1"),
        ("brdm2_truck", "brdm2"),
        ("BRDM_2", "brdm2"),
        ("d7", "d7"),
        ("D7_bulldozer", "d7"),
        ("t62_tank", "t62"),
        ("zil131_truck", "zil131"),
        ("zsu23-4", "zsu23-4"),
        ("ZSU_23_4", "zsu23-4"),
        ("zsu23-4_gun", "zsu23-4"),
    ],
)
def test_target_types_of_the_distribution_name_their_class(target_type: str, expected: str) -> None:
    label = mstar.class_label(target_type)
    assert label is not None
    assert mstar.CLASSES[label] == expected


@pytest.mark.parametrize("target_type", ["slicy", "clutter", "t720_tank", "bmp23", "m1_tank", "17_DEG", "SN_132", ""])
def test_other_names_name_no_class(target_type: str) -> None:
    assert mstar.class_label(target_type) is None


def test_classes_stand_in_the_order_of_the_study() -> None:
    assert mstar.CLASSES == ("bmp2", "btr70", "t72", "btr60", "2s1", "brdm2", "d7", "t62", "zil131", "zsu23-4")


def test_depression_angle_makes_the_split(folder: Path) -> None:
    for number in range(3):
        put_chip(folder / f"HB1000{number}.000", target_class="2s1_gun", depression_angle=17)
    for number, angle in enumerate((30, 45, 16, 29)):
        put_chip(folder / f"HB2000{number}.000", target_class="2s1_gun", depression_angle=angle)
    loaded = load(folder)
    angles = loaded.extra["depression_angle"]
    assert {name: len(indices) for name, indices in loaded.splits.items()} == {"train": 4, "test": 1}
    assert set(angles[loaded.splits["train"]]) == {17.0}
    assert set(angles[loaded.splits["test"]]) == {15.0}
    assert len(loaded.samples) == 5


def test_clutter_and_slicy_are_left_out(folder: Path) -> None:
    put_chip(folder / "SLICY" / "HB1.015", target_class="slicy", size=(54, 54))
    put_chip(folder / "SLICY" / "HB2.015", target_class="SLICEY", size=(54, 54))
    put_chip(folder / "CLUTTER" / "HB3.015", target_class="clutter", depression_angle=15)
    put_chip(folder / "CLUTTER" / "HB4.015", target_class="", depression_angle=15)
    loaded = load(folder)
    assert set(loaded.labels) == {mstar.CLASSES.index("t72")}
    assert len(loaded.labels) == 2


def test_files_are_told_by_their_suffix_in_any_case_and_at_any_depth(folder: Path) -> None:
    put_chip(folder / "CD1" / "targets" / "test" / "15_deg" / "sn_c71" / "hb04000.004", target_class="BTR70")
    put_chip(folder / "Hb05000.026", target_class="ZSU_23_4", depression_angle=15)
    (folder / "README.TXT").write_text("not a chip")
    (folder / "HB00001.JPG").write_bytes(b"\xff\xd8\xff")
    (folder / "HB00001.0015").write_text("not a chip")
    (folder / "._HB00001.015").write_bytes(b"\x00\x05\x16\x07")
    assert [mstar.CLASSES[label] for label in load(folder).labels] == ["btr70", "t72", "t72", "zsu23-4"]


def test_larger_chips_give_their_middle(folder: Path) -> None:
    samples = read_chip(put_chip(folder / "HB1.000", size=(139, 178), target_class="bmp2_tank")).samples
    np.testing.assert_array_equal(load(folder).samples[0], samples[5 : 5 + 128, 25 : 25 + 128])


def test_samples_labels_and_extra_belong_together(folder: Path) -> None:
    first_path = put_chip(
        folder / "HB9.001", target_class="bmp2_tank", serial="c21", azimuth=200.25, depression_angle=15
    )
    loaded = load(folder)
    assert loaded.samples.dtype == np.complex64
    assert loaded.samples.shape == (3, 128, 128)
    np.testing.assert_array_equal(loaded.samples[0], read_chip(first_path).samples)
    assert loaded.labels.tolist() == [0, 2, 2]
    assert loaded.extra["serial"].tolist() == ["c21", "132", "132"]
    assert loaded.extra["azimuth"].tolist() == [200.25, 10.0, 10.0]
    assert loaded.extra["depression_angle"].tolist() == [15.0, 15.0, 17.0]
    assert {name: indices.tolist() for name, indices in loaded.splits.items()} == {"train": [2], "test": [0, 1]}
    assert loaded.source == {"source": "mstar"}


def test_order_is_by_class_serial_angle_azimuth_and_name(tmp_path: Path) -> None:
    chips = [
        ("bmp2_tank", "9566", 15, 30.0, "b.000"),
        ("bmp2_tank", "9566", 17, 20.0, "z.000"),
        ("bmp2_tank", "c21", 15, 1.0, "a.000"),
        ("t72_tank", "132", 17, 5.0, "y.000"),
        ("t72_tank", "132", 17, 200.0, "C.000"),
        ("t72_tank", "132", 17, 200.0, "d.000"),
        ("2s1_gun", "b01", 15, 0.0, "x.000"),
    ]
    written = {}
    for position in np.random.default_rng(0).permutation(len(chips)):
        target_class, serial, angle, azimuth, name = chips[position]
        written[position] = put_chip(
            tmp_path / f"folder{position % 3}" / name,
            target_class=target_class,
            serial=serial,
            depression_angle=angle,
            azimuth=azimuth,
        )
    expected = np.stack([read_chip(written[position]).samples for position in range(len(chips))])
    np.testing.assert_array_equal(load(tmp_path).samples, expected)


def test_a_chip_that_stands_there_twice_is_used_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    put_chip(folder / "HB3.000", seed=5)
    before = load(folder)
    put_chip(folder / "CD2" / "HB3.000", seed=5)
    after = load(folder)
    np.testing.assert_array_equal(after.samples, before.samples)
    assert {name: indices.tolist() for name, indices in after.splits.items()} == {"train": [1, 2], "test": [0]}
    assert "1 chips" in caplog.text


@pytest.mark.parametrize("change", [{"target_class": "bmp2_tank"}, {"depression_angle": 15}])
def test_one_chip_under_two_classes_or_angles_is_refused(folder: Path, change: dict[str, Any]) -> None:
    put_chip(folder / "HB3.000", seed=5)
    put_chip(folder / "HB4.000", seed=5, **change)
    message = refusal(folder)
    assert "HB3.000" in message
    assert "HB4.000" in message
    assert "TargetType, DesiredDepression" in message


def test_a_link_back_up_the_tree_does_no_harm(folder: Path) -> None:
    (folder / "17_DEG" / "up").symlink_to(folder, target_is_directory=True)
    assert len(load(folder).labels) == 2


def test_the_default_folder_lies_under_the_data_root(folder: Path) -> None:
    root = folder / "root"
    put_chip(root / "mstar" / "HB1.000", target_class="d7")
    put_chip(root / "mstar" / "HB2.000", target_class="d7", depression_angle=15)
    assert set(mstar.load({}, root, False).labels) == {mstar.CLASSES.index("d7")}


def test_a_chip_smaller_than_the_crop_is_refused_by_name(folder: Path) -> None:
    put_chip(folder / "HB7.003", size=(128, 127), target_class="btr_60")
    assert refusal(folder).startswith(f"{folder / 'HB7.003'}: NumberOfRows, NumberOfColumns: 128 x 127")


def test_a_damaged_chip_is_refused_by_name(folder: Path) -> None:
    path = put_chip(folder / "HB7.003")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert refusal(folder).startswith(f"{path}: Chip_MD5_CheckSum: ")
    path.write_bytes(content[:-5000])
    assert refusal(folder).startswith(f"{path}: NumberOfRows, NumberOfColumns: ")


def test_a_file_with_a_chips_suffix_must_be_one(folder: Path) -> None:
    (folder / "mstar.zip.001").write_bytes(b"PK\x03\x04")
    assert refusal(folder).startswith(f"{folder / 'mstar.zip.001'}: PhoenixHeaderVer: ")


def test_an_unknown_target_is_refused(folder: Path) -> None:
    put_chip(folder / "HB7.003", target_class="m1_tank")
    message = refusal(folder)
    assert message.startswith(f"{folder / 'HB7.003'}: TargetType: 'm1_tank'")
    assert "zsu23-4" in message


def test_a_targets_folder_does_not_replace_the_headers_class(folder: Path) -> None:
    put_chip(folder / "T-72" / "SN_132" / "HB7.015", target_class="")
    message = refusal(folder)
    assert message.startswith(f"{folder / 'T-72' / 'SN_132' / 'HB7.015'}: TargetType: missing")
    assert "T-72" in message


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nowhere")
    assert message.startswith(f"{tmp_path / 'nowhere'}: folder: no such folder")


def test_a_folder_without_chips_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("nothing here")
    assert refusal(tmp_path).startswith(f"{tmp_path}: folder: holds no chip files")


@pytest.mark.parametrize(("present", "absent", "split"), [(15, 17, "train"), (17, 15, "test")])
def test_a_split_without_chips_is_refused(tmp_path: Path, present: int, absent: int, split: str) -> None:
    put_chip(tmp_path / "HB1.000", depression_angle=present)
    put_chip(tmp_path / "HB2.000", depression_angle=30)
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}: DesiredDepression: none of the 2 chip files")
    assert f"{absent} degrees ({split} set)" in message


def test_an_unknown_option_is_refused(folder: Path) -> None:
    with pytest.raises(
        PhasebenchError, match="mstar: options: key 'fodler' is not known; known keys: classes, crop, folder"
    ):
        mstar.load({"fodler": str(folder)}, folder, False)


def refusal(folder: Path) -> str:
    with pytest.raises(PhasebenchError) as refused:
        load(folder)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def whole() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    labels = np.concatenate([np.repeat(np.arange(10), [CHIPS[name][split] for name in CLASSES]) for split in (0, 1)])
    return labels, {"train": np.arange(6059), "test": np.arange(6059, len(labels))}


def test_totals_and_the_share_of_the_largest_class() -> None:
    train, test = (np.array([counts[split] for counts in CHIPS.values()]) for split in (0, 1))
    assert (train.sum(), test.sum()) == (6059, 5392)
    assert CLASSES == ("bmp2", "btr70", "t72", "btr60", "2s1", "brdm2", "d7", "t62", "zil131", "zsu23-4")
    # 11 variants of the T72 make it every second chip.
    assert (CHIPS["t72"][1], test.max()) == (2771, 2771)
    assert test.max() / test.sum() == pytest.approx(0.5139, abs=5e-5)


@pytest.mark.parametrize(
    ("fraction", "sizes"),
    [(0.05, (271, 31)), (0.1, (544, 61)), (0.5, (2726, 303)), (0.9, (4907, 546)), (1.0, (5453, 606))],
)
def test_published_split_sizes(fraction: float, sizes: tuple[int, int]) -> None:
    _, splits = whole()
    assert tuple(len(part) for part in training_split(splits["train"], 0, fraction, 0.1)) == sizes


def test_the_whole_distribution_lacks_nothing() -> None:
    labels, splits = whole()
    assert missing_chips(labels, splits, CLASSES) == []
    assert missing_chips(labels, {**splits, "test": splits["test"][:-5]}, CLASSES) == ["zsu23-4: 269 of 274 test"]


def test_some_vehicles_and_another_test_angle_are_chosen_by_options(tmp_path: Path) -> None:
    vehicles = {"2s1_gun": "b01", "brdm2_truck": "E-71", "t72_tank": "132"}
    for number, (target, serial) in enumerate([*vehicles.items(), ("t72_tank", "s7")]):
        for angle in (15, 17, 30):
            name = f"{angle}/HB{number:05d}.000"
            put_chip(
                tmp_path / name, seed=4 * angle + number, target_class=target, serial=serial, depression_angle=angle
            )

    def chosen(**options: Any) -> LoadedDataset:
        return mstar.load({"folder": str(tmp_path), **options}, tmp_path, False)

    extended = chosen(classes="2s1,brdm2", test_angle=30)
    assert extended.classes == ("2s1", "brdm2")
    assert extended.labels.tolist() == [0, 0, 1, 1]
    assert set(extended.extra["depression_angle"][extended.splits["test"]]) == {30.0}
    one = chosen(serials="s7,B01", classes="t72,2s1")
    assert sorted(set(one.extra["serial"])) == ["b01", "s7"]
    assert {len(indices) for indices in one.splits.values()} == {2}
    assert [one.classes[label] for label in one.labels[one.splits["test"]]] == ["t72", "2s1"]
    with pytest.raises(PhasebenchError, match=r"options\.serials: no chip of .*9563"):
        chosen(serials="soc")
    with pytest.raises(PhasebenchError, match=r"options\.test_angle"):
        chosen(test_angle=20)


def test_the_standard_operating_conditions_have_one_vehicle_of_each_class() -> None:
    assert len(set(mstar.SOC_SERIALS)) == len(mstar.CLASSES)
